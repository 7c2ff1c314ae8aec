"""What checks keep of each object is enough: no check says anything else about the essence than about the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kntls.checks import CHECKS
from kntls.checks.essence import FIELDS, SEEN, essence
from kntls.checks.facts import Facts
from kntls.checks.run import run
from kntls.checks.verification import verifications
from kntls.model.kinds import (
    CERTIFICATE,
    CRD,
    HANDSHAKES,
    LOG,
    POD,
    REVISION,
    ROUTE,
    SELF_SUBJECT_ACCESS_REVIEW,
    Kind,
)
from kntls.model.objects import Object
from kntls.model.observation import Observation
from tests.checks.breakages import BREAKAGES, Breakage
from tests.world import healthy


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


def _broken(breakage: Breakage) -> Observation:
    world = breakage.base()
    breakage.apply(world)
    return world.observation()


def _reduced(whole: Observation) -> Observation:
    kept = {kind: [essence(kind, obj) for obj in whole.all(kind)] for kind in FIELDS if whole.knows(kind)}
    return whole.with_objects(kept)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=_names())
def test_the_essence_of_a_broken_world_is_judged_like_the_whole(breakage: Breakage) -> None:
    whole = _broken(breakage)
    assert _said(_reduced(whole)) == _said(whole)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=_names())
def test_certificates_are_verified_by_the_essence_as_by_the_whole(breakage: Breakage) -> None:
    whole = _broken(breakage)
    assert verifications(Facts(_reduced(whole))) == verifications(Facts(whole))


class Asked(dict[Kind, tuple[Object, ...]]):
    """Objects that know which kinds were asked for."""

    def __init__(self, objects: Mapping[Kind, tuple[Object, ...]]) -> None:
        super().__init__(objects)
        self.kinds: set[Kind] = set()

    def get(self, kind: Kind, default: Any = None) -> Any:
        self.kinds.add(kind)
        return super().get(kind, default)

    def __contains__(self, kind: object) -> bool:
        assert isinstance(kind, Kind)
        self.kinds.add(kind)
        return super().__contains__(kind)


def test_no_check_and_no_verification_looks_at_a_kind_that_is_not_read_for_it() -> None:
    beyond = {HANDSHAKES, CRD, SELF_SUBJECT_ACCESS_REVIEW, LOG}
    asked: set[Kind] = set()
    for breakage in BREAKAGES:
        whole = _broken(breakage)
        objects = Asked(whole.objects)
        run(replace(whole, objects=objects), CHECKS.values())
        verifications(Facts(replace(whole, objects=objects)))
        asked |= objects.kinds
    assert asked - beyond == SEEN & asked
    assert {CERTIFICATE, POD, REVISION} <= asked


def test_what_many_objects_say_alike_is_kept_once() -> None:
    whole = healthy().observation()
    ready = [essence(ROUTE, route)["status"]["conditions"][0] for route in whole.all(ROUTE)]
    assert len(ready) > 1
    assert all(entry is ready[0] for entry in ready)
