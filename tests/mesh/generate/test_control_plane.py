import pytest

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.control_plane import ControlPlane, control_plane
from kntls.mesh.generate.model import Flavour, Target
from kntls.mesh.tls_values import CIPHERS, HTTP2_CIPHERS

OSSM2, OSSM3, ISTIO = (Target(flavour) for flavour in (Flavour.OSSM2, Flavour.OSSM3, Flavour.ISTIO))
FULL = ControlPlane(
    mtls=True,
    auto_mtls=True,
    minimum="TLSv1_2",
    ciphers=(HTTP2_CIPHERS[0], "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    curves=("X25519", "CurveP256"),
    jwks_ca="-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    knative=True,
)


def test_the_smcp_says_everything_in_its_own_words():
    (smcp,) = control_plane(FULL, OSSM2).objects
    assert smcp["metadata"] == {"name": "basic", "namespace": "istio-system"}
    assert smcp["spec"]["security"] == {
        "dataPlane": {"mtls": True, "automtls": True},
        "controlPlane": {
            "tls": {
                "minProtocolVersion": "TLSv1_2",
                "cipherSuites": list(FULL.ciphers),
                "ecdhCurves": ["X25519", "CurveP256"],
            }
        },
        "jwksResolverCA": FULL.jwks_ca,
    }
    inbound = smcp["spec"]["proxy"]["networking"]["trafficControl"]["inbound"]
    assert inbound == {"excludedPorts": [8444, 8022]}


def test_the_istio_cr_translates_every_name():
    istio, peer = control_plane(FULL, OSSM3).objects
    config = istio["spec"]["values"]["meshConfig"]
    names = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"]
    assert config["meshMTLS"] == {"minProtocolVersion": "TLSV1_2", "cipherSuites": names}
    assert config["tlsDefaults"] == {**config["meshMTLS"], "ecdhCurves": ["X25519", "P-256"]}
    assert config["enableAutoMtls"] is True
    assert istio["spec"]["values"]["pilot"]["jwksResolverExtraRootCA"] == FULL.jwks_ca
    assert "namespace" not in istio["metadata"]
    assert peer["spec"] == {"mtls": {"mode": "STRICT"}}


def test_upstream_istio_gets_helm_values_instead_of_an_object():
    made = control_plane(FULL, ISTIO)
    assert [o["kind"] for o in made.objects] == ["PeerAuthentication"]
    assert made.files["istiod-values.yaml"]["meshConfig"]["meshMTLS"]["minProtocolVersion"] == "TLSV1_2"


def test_what_has_no_equivalent_is_said():
    notes = " ".join(control_plane(ControlPlane(mtls=False, maximum="TLSv1_3", curves=("X25519",)), OSSM3).notes)
    assert "maximum TLSv1_3 has no equivalent" in notes
    assert "mtls has no equivalent" in notes
    assert "meshMTLS ignores them" in notes


@pytest.mark.parametrize(
    "wanted",
    [
        ControlPlane(minimum="TLSv1.2"),
        ControlPlane(maximum="TLSV1_2"),
        ControlPlane(ciphers=("ECDHE-RSA-AES128-GCM-SHA256",)),
        ControlPlane(ciphers=(HTTP2_CIPHERS[0], HTTP2_CIPHERS[0])),
        ControlPlane(curves=("P-512",)),
        ControlPlane(jwks_ca="not a certificate"),
        ControlPlane(mtls=True, version="2.6"),
        ControlPlane(),
    ],
)
@pytest.mark.parametrize("target", [ISTIO, OSSM3])
def test_illegal_values_are_usage_errors(wanted, target):
    with pytest.raises(UsageError):
        control_plane(wanted, target)


@pytest.mark.parametrize(
    "wanted",
    [
        ControlPlane(minimum="TLSv1_3", maximum="TLSv1_2"),
        ControlPlane(minimum="TLSv1_3", ciphers=(HTTP2_CIPHERS[0],)),
        ControlPlane(ciphers=("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",)),
        ControlPlane(jwks_ca="-----BEGIN RSA PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----"),
    ],
)
@pytest.mark.parametrize("target", [OSSM2, OSSM3, ISTIO])
def test_contradictions_are_refused_whatever_the_flavour(wanted, target):
    with pytest.raises(Refused):
        control_plane(wanted, target)


def test_tls_auto_contradicts_nothing():
    assert control_plane(ControlPlane(minimum="TLS_AUTO", maximum="TLSv1_2"), OSSM2).objects


@pytest.mark.parametrize("version", ["TLSv1_0", "TLSv1_1"])
def test_old_versions_exist_in_an_smcp_only(version):
    assert control_plane(ControlPlane(minimum=version), OSSM2).objects
    with pytest.raises(Refused, match=r"no TLS below 1\.2"):
        control_plane(ControlPlane(minimum=version), OSSM3)


@pytest.mark.parametrize("name", [name for name, cipher in CIPHERS.items() if not cipher.istio])
def test_ciphers_istio_does_not_know_are_refused_there(name):
    wanted = ControlPlane(ciphers=(HTTP2_CIPHERS[0], name))
    assert control_plane(wanted, OSSM2).objects
    with pytest.raises(Refused, match=name):
        control_plane(wanted, OSSM3)


def test_strict_without_auto_mtls_needs_the_rule_only_an_smcp_makes():
    assert control_plane(ControlPlane(mtls=True, auto_mtls=False), OSSM2).objects
    with pytest.raises(Refused, match="auto-mTLS"):
        control_plane(ControlPlane(mtls=True, auto_mtls=False), OSSM3)
