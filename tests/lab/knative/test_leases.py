from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kntls.lab.knative.leases import LEASES, SERVING, is_free, micro
from tests.lab.small import DEPLOYMENTS, Administrator, two_services, until, world

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOME = "knative-serving"


def lease(holder: str, age: float) -> dict[str, object]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60, "renewTime": micro(NOW - timedelta(seconds=age))}
    return {"spec": spec}


def test_a_lease_is_free_without_a_holder_or_long_after_its_last_renewal():
    assert is_free(lease("", 0), NOW)
    assert is_free(lease("gone", 61), NOW)
    assert not is_free(lease("alive", 59), NOW)


def holder(administrator: Administrator, reconciler: str) -> str:
    found = administrator.client.get(LEASES, HOME, SERVING.format(reconciler))
    return found["spec"]["holderIdentity"] if found else ""


def pod_spec(administrator: Administrator) -> dict[str, object]:
    return administrator.client.get(DEPLOYMENTS, "team-a", "hello-00001-deployment")["spec"]["template"]["spec"]


def test_a_reconciler_whose_lease_is_held_by_somebody_else_stands_still_and_the_others_go_on():
    with world(objects=two_services()) as made:
        one = Administrator(made)
        until(lambda: holder(one, "revision"), "the controller holds its Leases")
        assert not holder(one, "certificate")
        taken = {"holderIdentity": "me", "leaseDurationSeconds": 3600, "renewTime": micro(datetime.now(UTC))}
        one.patch(LEASES, HOME, SERVING.format("revision"), {"spec": taken})
        one.patch("configmaps", HOME, "config-network", {"data": {"system-internal-tls": "Enabled"}})
        one.restart("controller")
        until(lambda: holder(one, "certificate"), "the new process makes certificates")
        until(lambda: holder(one, "route").startswith("controller-"), "and routes")
        made.loop.settle()
        assert "volumes" not in pod_spec(one), "nobody rolls revisions"
        one.patch(LEASES, HOME, SERVING.format("revision"), {"spec": {"holderIdentity": ""}})
        until(lambda: "volumes" in pod_spec(one), "revisions are rolled once the Lease is free")


def test_a_process_that_ends_gives_its_leases_back():
    with world(objects=two_services()) as made:
        one = Administrator(made)
        before = holder(one, "route")
        one.patch(DEPLOYMENTS, HOME, "controller", {"spec": {"replicas": 0}})
        until(lambda: not holder(one, "route"), "the Lease is given back")
        one.patch(DEPLOYMENTS, HOME, "controller", {"spec": {"replicas": 1}})
        until(lambda: holder(one, "route") not in ("", before), "the next process takes it")
