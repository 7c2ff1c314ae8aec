"""Carries out a plan: each action is judged again from a fresh observation, written, waited for, then the next.

Stopping is always possible: after an interrupt, a failure or a wait that ran out, temporary changes are taken back
and what is missing is named; the same command goes on from there, because every action looks before it writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from kntls.cluster.client import Cluster
from kntls.engine.events import Reporter, Silent
from kntls.engine.holding import Holdings
from kntls.engine.interrupts import Interrupts
from kntls.engine.ownership import gitops_owner
from kntls.engine.predict import with_condition
from kntls.errors import Busy, Incomplete, KntlsError, Refused, WaitTimeout
from kntls.model.kinds import Kind
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb

Observe = Callable[[Iterable[Kind], Observation | None], Observation]
"""Reads these kinds anew, takes the rest from the observation given."""

RESTORE = 60.0
"""Seconds at most to wait for each temporary change that is taken back out of turn."""
SHOWN = 5
"""Missing things named in a message; the rest is counted."""


def some(names: Iterable[str]) -> str:
    """A list for a message: the first few by name, the rest as a number."""
    names = list(names)
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def write(cluster: Cluster, change: Change) -> None:
    """Write one change. Raises `Conflict` where another manager owns a field that is not to be taken over."""
    if change.verb == Verb.APPLY:
        cluster.apply(change.body, force=change.force)
    elif change.verb == Verb.MERGE:
        cluster.merge(change.ref, change.body)
    elif change.verb == Verb.CONDITION:
        cluster.update(change.ref, lambda obj: with_condition(obj, change.body), subresource="status")
    else:
        cluster.delete(change.ref, uid=str(change.body.get("uid", "")))


@dataclass
class Engine:
    """Runs plans against a cluster."""

    cluster: Cluster
    observe: Observe
    reporter: Reporter = field(default_factory=Silent)
    timeout: float = 600.0
    """Seconds for each single wait."""
    force: bool = False
    """Write objects that a GitOps controller tracks, too."""
    poll: float = 1.0
    """Seconds between two looks."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    still_ours: Callable[[], str] = lambda: ""
    """Empty, or who took the Lease from us."""
    wrote: int = field(default=0, init=False)
    interrupts: Interrupts = field(init=False)
    _holdings: Holdings = field(init=False)
    _owed: list[Action] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.interrupts = Interrupts(self.reporter.deferred)
        self._holdings = Holdings(self.cluster)

    def run(self, plan: Plan, observation: Observation) -> Observation:
        """Carry out the plan and return the last observation.

        Raises `Refused` (nothing written yet), `Incomplete` (stopped after a write) or what the cluster answered.
        """
        if plan.refusals:
            raise Refused(plan.refusals[0])
        self._refuse_tracked(plan, observation)
        try:
            for action in plan.actions:
                observation = self._carry_out(action, observation)
        except (KeyboardInterrupt, KntlsError) as error:
            raise self._stopped(error, self._restore(observation), plan.resume) from None
        finally:
            self._restore(observation)
        return observation

    def _stopped(self, error: KeyboardInterrupt | KntlsError, kept: tuple[str, ...], resume: str) -> BaseException:
        """What to raise: the error itself before the first write, else `Incomplete` with the way to go on."""
        if not self.wrote or isinstance(error, Incomplete):
            return error
        left = f"; not taken back: {some(kept)}" if kept else ""
        if isinstance(error, KeyboardInterrupt):
            return Incomplete(f"interrupted{left}", fix=resume)
        fix = f"{error.fix}; {resume}" if error.fix else resume
        return Incomplete(f"{error.what}{left}", where=error.where, fix=fix)

    def _carry_out(self, action: Action, observation: Observation) -> Observation:
        self.reporter.begin(action)
        started = self.clock()
        written, first = False, True
        held_from: float | None = None
        while True:
            observation = self._look(action, observation)
            progress = action.done(observation)
            if progress.complete:
                held_from = held_from if held_from is not None else self._held_from(action, observation)
                held = self.clock() - held_from
                if held >= action.hold:
                    break
                self.reporter.progress(action, progress, held)
            else:
                held_from = None
                written = self._advance(action, observation) or written
                self.reporter.progress(action, progress, 0.0)
                self._check_time(action, progress, started)
            first = False
            self.sleep(min(self.poll, action.pace))
        self._settle(action, written)
        self.reporter.end(action, self.clock() - started, skipped=first)
        return observation

    def _look(self, action: Action, observation: Observation) -> Observation:
        if lost := self.still_ours() or self._holdings.lost:
            raise Refused(f"the lease is no longer ours: {lost}")
        return self.observe(action.reads, observation) if action.reads else observation

    def _held_from(self, action: Action, observation: Observation) -> float:
        return self.clock() - (action.hold_since(observation) or 0.0)

    def _advance(self, action: Action, observation: Observation) -> bool:
        """Write what is to be written now; whether anything was."""
        changes = action.changes(observation)
        if objection := action.guard(observation):
            raise Refused(objection, where=action.sentence)
        for change in changes:
            self._refuse_gitops(change, observation)
        if action.temporary and changes and action not in self._owed:
            self._owed.append(action)
            self._shield()
        for change in changes:
            self._write(change)
            self.reporter.wrote(action, change)
        return bool(changes)

    def _write(self, change: Change) -> None:
        with suppress(Busy):  # asked again at the next look
            self._put(change)
        self.wrote += 1

    def _put(self, change: Change) -> None:
        if change.verb == Verb.HOLD:
            self._holdings.hold(change.ref, str(change.body["holder"]))
        elif change.verb == Verb.RELEASE:
            self._holdings.release(change.ref)
        else:
            write(self.cluster, change)

    def _shield(self) -> None:
        """Put interrupts off while a temporary change is in force that must not be left half-way."""
        if any(action.unbroken for action in self._owed):
            self.interrupts.defer()
        else:
            self.interrupts.allow()

    def _refuse_tracked(self, plan: Plan, observation: Observation) -> None:
        """Refuse before the first write what can be foreseen; the rest is refused in its turn."""
        for action in plan.actions:
            try:
                changes = action.changes(observation)
            except KntlsError:
                continue
            for change in changes:
                self._refuse_gitops(change, observation)

    def _refuse_gitops(self, change: Change, observation: Observation) -> None:
        current = observation.find(change.ref)
        owner = gitops_owner(current) if current else ""
        if owner and not self.force:
            what = f"{owner} tracks this object and would write it back"
            raise Refused(what, where=str(change.ref), fix="commit what --dry-run prints there, or add --force")

    def _check_time(self, action: Action, progress: Progress, started: float) -> None:
        limit = min(self.timeout, action.limit or self.timeout)
        if self.clock() - started <= limit:
            return
        missing = f"; missing: {some(progress.missing)}" if progress.missing else ""
        fix = "" if action.limit else "`--timeout` waits longer"
        raise WaitTimeout(f"waited {limit:.0f} s for: {action.sentence}{missing}", fix=fix)

    def _settle(self, action: Action, written: bool) -> None:
        self._owed = [owed for owed in self._owed if owed.id not in action.releases]
        if action.temporary and action not in self._owed and not written:
            self._owed.append(action)
        self._shield()

    def _restore(self, observation: Observation) -> tuple[str, ...]:
        """Take back temporary changes that the plan did not get to take back itself; what could not be is named."""
        self.interrupts.ignore()
        kept = []
        while self._owed:
            action = self._owed.pop()
            try:
                observation = self._take_back(action, observation)
            except KntlsError as error:
                kept.append(f"{action.sentence} ({error.what})")
        with suppress(KntlsError):  # a Lease that cannot be given back runs out by itself
            self._holdings.release_all()
        self.interrupts.forget()
        return tuple(kept)

    def _take_back(self, action: Action, observation: Observation) -> Observation:
        end = self.clock() + RESTORE
        observation = self.observe(action.reads, observation)
        changes = action.inverse(observation)
        for change in changes:
            self._put(change)
        if changes:
            self.reporter.restored(action)
        while not action.undone(observation).complete and self.clock() < end:
            self.sleep(min(self.poll, action.pace))
            observation = self.observe(action.reads, observation)
        return observation
