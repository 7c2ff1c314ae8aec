"""What checks keep of each object is enough: no check says anything else about the essence than about the whole."""

from __future__ import annotations

from collections import Counter

import pytest

from kntls.checks import CHECKS
from kntls.checks.essence import FIELDS, essence
from kntls.checks.run import run
from kntls.model.observation import Observation
from tests.checks.breakages import BREAKAGES, Breakage


def _said(observation: Observation) -> list[tuple[str, str, str]]:
    report = run(observation, CHECKS.values())
    return [(result.check.id, result.outcome, str(result.found)) for result in report.results]


def _names() -> list[str]:
    numbers: Counter[str] = Counter()
    names = []
    for entry in BREAKAGES:
        numbers[entry.id] += 1
        names.append(f"{entry.id}-{numbers[entry.id]}")
    return names


@pytest.mark.parametrize("breakage", BREAKAGES, ids=_names())
def test_the_essence_of_a_broken_world_is_judged_like_the_whole(breakage: Breakage) -> None:
    world = breakage.base()
    breakage.apply(world)
    whole = world.observation()
    reduced = {kind: [essence(kind, obj) for obj in whole.all(kind)] for kind in FIELDS if whole.knows(kind)}
    assert _said(whole.with_objects(reduced)) == _said(whole)
