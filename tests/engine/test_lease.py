"""Two writers are kept apart by a Lease."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kntls.cluster.connection import connect
from kntls.engine.lease import Lease, identity
from kntls.errors import Refused
from kntls.model.kinds import LEASE
from kntls.model.objects import ObjectRef


@pytest.fixture
def cluster(api):
    api.faults.clear()
    return connect(kubeconfig=str(api.kubeconfig))


def test_a_second_run_is_refused_and_names_the_first(cluster):
    with (
        Lease(cluster, "default", "alice@laptop pid 1"),
        pytest.raises(Refused, match="alice@laptop"),
        Lease(cluster, "default", "bob@desk pid 2"),
    ):
        pass


def test_the_lease_is_gone_afterwards_even_if_the_work_failed(cluster):
    with pytest.raises(ZeroDivisionError), Lease(cluster, "default"):
        _ = 1 / 0
    assert cluster.get(ObjectRef(LEASE, "kntls", "default")) is None


def test_a_lease_of_a_process_of_this_machine_that_is_no_more_is_taken_at_once(cluster):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = f"{identity().rpartition(' ')[0]} {ended.pid}"
    first = Lease(cluster, "default", holder)
    first.__enter__()
    with Lease(cluster, "default"):
        assert cluster.get(ObjectRef(LEASE, "kntls", "default"))["spec"]["holderIdentity"] == identity()
    first.__exit__(None, None, None)


def test_a_lease_of_a_killed_run_elsewhere_is_taken_over_once_it_is_stale(cluster):
    stale = {"holderIdentity": "killed", "leaseDurationSeconds": 30, "renewTime": "2020-01-01T00:00:00.000000Z"}
    manifest = {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": {"name": "kntls", "namespace": "default"}}
    cluster.create({**manifest, "spec": stale})
    with Lease(cluster, "default", "alice"):
        assert cluster.get(ObjectRef(LEASE, "kntls", "default"))["spec"]["holderIdentity"] == "alice"
