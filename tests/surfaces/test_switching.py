"""Whole runs against Knative in memory: no hop breaks, and whatever kills the run, the next one finishes it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from kntls.engine import holding
from kntls.engine.restore import left_over
from kntls.engine.run import Engine
from kntls.errors import Incomplete
from kntls.model import kinds as k
from kntls.model.plan import Plan
from kntls.surfaces.disable import disable
from kntls.surfaces.enable import enable
from tests.surfaces.knative import Killed, Knative
from tests.surfaces.worlds import CLUSTER_LOCAL, HOLDER, INTERNAL, LOCAL, SYSTEM, cluster, request
from tests.world import UPSTREAM


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "TAKE", 0.001)
    monkeypatch.setattr(holding, "RENEW", 0.02)


def run(knative: Knative, plan: Plan) -> Engine:
    clock = iter(range(100_000_000))
    engine = Engine(
        knative, knative.observe, timeout=400.0,  # type: ignore[arg-type]  # the stand-in
        clock=lambda: next(clock) / 10, sleep=lambda _: time.sleep(0.002),
    )  # fmt: skip
    engine.run(plan, knative.observe(()))
    return engine


def turn_on(knative: Knative, *surfaces: Any, **more: Any) -> None:
    run(knative, enable(knative.observe(()), request(*surfaces, **more)))


def turn_off(knative: Knative, *surfaces: Any, **more: Any) -> None:
    run(knative, disable(knative.observe(()), request(*surfaces, **more)))


def settled(knative: Knative) -> None:
    """Nothing temporary is left, and nobody of ours holds a Lease."""
    assert [*left_over(knative.observe(()))] == []
    holders = [lease["spec"]["holderIdentity"] for lease in knative.world.objects[k.LEASE].values()]
    assert not [holder for holder in holders if holder.startswith("kntls")]


def bury(knative: Knative) -> None:
    """What is left of a killed process: its Leases run out, its threads are gone."""
    knative.dead.add(HOLDER)
    for thread in threading.enumerate():
        if thread.name.startswith("hold "):
            holding_of = getattr(thread, "_target").__self__  # noqa: B009 - typed as private
            holding_of._stop.set()
            thread.join()
    for _ in range(10):
        knative.observe(())
    knative.dead.clear()


@pytest.mark.parametrize("surfaces", [(SYSTEM,), (SYSTEM, CLUSTER_LOCAL)])
def test_turning_on_breaks_no_hop_and_off_again_neither(surfaces: Any) -> None:
    knative = Knative(cluster())
    turn_on(knative, *surfaces)
    assert knative.broken == []
    settled(knative)
    again = enable(knative.observe(()), request(*surfaces))
    now = knative.observe(())
    assert [action.id for action in again.actions if not action.done(now).complete] == []
    turn_off(knative, *surfaces)
    assert knative.broken == []
    settled(knative)
    again = disable(knative.observe(()), request(*surfaces))
    now = knative.observe(())
    assert [action.id for action in again.actions if not action.done(now).complete] == []


def test_the_documented_order_breaks_hops_so_the_test_can_fail() -> None:
    knative = Knative(cluster())
    turn_on(knative, SYSTEM, may_hold=False)
    assert knative.broken
    knative = Knative(cluster(UPSTREAM, (INTERNAL, LOCAL)))
    turn_off(knative, SYSTEM, may_hold=False)
    assert knative.broken


def _once(knative: Knative, at: int, error: Any) -> Any:
    """Raise before that write; a process that is not killed goes on to put things back."""

    def stop(number: int) -> None:
        if number == at:
            knative.on_write = lambda number: None
            raise error

    return stop


def writes_of(turn: Any, *start: str) -> int:
    knative = Knative(cluster(UPSTREAM, start))
    turn(knative, SYSTEM)
    return len(knative.writes)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize(("turn", "start"), [(turn_on, ()), (turn_off, (INTERNAL, LOCAL))])
def test_whatever_stops_the_run_at_any_write_the_next_one_finishes_it(error: Any, turn: Any, start: Any) -> None:
    for stop_at in range(1, writes_of(turn, *start)):
        knative = Knative(cluster(UPSTREAM, start))

        knative.on_write = _once(knative, stop_at, error)
        with pytest.raises((Incomplete, Killed)) as stopped:
            turn(knative, SYSTEM)
        if stopped.type is Killed:
            bury(knative)
        knative.on_write = lambda number: None
        turn(knative, SYSTEM)
        settled(knative)


def test_activators_that_do_not_come_up_with_tls_leave_everything_plain_and_unbroken() -> None:
    knative = Knative(cluster())
    knative.stuck = True
    with pytest.raises(Incomplete, match="Restart the activator"):
        turn_on(knative, SYSTEM)
    for _ in range(10):
        knative.observe(())
    assert knative.broken == []
    assert knative.envoy == {80}
    settled(knative)
    knative.stuck = False
    turn_on(knative, SYSTEM)
    assert (knative.broken, knative.envoy) == ([], {443})


def test_an_interrupt_outside_the_freezes_breaks_no_hop() -> None:
    knative = Knative(cluster())
    knative.on_write = lambda number: _interrupt_after(knative, "pods")
    with pytest.raises(Incomplete, match="interrupted"):
        turn_on(knative, SYSTEM, CLUSTER_LOCAL)
    assert knative.broken == []
    settled(knative)


def _interrupt_after(knative: Knative, word: str) -> None:
    if any(word in write.lower() for write in knative.writes[-1:]) or "Pod" in "".join(knative.writes[-1:]):
        knative.on_write = lambda number: None
        raise KeyboardInterrupt
