"""Enable, rotate and disable where two controllers share two buckets of Leases and two activators carry the traffic."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e import evidence, kube, pace, traffic, world
from tests.e2e.program import kntls
from tests.e2e.test_main_job import activator, cluster, lossless, replicas, tenants, under_traffic  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DOUBLED = ("controller", "activator")
LEASES = "controller.knative.dev.serving.pkg.reconciler.revision.reconciler."


@pytest.fixture(scope="module", autouse=True)
def two_of_each(tenants: None) -> Iterator[None]:  # noqa: F811 - the fixture
    """Two controllers and two activators, and two Leases for each reconciler."""
    world.configure("leader-election", {"buckets": "2"})
    _scale(2)
    for old in [one for one in kube.items("lease", evidence.SERVING) if one["metadata"]["name"].endswith("of-01")]:
        kube.run("delete", "lease", old["metadata"]["name"], "-n", evidence.SERVING)
    kube.run("rollout", "restart", "deployment", "controller", "-n", evidence.SERVING)
    kube.run("rollout", "status", "deployment", "controller", "-n", evidence.SERVING, "--timeout=120s")
    kube.wait("two Leases of the revision reconciler", lambda: len(buckets()) == 2, 60)
    kube.wait("two activators", lambda: len(kube.items("pod", evidence.SERVING, "app=activator")) == 2, 60)
    yield
    world.configure("leader-election", {"buckets": None})
    _scale(1)


def _scale(number: int) -> None:
    """The operator would take the controller back, and leaves the activator to an autoscaler."""
    if os.environ.get("KNTLS_E2E_INSTALLATION", "upstream") == "operator":
        body = {"spec": {"high-availability": {"replicas": number}}}
        kube.patch("knativeserving", "knative-serving", body, evidence.SERVING)
        kube.wait("the operator's replicas", lambda: replicas()["controller"] == number, 120)
    for name in DOUBLED:
        kube.run("scale", "deployment", name, f"--replicas={number}", "-n", evidence.SERVING)
    kube.wait(f"{number} of each", lambda: all(replicas()[name] == number for name in DOUBLED), 120)


def buckets() -> list[str]:
    """Who holds the Leases of the revision reconciler."""
    found = [one for one in kube.items("lease", evidence.SERVING) if one["metadata"]["name"].startswith(LEASES)]
    return [one["spec"].get("holderIdentity", "") for one in found if one["metadata"]["name"].endswith("of-02")]


def test_enable_loses_no_request() -> None:
    with under_traffic("enable, two of each", traffic.Traffic(traffic.gateway())) as figures:
        kntls("enable", "--system-internal", "--yes")
    assert evidence.leaf(*activator()) is not None
    assert not [holder for holder in buckets() if holder.startswith("kntls")]
    assert all(replicas()[name] == 2 for name in DOUBLED)
    assert lossless(figures)


def test_a_rotation_loses_no_request() -> None:
    with under_traffic("rotate, two of each", traffic.Traffic(traffic.gateway())) as figures:
        kntls("rotate-ca", "--new-secret", "ca2", *pace.short_waits(), "--yes")
    assert evidence.signed_by(evidence.leaf(*activator()), evidence.authority("ca2"))
    assert lossless(figures)


def test_disable_loses_no_request() -> None:
    with under_traffic("disable, two of each", traffic.Traffic(traffic.gateway())) as figures:
        kntls("disable", "--system-internal", "--yes")
    assert evidence.leaf(*activator()) is None
    assert all(replicas()[name] == 2 for name in DOUBLED)
    assert lossless(figures)
