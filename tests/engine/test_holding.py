"""Leases of others: taken when they are free, renewed, given back, and never torn from a living holder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kntls.engine import holding
from kntls.engine.holding import Holding, Holdings
from kntls.errors import Unreachable
from kntls.model.kinds import LEASE
from kntls.model.objects import ObjectRef, dig
from tests.engine.memory import Memory

REF = ObjectRef(LEASE, "controller.revision.00-of-01", "knative-serving")
US, THEM = "kntls us", "controller-1_abc"


def lease(holder: str, seconds: int = 60) -> dict[str, Any]:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": stamp, "acquireTime": stamp}
    metadata = {"name": REF.name, "namespace": REF.namespace}
    return {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}


def holder(cluster: Memory) -> str:
    return str(dig(cluster.get(REF) or {}, "spec", "holderIdentity", default=""))


def eventually(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not what() and time.monotonic() < end:
        time.sleep(0.005)
    return what()


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "RENEW", 0.02)
    monkeypatch.setattr(holding, "TAKE", 0.005)


def test_a_free_lease_is_taken_and_given_back_at_the_end() -> None:
    cluster = Memory(lease(""))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: held.held)
    assert holder(cluster) == US
    held.release()
    assert holder(cluster) == ""
    assert dig(cluster.get(REF) or {}, "spec", "leaseDurationSeconds") == 1, "the next one need not wait"


def test_a_living_holder_keeps_its_lease_until_it_lets_go() -> None:
    cluster = Memory(lease(THEM))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    time.sleep(0.1)
    assert holder(cluster) == THEM
    cluster.put(lease(""))
    assert eventually(lambda: held.held)
    held.release()


def test_a_lease_whose_holder_died_is_taken_when_it_has_run_out() -> None:
    cluster = Memory(lease(THEM, seconds=0))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: held.held)
    held.release()


def test_a_lease_that_is_renewed_by_its_holder_never_runs_out_for_us() -> None:
    cluster = Memory(lease(THEM, seconds=0))
    seen = Holding.__new__(Holding)
    seen.holder, seen._seen, seen.clock = US, ("", 0.0), iter((0.0, 0.0, 5.0, 5.0, 5.1)).__next__
    first, second = lease(THEM, seconds=1), lease(THEM, seconds=1)
    assert not seen._has_run_out(first)
    assert not seen._has_run_out(second), "its record changed, so its holder lives"
    assert holder(cluster) == THEM


def test_whoever_takes_a_held_lease_is_named_and_it_is_not_taken_back() -> None:
    cluster = Memory(lease(""))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: held.held)
    cluster.put(lease(THEM))
    assert eventually(lambda: bool(held.lost))
    assert THEM in held.lost
    held.release()
    assert holder(cluster) == THEM


def test_losing_the_race_for_a_free_lease_leaves_it_to_the_winner() -> None:
    cluster = Memory(lease(""))
    update = cluster.update

    def beaten(ref: ObjectRef, change: Any, **more: Any) -> dict[str, Any]:
        def faster(current: dict[str, Any]) -> dict[str, Any]:
            wanted = change(current)
            cluster.put(lease(THEM))
            return wanted

        return update(ref, faster, **more)

    cluster.update = beaten  # type: ignore[method-assign]  # somebody writes between our read and our write
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: holder(cluster) == THEM)
    time.sleep(0.05)
    assert holder(cluster) == THEM
    assert not held.held
    assert not held.lost, "it was never ours"
    held.release()


def test_a_lease_that_cannot_be_renewed_for_long_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Memory(lease(""))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: held.held)
    monkeypatch.setattr(holding, "SECONDS", 0)

    def unreachable(*_: Any, **__: Any) -> dict[str, Any]:
        raise Unreachable("no API server answers")

    cluster.update = unreachable  # type: ignore[method-assign]  # the API server is gone
    assert eventually(lambda: bool(held.lost))
    assert "renewed" in held.lost


def test_holdings_name_the_first_loss_and_give_everything_back() -> None:
    cluster = Memory(lease(""))
    every = Holdings(cluster)  # type: ignore[arg-type]  # the stand-in
    every.hold(REF, US)
    every.hold(REF, US)
    assert eventually(lambda: holder(cluster) == US)
    assert every.lost == ""
    every.release_all()
    assert holder(cluster) == ""
    every.release(REF)


def test_a_lease_of_a_run_of_ours_that_was_killed_here_is_taken_at_once() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = f"{holding.holder().rpartition(' ')[0]} {ended.pid}"
    cluster = Memory(lease(killed))
    held = Holding(cluster, REF, US)  # type: ignore[arg-type]  # the stand-in
    assert eventually(lambda: held.held)
    held.release()
