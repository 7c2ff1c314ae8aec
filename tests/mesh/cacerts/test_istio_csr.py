import pytest

from kntls.errors import Refused, UsageError
from kntls.mesh.cacerts.istio_csr import IstioCsr, istio_csr
from kntls.mesh.generate.model import Flavour, Target


def test_the_server_name_and_the_control_planes_address_are_the_same_host():
    for flavour in Flavour:
        made = istio_csr(IstioCsr(), Target(flavour))
        (name,) = made.files["istio-csr-values.yaml"]["app"]["tls"]["certificateDNSNames"]
        assert f"{name}:443" in str(made.objects) + str(made.files)


def test_ossm_2_needs_third_party_tokens_and_a_selector_with_an_equals_sign():
    made = istio_csr(IstioCsr(), Target(Flavour.OSSM2))
    security = made.objects[-1]["spec"]["security"]
    assert security["identity"] == {"type": "ThirdParty"}
    app = made.files["istio-csr-values.yaml"]["app"]
    assert app["controller"]["configmapNamespaceSelector"] == "maistra.io/member-of=istio-system"
    assert app["istio"]["revisions"] == ["basic"]


def test_elsewhere_istiods_own_ca_is_switched_off():
    made = istio_csr(IstioCsr(), Target(Flavour.OSSM3))
    assert made.objects[-1]["spec"]["values"]["pilot"]["env"] == {"ENABLE_CA_SERVER": "false"}
    assert istio_csr(IstioCsr(), Target()).files["istiod-values.yaml"]["global"]["caAddress"].endswith(":443")


def test_the_pki_is_a_root_and_an_intermediate_of_its_own():
    kinds = [o["kind"] for o in istio_csr(IstioCsr(), Target(Flavour.OSSM2)).objects]
    assert kinds == [
        "ClusterIssuer",
        "Certificate",
        "ClusterIssuer",
        "Certificate",
        "Issuer",
        "ServiceMeshControlPlane",
    ]
    assert [o["kind"] for o in istio_csr(IstioCsr(root=False), Target()).objects] == []


@pytest.mark.parametrize(
    "wanted", [IstioCsr(mesh_version="2.3.5"), IstioCsr(csr_version="v0.5.0"), IstioCsr(mesh_version="v1.1")]
)
def test_versions_that_do_not_work_are_refused(wanted):
    with pytest.raises(Refused):
        istio_csr(wanted, Target(Flavour.OSSM2))


@pytest.mark.parametrize(
    "wanted", [IstioCsr(mesh_version="2.4"), IstioCsr(csr_version="0.6.0"), IstioCsr(mesh_version="2.10.1")]
)
def test_versions_that_work_are_accepted(wanted):
    assert istio_csr(wanted, Target(Flavour.OSSM2)).objects


def test_a_version_that_is_none_is_a_usage_error():
    with pytest.raises(UsageError):
        istio_csr(IstioCsr(mesh_version="latest"), Target(Flavour.OSSM2))
