"""What goes wrong on request."""

import pytest
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from kntls.errors import UsageError
from kntls.lab import Lab
from kntls.lab.faults import Fault, Faults, parse
from tests.lab.api.conftest import configuration


@pytest.fixture(scope="module")
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture
def core(lab):
    lab.faults.clear()
    loaded = configuration(lab, config)
    loaded.retries = False
    return CoreV1Api(ApiClient(loaded))


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("slow", Fault("slow")),
        ("slow=0.2@list", Fault("slow", "0.2", "list")),
        ("throttle=2@update:secrets*3", Fault("throttle", "2", "update", "secrets", 3)),
        ("error=500@*:certificates.cert-manager.io", Fault("error", "500", "*", "certificates.cert-manager.io")),
        ("no-reload=activator", Fault("no-reload", "activator")),
    ],
)
def test_a_fault_is_read_as_it_is_written(spec, fault):
    assert parse(spec) == fault


@pytest.mark.parametrize(
    "spec", ["cert-manager", "cert-manager=sideways", "no-reload=me", "slow=later", "error=a", "error=200", "error=5.5"]
)
def test_a_value_it_does_not_take_is_a_usage_error(spec):
    with pytest.raises(UsageError):
        parse(spec)


@pytest.mark.parametrize("spec", ["reset*0", "reset@frobnicate", "reset@read:secrets"])
def test_a_fault_that_could_never_happen_is_a_usage_error(spec):
    with pytest.raises(UsageError):
        parse(spec)


@pytest.mark.parametrize("spec", ["", "earthquake", "slow@", "reset*often", "slow=1@get:secrets:more"])
def test_what_is_no_fault_is_a_usage_error(spec):
    with pytest.raises(UsageError, match="no such fault"):
        parse(spec)


def test_a_fault_happens_as_often_as_it_says():
    faults = Faults.of(["error*2"])
    assert [bool(faults.take("get", "secrets", "error")) for _ in range(3)] == [True, True, False]


def test_a_fault_leaves_other_requests_alone():
    faults = Faults.of(["error@get:secrets"])
    assert faults.take("list", "secrets", "error") is None
    assert faults.take("get", "configmaps", "error") is None
    assert faults.take("get", "secrets", "slow") is None


def test_throttling_says_when_to_come_back(lab, core):
    lab.faults.add("throttle=3@list:secrets*1")
    with pytest.raises(ApiException) as refused:
        core.list_namespaced_secret("default")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "3")
    assert core.list_namespaced_secret("default").items == []


def test_writes_conflict_and_reads_do_not(lab, core):
    lab.faults.add("conflict@*:configmaps")
    assert core.list_namespaced_config_map("default").items
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_config_map("default", {"metadata": {"name": "c"}})
    assert refused.value.status == 409


def test_a_server_error_has_the_code_asked_for(lab, core):
    lab.faults.add("error=500@get:secrets")
    with pytest.raises(ApiException) as refused:
        core.read_namespaced_secret("s", "default")
    assert refused.value.status == 500


def test_a_reset_ends_the_connection_without_an_answer(lab, core):
    import urllib3

    lab.faults.add("reset@list:secrets*1")
    with pytest.raises(urllib3.exceptions.HTTPError):
        core.list_namespaced_secret("default")


def test_a_dropped_watch_ends_after_the_events_it_may_send(lab, core):
    lab.faults.add("watch-drop=1@watch:namespaces")
    raw = core.list_namespace(watch=True, _preload_content=False, timeout_seconds=20).read()
    assert len(raw.splitlines()) == 1


def test_a_watch_from_a_version_that_is_gone_says_so(lab, core):
    lab.faults.add("gone@watch:namespaces")
    raw = core.list_namespace(watch=True, _preload_content=False, timeout_seconds=20).read()
    assert b'"code":410' in raw


def test_compaction_expires_older_versions(lab, core):
    version = core.list_namespace().metadata.resource_version
    core.create_namespace({"metadata": {"name": "one-more"}})
    lab.store.history.forget()
    raw = core.list_namespace(watch=True, resource_version=version, _preload_content=False, timeout_seconds=5).read()
    assert b'"reason":"Expired"' in raw
