"""Every check: a healthy world passes, one break makes that finding and what it explains, a repair makes it go."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest

from kntls.checks import CHECKS
from kntls.checks.run import Outcome, Report, run, select
from kntls.model.kinds import ROUTE
from tests.checks.breakages import BREAKAGES, Breakage
from tests.world import EXTERNAL, INTERNAL, LOCAL, OPENSHIFT, OPERATOR, UPSTREAM, World, healthy

BAD = (Outcome.ERROR, Outcome.WARNING, Outcome.INFO)
EVERY = tuple(CHECKS.values())


def _names() -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for breakage in BREAKAGES:
        seen[breakage.id] += 1
        names.append(f"{breakage.id}-{seen[breakage.id]}")
    return names


def report(world: World) -> Report:
    """All checks, those of both phases."""
    return run(world.observation(), EVERY)


def failing(found: Report) -> set[str]:
    """The checks that found something."""
    return {result.check.id for result in found.with_outcome(*BAD)}


def consequences(id: str) -> set[str]:
    """What the registry says follows from that finding."""
    return set(CHECKS[id].causes)


@pytest.mark.parametrize("flavour", [UPSTREAM, OPERATOR, OPENSHIFT])
@pytest.mark.parametrize("surfaces", [(), (LOCAL,), (INTERNAL,), (INTERNAL, LOCAL)])
def test_a_healthy_world_has_no_findings(flavour: str, surfaces: tuple[str, ...]) -> None:
    found = report(healthy(flavour, surfaces))
    assert failing(found) == set()
    assert not found.with_outcome(Outcome.UNSEEN)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=_names())
def test_breaking_a_world_makes_just_that_finding(breakage: Breakage) -> None:
    world = breakage.base()
    breakage.apply(world)
    found = report(world)
    assert breakage.id in failing(found)
    assert failing(found) - {breakage.id} <= consequences(breakage.id)
    for result in found.with_outcome(*BAD):
        if result.check.id != breakage.id:
            assert not result.roots, "a consequence must be folded under its cause"


@pytest.mark.parametrize("breakage", BREAKAGES, ids=_names())
def test_repairing_it_makes_the_finding_go(breakage: Breakage) -> None:
    world = breakage.base()
    whole = deepcopy((world.objects, world.shows, world.unread, world.live, world.lingering))
    breakage.apply(world)
    assert breakage.id in failing(report(world))
    world.objects, world.shows, world.unread, world.live, world.lingering = whole
    assert failing(report(world)) == set()


def test_every_check_is_broken_by_a_test() -> None:
    assert {breakage.id for breakage in BREAKAGES} == set(CHECKS)


def test_declared_consequences_exist() -> None:
    for check in EVERY:
        assert set(check.causes) <= set(CHECKS), check.id


def test_there_are_at_least_sixty_checks() -> None:
    assert len(CHECKS) >= 60


def test_external_domain_alone_is_healthy_too() -> None:
    world = healthy(surfaces=(EXTERNAL,))
    world.config()["http-protocol"] = "Redirected"
    for route in world.objects[ROUTE].values():
        route["status"]["url"] = route["status"]["url"].replace("http:", "https:")
    assert failing(report(world)) == set()


def test_without_names_only_the_checks_of_the_phase_run() -> None:
    running, before = {c.id for c in select([])}, {c.id for c in select([], pre=True)}
    assert "KN-API-002" in before - running
    assert "KN-LEAF-002" in running - before
    assert "KN-VER-001" in running & before
