"""What is waited for between the steps, judged on objects as the API server shows them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kntls.knative.installation import detect
from kntls.model import kinds as k
from kntls.surfaces import rollout
from tests.surfaces.worlds import EXTERNAL, INTERNAL, LOCAL, World, cluster, condition
from tests.world import UPSTREAM


def deployment(wanted: int, **status: int) -> dict[str, Any]:
    return {"metadata": {"generation": 3}, "spec": {"replicas": wanted}, "status": status}


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(2, 4))
def test_rolled_out_means_seen_and_every_replica_new_available_and_alone(
    wanted: int, updated: int, every: int, available: int, seen: int
) -> None:
    counts = {"updatedReplicas": updated, "replicas": every, "availableReplicas": available}
    expected = seen >= 3 and updated == every == available == wanted
    assert rollout.rolled_out(deployment(wanted, observedGeneration=seen, **counts)) == expected


def test_scaled_to_zero_the_api_server_leaves_the_counts_out() -> None:
    assert rollout.rolled_out(deployment(0, observedGeneration=3))


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"metadata": {"generation": 2}}, True),
        ({"status": {"conditions": [condition("Ready", "Unknown")], "observedGeneration": 1}}, True),
        ({}, False),
    ],
)
def test_a_kingress_is_ready_only_in_its_present_generation(change: Any, missing: bool) -> None:
    world = cluster()
    kingress = world.get(k.KINGRESS, "hello", "team-a")
    for key, value in change.items():
        kingress[key] = {**kingress[key], **value}
    now = world.observation()
    assert bool(rollout.ingresses_ready(now, detect(now)).missing) == missing


def test_ports_of_solvers_are_not_ours_to_wait_for() -> None:
    world = cluster(UPSTREAM, (INTERNAL,))
    paths = world.get(k.KINGRESS, "hello", "team-a")["spec"]["rules"][0]["http"]["paths"]
    paths.append({"splits": [{"serviceName": "cm-acme-http-solver", "servicePort": 8089}]})
    now = world.observation()
    assert not rollout.ports(now, detect(now), 443).missing
    assert rollout.ports(now, detect(now), 80).missing


def test_kingresses_of_another_class_are_not_waited_for() -> None:
    world = cluster()
    kingress = world.get(k.KINGRESS, "hello", "team-a")
    kingress["metadata"]["annotations"] = {"networking.knative.dev/ingress.class": "other"}
    now = world.observation()
    assert [name for name in rollout.ports(now, detect(now), 443).missing if "team-a" in name] == []


def test_a_service_without_any_endpoint_is_not_current() -> None:
    world = cluster()
    world.get(k.ENDPOINT_SLICE, "hello-00001-x", "team-a")["endpoints"] = []
    now = world.observation()
    assert rollout.endpoints_current(now, detect(now)).missing == ("endpoints of Service team-a/hello-00001",)


def test_endpoints_that_are_not_ready_do_not_count() -> None:
    world = cluster()
    item = world.get(k.ENDPOINT_SLICE, "hello-00001-x", "team-a")
    item["endpoints"].append({"addresses": ["10.9.9.9"], "conditions": {"ready": False}})
    now = world.observation()
    assert not rollout.endpoints_current(now, detect(now)).missing


def test_private_routes_need_no_external_address() -> None:
    world = external("http://hello.team-a.svc.cluster.local")
    assert not rollout.external_addresses(world.observation(), "https").missing


def test_public_routes_need_one_unless_they_opted_out() -> None:
    world = external("http://hello.team-a.example.com")
    assert rollout.external_addresses(world.observation(), "https").missing == ("Route team-a/hello with https",)
    route = world.get(k.ROUTE, "hello", "team-a")
    route["metadata"]["annotations"] = {"networking.knative.dev/disable-external-domain-tls": "true"}
    assert not rollout.external_addresses(world.observation(), "https").missing


def external(url: str) -> World:
    world = cluster(UPSTREAM, (EXTERNAL,))
    world.get(k.ROUTE, "hello", "team-a")["status"]["url"] = url
    return world


def test_a_route_that_sends_nothing_anywhere_is_not_waited_for() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    status = world.get(k.ROUTE, "hello", "team-a")["status"]
    status["address"]["url"] = ""
    assert rollout.local_addresses(world.observation(), "https").missing
    status["conditions"] = [condition("AllTrafficAssigned", "False")]
    assert not rollout.local_addresses(world.observation(), "https").missing
