import pytest

from kntls.cluster.client import ref_of
from kntls.errors import Conflict, Refused, WaitTimeout
from kntls.mesh.verify.deploy import deployed, ready
from kntls.mesh.verify.workloads import LABELS, OUTSIDE, Images, of_tenant, outside

MANIFESTS = (*outside(Images()), *of_tenant("team-1", Images()))


class Cluster:
    """An API server's memory: what is created is up at once, unless told otherwise."""

    def __init__(self, existing=(), *, slow=False, fail_at=None):
        self.objects = {ref_of(each): each for each in existing}
        self.slow, self.fail_at, self.requests = slow, fail_at, 0

    def create(self, manifest):
        self.requests += 1
        ref = ref_of(manifest)
        if ref in self.objects:
            raise Conflict("exists")
        self.objects[ref] = self._with_status(manifest)
        if self.requests == self.fail_at:
            raise KeyboardInterrupt

    def apply(self, manifest, *, force=False):
        self.objects[ref_of(manifest)] = self._with_status(manifest)

    def get(self, ref):
        return self.objects.get(ref)

    def delete(self, ref):
        del self.objects[ref]

    def _with_status(self, manifest):
        status = {"availableReplicas": 1, "conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": 1}
        metadata = {**manifest["metadata"], "generation": 1}
        return {**manifest, "metadata": metadata, "status": {} if self.slow else status}


def use(cluster, body=lambda: None, **settings):
    with deployed(cluster, MANIFESTS, timeout=0.0, say=lambda _: None, sleep=lambda _: None, **settings):
        body()


def test_everything_is_there_inside_and_gone_outside():
    cluster, seen = Cluster(), []
    use(cluster, lambda: seen.extend(cluster.objects))
    assert len(seen) == len(MANIFESTS)
    assert cluster.objects == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_everything_is_removed_after_an_error_or_interrupt(error):
    cluster = Cluster()

    def fail():
        raise error

    with pytest.raises(error):
        use(cluster, fail)
    assert cluster.objects == {}


@pytest.mark.parametrize("number", range(1, len(MANIFESTS) + 1))
def test_an_interrupt_right_after_any_creation_leaves_nothing_behind(number):
    cluster = Cluster(fail_at=number)
    with pytest.raises(KeyboardInterrupt):
        use(cluster)
    assert cluster.objects == {}


def test_what_is_not_ours_is_never_touched():
    foreign = {**MANIFESTS[2], "metadata": {"name": "curl", "namespace": "team-1"}}
    cluster = Cluster([foreign])
    with pytest.raises(Refused, match="not ours"):
        use(cluster)
    assert list(cluster.objects.values()) == [foreign]


def test_leftovers_of_a_killed_run_are_taken_over_and_removed():
    cluster = Cluster([MANIFESTS[3]])
    use(cluster)
    assert cluster.objects == {}


def test_a_wait_that_runs_out_names_what_is_missing_and_removes_everything():
    cluster = Cluster(slow=True)
    with pytest.raises(WaitTimeout, match="curl"):
        use(cluster)
    assert cluster.objects == {}


def test_a_service_is_ready_when_its_status_is_current():
    stale = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"generation": 2}}
    stale["status"] = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
    assert not ready(stale)
    stale["status"]["observedGeneration"] = 2
    assert ready(stale)


def test_the_workloads_are_those_of_the_procedures_all_labelled_and_outside_without_a_sidecar():
    names = [each["metadata"]["name"] for each in of_tenant("t", Images())]
    assert names == ["curl", "svc-always-scaled", "svc-activator-in-path", "test-webapp"]
    assert all(LABELS.items() <= each["metadata"]["labels"].items() for each in MANIFESTS)
    client = outside(Images())[1]
    assert client["metadata"]["namespace"] == OUTSIDE
    assert client["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
