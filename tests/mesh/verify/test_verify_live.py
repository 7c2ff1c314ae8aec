import pytest
from verify_world import OBJECTS, TENANTS, Mesh, setting, without

from kntls.cluster.exec import Completed
from kntls.errors import ClusterError, NotFound
from kntls.mesh.verify.judge import Kind
from kntls.mesh.verify.live import MARK, curl, measure, read_answer, read_counters, run, wire
from kntls.mesh.verify.probes import tenants


def outcomes(execute, objects=None):
    world, _, found, pods = setting(objects)
    return list(run(world, found, execute, pods))


def test_every_path_within_and_across_tenants_is_measured():
    _, _, found, _ = setting()
    paths = {probe.id.rpartition(", ")[2] for probe in found}
    assert paths == {"direct", "activator", "gateway", "gateway+activator", "external"}
    assert len(found) == 2 * 2 * 5


def test_the_local_gateway_is_dialled_with_the_services_host_and_the_private_service_by_its_revision():
    _, _, found, _ = setting()
    by_id = {probe.id: probe for probe in found}
    gateway = by_id["team-1 → team-2, gateway"]
    assert gateway.url == "http://knative-local-gateway.istio-system.svc.cluster.local/"
    assert curl(gateway)[5:7] == ["Host: scaled.team-2.svc.cluster.local", "-w"]
    assert by_id["team-1 → team-2, direct"].url == "http://scaled-00001-private.team-2.svc.cluster.local/"
    assert "-k" in curl(by_id["team-1 → team-2, external"])


def test_a_mesh_that_enforces_its_policies_is_as_the_policies_say():
    found = outcomes(Mesh())
    assert [each.difference for each in found if not each.right] == []
    crossing = {each.probe.id: each.measured.code for each in found if "team-1 → team-2" in each.probe.id}
    assert crossing.pop("team-1 → team-2, external") == "200"
    assert set(crossing.values()) == {"403"}


def test_a_policy_that_is_not_enforced_is_a_difference_in_code():
    lax = Mesh(without("deny-all-by-default", "allow-from-knative-and-istio", "allow-team-1-to-activator"))
    wrong = [each for each in outcomes(lax) if each.kind is Kind.CODE]
    assert wrong
    assert all("the policies say" in each.difference for each in wrong)


def test_a_right_code_from_the_wrong_proxy_is_a_difference():
    found = outcomes(Mesh(detour="knative-serving/activator-1"))
    kinds = {each.probe.id: each.kind for each in found if not each.right}
    assert kinds["team-1 → team-2, activator"] is Kind.HOP
    assert kinds["team-1 → team-1, activator"] is Kind.PATH
    assert "team-1 → team-1, direct" not in kinds


def test_a_403_of_the_application_is_not_the_proxys():
    mesh = Mesh()

    def execute(namespace, name, container, command):
        answer = mesh(namespace, name, container, command)
        return Completed(answer.stdout.replace("RBAC: access denied", "not for you"))

    found = [each for each in outcomes(execute) if each.kind is Kind.HOP]
    assert found
    assert all("from the application" in each.difference for each in found)


def test_without_counters_the_code_still_counts():
    mesh = Mesh()

    def execute(namespace, name, container, command):
        if command[0] == "pilot-agent":
            return Completed("", "not found", 127)
        return mesh(namespace, name, container, command)

    found = outcomes(execute)
    assert all(each.right and each.measured.seen is None for each in found)


def test_an_exec_that_fails_is_unmeasured_and_no_pass():
    def execute(namespace, name, container, command):
        raise ClusterError("container not found")

    assert {each.kind for each in outcomes(execute)} == {Kind.UNMEASURED}


def test_a_client_without_a_pod_is_unmeasured():
    _, _, found, _ = setting()
    assert "no running pod" in measure(found[0], Mesh(), {}).problem


@pytest.mark.parametrize(
    ("text", "code", "problem"),
    [
        (f"body\n{MARK}200:0\n", "200", ""),
        (f"\n{MARK}000:56\n", "000", ""),
        (f"\n{MARK}000:6\n", "000", "the name was not found"),
        (f"\n{MARK}000:28\n", "000", "no answer in time"),
        ("sh: curl: not found", "", "curl printed no code: sh: curl: not found"),
        ("", "", "curl printed no code: nothing"),
    ],
)
def test_what_curl_prints_is_read(text, code, problem):
    found = read_answer(text)
    assert (found.code, found.problem) == (code, problem)


def test_counters_of_a_sidecar_are_what_it_received_and_of_a_gateway_everything():
    text = (
        'istio_requests_total{reporter="destination",response_code="403"} 3\n'
        'istio_requests_total{reporter="source",response_code="200"} 4\n'
        'istio_request_bytes_count{reporter="destination"} 9\n'
    )
    assert read_counters(text, gateway=False) == 3
    assert read_counters(text, gateway=True) == 7


@pytest.mark.parametrize(("strict", "accepted"), [(True, False), (False, True)])
def test_plaintext_from_outside_is_refused_or_accepted_as_computed(strict, accepted):
    objects = OBJECTS if strict else [each for each in OBJECTS if each["kind"] != "PeerAuthentication"]
    mesh = Mesh(objects)
    world, scene, _, pods = setting(objects)
    targets = {each.name: (each, 8012) for each in scene.workloads if each.name.endswith("scaled-1")}
    outsider = pods["kntls-verify-outside/curl-1"][0]
    found = list(wire(world, targets, outsider, mesh, pods))
    assert [(each.accepted, each.right) for each in found] == [(accepted, True)] * 2
    assert all(asked[:2] == ("kntls-verify-outside", "curl-1") for asked in mesh.asked)


def test_plaintext_that_passes_a_strict_port_is_wrong():
    world, scene, _, pods = setting()
    lax = Mesh([each for each in OBJECTS if each["kind"] != "PeerAuthentication"])
    targets = {each.name: (each, 8012) for each in scene.workloads if each.name.endswith("scaled-1")}
    found = list(wire(world, targets, pods["kntls-verify-outside/curl-1"][0], lax, pods))
    assert not any(each.right for each in found)


def test_a_tenant_without_services_is_not_found():
    _, scene, _, _ = setting()
    with pytest.raises(NotFound, match="nobody"):
        tenants(scene, {**TENANTS, "nobody": ("empty",)})
