"""The client against a real HTTP API server: reading, paging, writing, conflicts, faults, one error for each."""

from __future__ import annotations

import itertools

import pytest

from kntls.cluster import client
from kntls.cluster.client import Cluster, path_of
from kntls.cluster.connection import connect
from kntls.cluster.failures import Invalid
from kntls.cluster.retry import Retry
from kntls.errors import Busy, Conflict, Forbidden, NotFound, Unreachable, UsageError
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, NAMESPACE, SECRET
from kntls.model.objects import ObjectRef

NUMBERS = itertools.count()


def quick(**options: float) -> Retry:
    """Retries without waiting: the clock advances by what would have been slept."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Retry(clock=lambda: now[0], sleep=sleep, jitter=lambda: 0.5, **options)


@pytest.fixture
def cluster(api):
    api.faults.clear()
    yield connect(kubeconfig=str(api.kubeconfig), retry=quick())
    api.faults.clear()


@pytest.fixture
def space(cluster: Cluster) -> str:
    name = f"client-{next(NUMBERS)}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def config_map(space: str, name: str = "a", **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def test_a_missing_object_is_none_and_a_missing_kind_too(cluster, space):
    assert cluster.get(ObjectRef(CONFIG_MAP, "nowhere", space)) is None


def test_apply_creates_then_changes_as_kntls(cluster, space):
    cluster.apply(config_map(space, k="1"))
    answer = cluster.apply(config_map(space, k="2"))
    assert answer["data"] == {"k": "2"}
    assert {entry["manager"] for entry in answer["metadata"]["managedFields"]} == {"kntls"}


def test_a_dry_run_changes_nothing(cluster, space):
    cluster.apply(config_map(space, k="1"), dry_run=True)
    assert cluster.get(ObjectRef(CONFIG_MAP, "a", space)) is None


def test_a_field_of_another_manager_is_a_conflict_until_it_is_taken_over(cluster, space, monkeypatch):
    monkeypatch.setattr(client, "MANAGER", "kubectl")
    cluster.apply(config_map(space, k="theirs"))
    monkeypatch.undo()
    with pytest.raises(Conflict, match="kubectl"):
        cluster.apply(config_map(space, k="ours"))
    assert cluster.apply(config_map(space, k="ours"), force=True)["data"] == {"k": "ours"}


def test_a_long_list_comes_in_pages(cluster, space, monkeypatch):
    for number in range(7):
        cluster.create(config_map(space, f"page-{number}"))
    monkeypatch.setattr(client, "PAGE", 3)
    before = cluster.requests
    found = cluster.list(CONFIG_MAP, space)
    assert sum(obj["metadata"]["name"].startswith("page-") for obj in found) == 7
    assert cluster.requests - before >= 3
    assert found[0]["kind"] == "ConfigMap"


def test_a_list_that_expires_half_way_is_started_again(api, cluster, space, monkeypatch):
    for number in range(5):
        cluster.create(config_map(space, f"page-{number}"))
    monkeypatch.setattr(client, "PAGE", 2)
    api.faults.add("gone@list:configmaps*1")
    assert sum(obj["metadata"]["name"].startswith("page-") for obj in cluster.list(CONFIG_MAP, space)) == 5


@pytest.mark.parametrize(
    "fault", ["throttle=1@get:configmaps*2", "error=503@get:configmaps*3", "reset@get:configmaps*2"]
)
def test_passing_trouble_is_asked_again(api, cluster, space, fault):
    cluster.apply(config_map(space, k="1"))
    api.faults.add(fault)
    assert cluster.get(ObjectRef(CONFIG_MAP, "a", space))["data"] == {"k": "1"}


def test_lasting_trouble_ends_with_the_deadline(api, space):
    api.faults.add("error=503@get:configmaps")
    with pytest.raises(Busy):
        connect(kubeconfig=str(api.kubeconfig), retry=quick(deadline=5)).get(ObjectRef(CONFIG_MAP, "a", space))
    api.faults.clear()


def test_a_create_whose_connection_broke_is_not_sent_twice(api, cluster, space):
    api.faults.add("reset@create:configmaps*1")
    with pytest.raises(Unreachable):
        cluster.create(config_map(space))


def test_an_update_that_lost_the_race_is_made_again_from_the_fresh_object(api, cluster, space):
    cluster.apply(config_map(space, k="0"))
    api.faults.add("conflict@update:configmaps*3")

    def add_one(obj):
        obj["data"]["k"] = str(int(obj["data"]["k"]) + 1)
        return obj

    answer = cluster.update(ObjectRef(CONFIG_MAP, "a", space), add_one)
    assert answer["data"] == {"k": "1"}


def test_deleting_what_is_gone_is_fine_and_another_uid_is_not_deleted(cluster, space):
    cluster.apply(config_map(space))
    ref = ObjectRef(CONFIG_MAP, "a", space)
    with pytest.raises(Conflict):
        cluster.delete(ref, uid="another")
    cluster.delete(ref)
    cluster.delete(ref)
    assert cluster.get(ref) is None


def test_a_watch_survives_drops_and_410(api, cluster, space):
    cluster.apply(config_map(space, k="1"))
    version = cluster.get(ObjectRef(CONFIG_MAP, "a", space))["metadata"]["resourceVersion"]
    cluster.apply(config_map(space, k="2"))
    api.faults.add("gone@watch:configmaps*1")
    events = cluster.watch(CONFIG_MAP, space, since=version, seconds=5)
    seen = next(event for event in events if event["object"]["metadata"]["name"] == "a")
    assert seen["object"]["data"] == {"k": "2"}


def test_an_object_the_server_rejects_is_named_with_its_reason(cluster, space):
    bad = {**config_map(space), "data": {"not a key!": "x"}}
    with pytest.raises(Invalid, match="not a key!") as raised:
        cluster.apply(bad)
    assert f"ConfigMap {space}/a" in str(raised.value)


def test_whether_a_kind_is_served_is_asked_directly(cluster):
    assert cluster.serves(CERTIFICATE)
    assert cluster.serves(SECRET)


def test_who_may_what_is_asked_of_the_server(api, cluster, space):
    assert cluster.can("list", SECRET, space)
    other = connect(kubeconfig=str(api.kubeconfig), as_user="nobody", retry=quick())
    assert not other.can("list", SECRET, space)


def test_a_forbidden_verb_names_the_manifest_that_grants_it(api, space):
    other = connect(kubeconfig=str(api.kubeconfig), as_user="nobody", retry=quick())
    with pytest.raises(Forbidden) as reading:
        other.list(NAMESPACE)
    assert "cannot list resource" in str(reading.value)
    assert "manifests/rbac/view.yaml" in str(reading.value)
    with pytest.raises(Forbidden) as writing:
        other.apply(config_map(space))
    assert "manifests/rbac/rotate.yaml" in str(writing.value)


def test_a_context_that_does_not_exist_is_one_clear_error(api):
    with pytest.raises(Unreachable, match="nowhere"):
        connect(kubeconfig=str(api.kubeconfig), context="nowhere")


def test_a_kubeconfig_that_does_not_exist_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        connect(kubeconfig=str(tmp_path / "nothing"))


def test_no_server_is_said_with_its_address(api, tmp_path):
    file = tmp_path / "kubeconfig"
    file.write_text(api.kubeconfig.read_text().replace(api.url, "https://127.0.0.1:1"))
    with pytest.raises(Unreachable, match="connection refused") as raised:
        connect(kubeconfig=str(file), retry=quick(deadline=0)).version()
    assert "127.0.0.1:1" in str(raised.value)


def test_a_wrong_token_is_said_so(api, tmp_path):
    file = tmp_path / "kubeconfig"
    file.write_text(api.kubeconfig.read_text().replace(api.token, "wrong"))
    with pytest.raises(Forbidden, match="does not accept these credentials"):
        connect(kubeconfig=str(file), retry=quick()).list(NAMESPACE)


def test_paths_follow_group_scope_and_subresource():
    assert path_of(SECRET, "x", "y") == "/api/v1/namespaces/x/secrets/y"
    assert path_of(CERTIFICATE, "x", "y", "status").endswith("/namespaces/x/certificates/y/status")
    assert path_of(NAMESPACE, "", "x") == "/api/v1/namespaces/x"
    assert NotFound("x").exit_code == 3


def test_the_log_of_a_pod_that_is_not_there_is_one_clear_error(cluster, space):
    with pytest.raises(NotFound, match="nowhere"):
        cluster.logs(space, "nowhere", "queue-proxy")
