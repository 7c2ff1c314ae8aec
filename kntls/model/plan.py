"""Plans and actions: what will be done, judged again from a fresh observation before and while it is done.

An `Action` is a small reconciler of pure functions. Given an observation it says whether it is `done`, why it may
not go on (`guard`), and which `changes` to write now; the engine repeats that until it is done. So a plan can be
shown, stopped, and started again anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kntls.model.kinds import Kind
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation


class Verb(StrEnum):
    """How a change is written."""

    APPLY = "apply"
    """Server-side apply as `kntls`."""
    MERGE = "merge"
    """JSON merge patch, for single fields of objects that others own."""
    CONDITION = "condition"
    """Set one status condition, by read and replace of the status subresource."""
    DELETE = "delete"
    HOLD = "hold"
    """Take a Lease as soon as its holder lets go, and keep it until it is released; the body names the holder."""
    RELEASE = "release"
    """Let go of a Lease that was held."""


@dataclass(frozen=True)
class Change:
    """One write."""

    verb: Verb
    ref: ObjectRef
    body: Mapping[str, Any] = field(default_factory=dict)
    """Manifest (apply), patch (merge) or condition (condition)."""
    force: bool = False
    """Take over fields that another manager owns; only for what the user asked to change."""
    note: str = ""
    """Shown with the diff: whose field this is now."""


@dataclass(frozen=True)
class Progress:
    """How far an action is: counted, and what is still missing by name."""

    done: int
    total: int
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.done >= self.total and not self.missing

    @staticmethod
    def of(wanted: Mapping[str, bool]) -> Progress:
        """Progress over named things that are so or not yet so."""
        missing = tuple(name for name, so in wanted.items() if not so)
        return Progress(len(wanted) - len(missing), len(wanted), missing)


def no_objection(_: Observation) -> str:
    """A guard that lets everything pass."""
    return ""


def no_changes(_: Observation) -> tuple[Change, ...]:
    """For actions that only wait for something to become true."""
    return ()


@dataclass(frozen=True)
class Action:
    """One thing to do, or to wait for."""

    id: str
    """Stable within a plan: `distribute/knative-serving`."""
    sentence: str
    """What it does, for people: `Add the new CA to the trust bundle in knative-serving`."""
    done: Callable[[Observation], Progress]
    changes: Callable[[Observation], tuple[Change, ...]] = no_changes
    """What to write now; empty when there is nothing to write but still something to wait for."""
    guard: Callable[[Observation], str] = no_objection
    """Empty, or why going on would be unsafe; asked before every write."""
    inverse: Callable[[Observation], tuple[Change, ...]] = no_changes
    """What takes it back."""
    reads: frozenset[Kind] = frozenset()
    """The kinds to read anew each time."""
    stage: str = ""
    """The stage it belongs to, where a plan has stages."""
    hold: float = 0.0
    """Seconds it must stay done before the next action (soak, grace)."""
    hold_since: Callable[[Observation], float | None] = lambda _: None
    """Seconds already held, as seen in the cluster, so that a resumed wait does not start anew; None: unknown."""
    temporary: bool = False
    """Its inverse is owed whatever happens: written back on failure, interrupt, or by the next run after a kill."""
    unbroken: bool = False
    """For a temporary action: an interrupt waits until it is taken back in its turn."""
    undone: Callable[[Observation], Progress] = lambda _: Progress(0, 0)
    """For a temporary action: whether its inverse has taken effect, so that the one before it may be taken back."""
    releases: tuple[str, ...] = ()
    """Ids of temporary actions that this action takes back."""
    pace: float = 1.0
    """Seconds between two looks; shorter where somebody waits meanwhile."""
    limit: float = 0.0
    """Seconds it may take where that is less than the engine's own limit; 0 for that one."""
    unproven: str = ""
    """What being done does not prove."""
    preview: Callable[[Observation], tuple[Change, ...]] = no_changes
    """What it will write, as far as a plan can tell while an earlier action has yet to make what `changes` needs."""


@dataclass(frozen=True)
class Plan:
    """Actions in order, with what to know before starting."""

    title: str
    actions: tuple[Action, ...]
    notes: tuple[str, ...] = ()
    """What to know: whose fields are taken over, what stays plain, who must trust the CA."""
    interruptions: tuple[str, ...] = ()
    """Who will be interrupted and for about how long; empty where nobody is."""
    refusals: tuple[str, ...] = ()
    """Why the plan must not be carried out; non-empty means it is not."""
    eta: float = 0.0
    """About how many seconds it will take."""
    resume: str = "run the same command again to go on"
    """How to go on, and back, after it was stopped midway."""
    remedy: str = ""
    """What to do about a refusal, where the reasons themselves do not say it."""
