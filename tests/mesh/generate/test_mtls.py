import pytest

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.model import Flavour, Target
from kntls.mesh.generate.mtls import Mode, Mtls, mtls, parse_ports


def made(wanted: Mtls, target: Target | None = None):
    return mtls(wanted, target or Target()).objects


def test_without_a_namespace_the_root_namespace_rules_the_mesh():
    (peer,) = made(Mtls())
    assert peer["metadata"] == {"name": "default", "namespace": "istio-system"}
    assert peer["spec"] == {"mtls": {"mode": "STRICT"}}


def test_each_namespace_gets_its_own():
    peers = made(Mtls(Mode.PERMISSIVE, ("a", "b")))
    assert [(p["metadata"]["namespace"], p["spec"]["mtls"]["mode"]) for p in peers] == [
        ("a", "PERMISSIVE"),
        ("b", "PERMISSIVE"),
    ]


def test_a_workload_may_have_a_port_of_its_own():
    (peer,) = made(Mtls(Mode.STRICT, ("a",), {"app": "x"}, ports={8022: Mode.PERMISSIVE}))
    assert peer["spec"] == {
        "selector": {"matchLabels": {"app": "x"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"8022": {"mode": "PERMISSIVE"}},
    }


def test_prestop_opens_only_8022_of_that_service():
    (peer,) = made(Mtls(namespaces=("a",), prestop_services=("web",)))
    assert peer["spec"] == {
        "selector": {"matchLabels": {"serving.knative.dev/service": "web"}},
        "portLevelMtls": {"8022": {"mode": "PERMISSIVE"}},
    }


def test_destination_rules_lie_in_the_hosts_namespace():
    objects = made(Mtls(namespaces=("a",), hosts=("*.local",), plaintext_hosts=("db.legacy.svc.cluster.local",)))
    mutual, plain = objects[1:]
    assert (mutual["metadata"]["namespace"], plain["metadata"]["namespace"]) == ("istio-system", "legacy")
    assert mutual["spec"]["trafficPolicy"] == {"tls": {"mode": "ISTIO_MUTUAL"}}
    assert plain["spec"]["trafficPolicy"] == {"tls": {"mode": "DISABLE"}}


def test_the_local_gateway_listens_where_its_service_points():
    gateway = made(Mtls(namespaces=("a",), local_gateway=True))[-1]
    (server,) = gateway["spec"]["servers"]
    assert (server["port"]["number"], server["tls"]) == (8081, {"mode": "ISTIO_MUTUAL"})


def test_what_istio_silently_ignores_is_refused():
    with pytest.raises(Refused, match="ignores"):
        made(Mtls(namespaces=("istio-system",), labels={"app": "x"}))


@pytest.mark.parametrize(
    "wanted",
    [
        Mtls(namespaces=("a",), ports={80: Mode.STRICT}),
        Mtls(labels={"app": "x"}),
        Mtls(namespaces=("a", "b"), labels={"app": "x"}),
        Mtls(prestop_services=("web",)),
    ],
)
def test_what_istio_rejects_is_a_usage_error(wanted):
    with pytest.raises(UsageError):
        made(wanted)


@pytest.mark.parametrize("entry", ["80", "80=strict", "0=STRICT", "x=STRICT", "80=MUTUAL"])
def test_port_modes_are_checked(entry):
    with pytest.raises(UsageError, match="port mode"):
        parse_ports((entry,))


def test_ossm_2_is_told_that_the_smcp_makes_the_same_object():
    assert any("SMCP" in note for note in mtls(Mtls(), Target(Flavour.OSSM2)).notes)
    assert not any("SMCP" in note for note in mtls(Mtls(), Target()).notes)


def test_a_port_has_one_mode():
    assert parse_ports(("80=STRICT", "81=DISABLE")) == {80: Mode.STRICT, 81: Mode.DISABLE}
    with pytest.raises(UsageError, match="port 80 is given twice"):
        parse_ports(("80=STRICT", "80=DISABLE"))


def test_a_short_host_would_mean_the_wrong_namespace():
    with pytest.raises(UsageError, match=r"web\.NAMESPACE\.svc\.cluster\.local"):
        made(Mtls(namespaces=("a",), hosts=("web",)))
