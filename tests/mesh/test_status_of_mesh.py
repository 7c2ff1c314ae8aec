import pytest

from kntls.mesh.generate.integration import Integration, integration
from kntls.mesh.generate.member_roll import Members, member_roll
from kntls.mesh.generate.model import Flavour, Target
from kntls.mesh.kiali import Icon, lock
from kntls.mesh.lint.model import World
from kntls.mesh.resources import from_objects
from kntls.mesh.status import status


def obj(kind, place, spec, version="security.istio.io/v1", **extra):
    namespace, _, name = place.partition("/")
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
        **extra,
    }


def peer(place, mode, labels=None, ports=None, **spec):
    body = {"mtls": {"mode": mode}, **spec}
    body |= {"selector": {"matchLabels": labels}} if labels else {}
    body |= {"portLevelMtls": {str(port): {"mode": each} for port, each in ports.items()}} if ports else {}
    return obj("PeerAuthentication", place, body)


def rule(host, mode):
    spec = {"host": host, "trafficPolicy": {"tls": {"mode": mode}}}
    return obj("DestinationRule", "istio-system/d", spec, "networking.istio.io/v1")


def pod(place, labels, *, sidecar=True, ports=(8080,)):
    containers = [{"name": "app", "ports": [{"containerPort": port} for port in ports]}]
    containers += [{"name": "istio-proxy"}] if sidecar else []
    made = obj("Pod", place, {"containers": containers}, "v1", status={"phase": "Running"})
    made["metadata"]["labels"] = labels
    return made


def judge(*objects):
    return status(World(from_objects(objects)))


MESH = "istio-system/default"
MANUAL = obj(
    "ServiceMeshControlPlane", "istio-system/basic", {"security": {"dataPlane": {"automtls": False}}}, "maistra.io/v2"
)


@pytest.mark.parametrize(
    ("objects", "icon"),
    [
        ([], Icon.FULL),
        ([peer(MESH, "STRICT")], Icon.FULL),
        ([peer(MESH, "PERMISSIVE")], Icon.HOLLOW),
        ([peer(MESH, "DISABLE")], Icon.FULL),
        ([peer(MESH, "STRICT"), rule("*.local", "ISTIO_MUTUAL")], Icon.FULL),
        ([peer(MESH, "STRICT"), rule("*.local", "DISABLE")], Icon.HOLLOW),
        ([MANUAL], Icon.NONE),
        ([MANUAL, peer(MESH, "STRICT")], Icon.HOLLOW),
        ([MANUAL, peer(MESH, "STRICT"), rule("*.local", "ISTIO_MUTUAL")], Icon.FULL),
        ([MANUAL, peer(MESH, "PERMISSIVE")], Icon.HOLLOW),
    ],
)
def test_the_lock_is_the_one_kiali_draws(objects, icon):
    assert judge(*objects).lock.icon is icon


@pytest.mark.parametrize("objects", [[], [peer(MESH, "DISABLE")]])
def test_a_full_lock_over_a_mesh_that_takes_plaintext_is_a_disagreement(objects):
    assert any("full lock" in each for each in judge(*objects).disagreements)


def test_a_full_lock_over_one_permissive_port_is_a_disagreement_that_names_it():
    loose = peer("foo/web", "STRICT", {"app": "web"}, {8022: "PERMISSIVE"})
    found = judge(peer(MESH, "STRICT"), loose, pod("foo/web-1", {"app": "web"}))
    assert [(row.port, row.mode) for row in found.ports] == [("8022", "PERMISSIVE"), ("8080", "STRICT")]
    assert found.disagreements == ("Kiali shows a full lock, but foo/web-1 port 8022 is PERMISSIVE",)


def test_a_strict_mesh_without_exceptions_agrees_with_its_lock():
    assert judge(peer(MESH, "STRICT"), pod("foo/web-1", {"app": "web"})).disagreements == ()


def test_kiali_does_not_count_an_empty_selector_as_none():
    quirk = peer(MESH, "STRICT", selector={})
    found = judge(quirk)
    assert found.mesh_mode == "STRICT"
    assert found.lock.state.value == "MTLS_NOT_ENABLED"
    assert any("column says" in each for each in found.disagreements)


def test_pods_of_one_workload_are_one_row_and_pods_without_sidecar_say_so():
    twins = [pod(f"foo/web-{i}", {"app": "web", "pod-template-hash": f"h{i}"}) for i in range(3)]
    found = judge(*twins, pod("old/db-1", {"app": "db"}, sidecar=False))
    assert [(row.workload, row.pods, row.mode) for row in found.ports] == [
        ("web-0", 3, "PERMISSIVE"),
        ("db-1", 1, "no sidecar"),
    ]


def test_a_namespaces_column_inherits_or_speaks_for_itself():
    found = judge(peer(MESH, "STRICT"), peer("foo/default", "PERMISSIVE"), pod("bar/a", {"app": "a"}))
    assert ("foo", "Permissive", "PERMISSIVE") in found.columns
    assert ("bar", "inherited Strict", "STRICT") in found.columns


def test_what_integration_generates_is_complete_and_each_piece_is_missed():
    target = Target(Flavour.OSSM2)
    made = [*integration(Integration("a.b", issuer="ca"), target).objects, *member_roll(Members(()), target).objects]
    assert [part.name for part in judge(*made).parts if part.there is False] == []
    for gone in range(len(made)):
        left = made[:gone] + made[gone + 1 :]
        assert any(part.there is not True for part in judge(*left).parts), made[gone]["kind"]


def test_a_gateway_in_plaintext_or_on_another_port_is_a_missing_part():
    target = Target(Flavour.OSSM2)
    _, ingress, local, service = integration(Integration("a.b"), target).objects
    plain = {**local, "spec": {**local["spec"], "servers": [{"port": {"number": 8081, "protocol": "HTTP"}}]}}
    other = {
        **local,
        "spec": {**local["spec"], "servers": [{"port": {"number": 8012}, "tls": {"mode": "ISTIO_MUTUAL"}}]},
    }
    missing = {part.name: part.there for part in judge(ingress, plain, service).parts}
    assert missing["Gateway knative-local-gateway takes mTLS only"] is False
    missing = {part.name: part.there for part in judge(ingress, other, service).parts}
    assert missing["Service knative-local-gateway leads to it"] is False


def test_an_empty_input_knows_nothing_about_the_integration():
    assert {part.there for part in judge().parts} == {None}


def test_the_lock_needs_no_world():
    assert lock([], [], "istio-system", auto=True).icon is Icon.FULL
