"""Routes that are as they should be, though at first sight they are not."""

from __future__ import annotations

import pytest

from kntls.checks import CHECKS
from kntls.checks.run import Outcome, run
from kntls.model import kinds as k
from tests.checks.breakages import _redirected
from tests.world import EXTERNAL, World, healthy


def outcome(world: World, id: str) -> Outcome:
    (result,) = run(world.observation(), [CHECKS[id]]).results
    return result.outcome


def plain(world: World) -> dict:
    """The Route of team-a, with an http address outside the cluster."""
    route = world.get(k.ROUTE, "hello", "team-a")
    route["status"]["url"] = "http://hello.team-a.example.com"
    return route


def test_a_route_without_an_address_has_no_certificate_yet() -> None:
    world = healthy()
    name = next(n for space, n in world.objects[k.KCERT] if space == "team-a" and n.startswith("route-"))
    world.drop(k.KCERT, name, "team-a")
    assert outcome(world, "KN-KCERT-014") == Outcome.ERROR
    del world.get(k.ROUTE, "hello", "team-a")["status"]["address"]
    assert outcome(world, "KN-KCERT-014") == Outcome.SUCCESS


def test_a_route_that_serves_nothing_yet_is_not_plain() -> None:
    world = _redirected()
    route = plain(world)
    assert outcome(world, "KN-SERVE-011") == Outcome.ERROR
    del route["status"]["address"]
    assert outcome(world, "KN-SERVE-011") == Outcome.SUCCESS


@pytest.mark.parametrize("mark", ["disable-external-domain-tls", "disableAutoTLS", "disable-auto-tls"])
def test_a_route_that_asks_for_no_certificate_gets_none(mark: str) -> None:
    world = _redirected()
    plain(world)["metadata"]["annotations"] = {f"networking.knative.dev/{mark}": "true"}
    assert outcome(world, "KN-SERVE-011") == Outcome.SUCCESS


def test_a_private_route_is_not_public_whatever_the_cluster_is_called() -> None:
    world = _redirected((EXTERNAL,))
    status = world.get(k.ROUTE, "hello", "team-a")["status"]
    status["url"] = status["address"]["url"] = "http://hello.team-a.svc.corp.example"
    assert outcome(world, "KN-SERVE-011") == Outcome.SUCCESS
