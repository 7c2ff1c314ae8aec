"""Running checks: what applies, what could not be looked at, and which findings another one explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from kntls.checks.check import CHECKS, Category, Check, Phase, Problem
from kntls.checks.facts import Facts
from kntls.errors import UsageError
from kntls.model.kinds import HANDSHAKES, NAMESPACE, Kind
from kntls.model.observation import Observation, Unread


class Outcome(StrEnum):
    """How a check ended."""

    SUCCESS = "success"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    UNSEEN = "notLookedAt"
    IDLE = "notApplicable"


@dataclass(frozen=True, slots=True)
class Found:
    """One problem, and the check that explains it."""

    problem: Problem
    cause: str = ""
    """The ID of the check whose finding is the root of this one; empty for a root."""


@dataclass(frozen=True)
class Result:
    """How one check ended."""

    check: Check
    outcome: Outcome
    found: tuple[Found, ...] = ()
    reason: str = ""
    """Why it was not looked at, or does not apply."""

    @property
    def roots(self) -> tuple[Problem, ...]:
        """The problems that nothing else explains."""
        return tuple(entry.problem for entry in self.found if not entry.cause)


@dataclass(frozen=True)
class Report:
    """All results, in order."""

    source: str
    results: tuple[Result, ...]
    unread: tuple[Unread, ...] = ()

    def of(self, category: Category) -> tuple[Result, ...]:
        """The results of a category."""
        return tuple(result for result in self.results if result.check.category == category)

    def with_outcome(self, *outcomes: Outcome) -> tuple[Result, ...]:
        """The results that ended so."""
        return tuple(result for result in self.results if result.outcome in outcomes)

    @property
    def errors(self) -> tuple[Result, ...]:
        """Checks that found something wrong."""
        return self.with_outcome(Outcome.ERROR)

    @property
    def blind(self) -> bool:
        """Whether nothing could be looked at but our own permissions: then nothing is known to be right."""
        seen = self.with_outcome(Outcome.SUCCESS, Outcome.INFO, Outcome.WARNING, Outcome.ERROR)
        return all(result.check.category == Category.API for result in seen) and bool(self.with_outcome(Outcome.UNSEEN))

    @property
    def warnings(self) -> tuple[Result, ...]:
        """Checks that found something that may become wrong."""
        return self.with_outcome(Outcome.WARNING)


def select(names: Iterable[str], *, pre: bool = False) -> tuple[Check, ...]:
    """The checks that IDs, ID prefixes (`KN-TRUST`) or category names mean; without names all of the phase.

    Raises `UsageError` for a name that means nothing.
    """
    names = tuple(names)
    phases = (Phase.BEFORE, Phase.BOTH) if pre else (Phase.RUNNING, Phase.BOTH)
    order = list(Category)
    every = sorted(CHECKS.values(), key=lambda entry: (order.index(entry.category), entry.id))
    if not names:
        return tuple(entry for entry in every if entry.phase in phases)
    for name in names:
        if not any(_means(name, entry) for entry in every):
            fix = f"a category ({', '.join(order)}) or an ID such as KN-TRUST-003"
            raise UsageError(f"no such check or category: {name}", fix=fix)
    return tuple(entry for entry in every if any(_means(name, entry) for name in names))


def _means(name: str, entry: Check) -> bool:
    return name.lower() == entry.category or entry.id == name.upper() or entry.id.startswith(f"{name.upper()}-")


def _unseen(observation: Observation, needs: Iterable[Kind]) -> str:
    """Why one of these kinds was not seen; empty when all were."""
    for kind in sorted(needs):
        why = next((entry.reason for entry in observation.unread if entry.what == kind.resource), "")
        if why:
            return f"{kind.resource}: {why}"
        if not observation.knows(kind) and kind != HANDSHAKES:
            return f"{kind.resource}: {'not read' if observation.live else 'none in the files'}"
    return ""


def _judge(entry: Check, facts: Facts) -> Result:
    for condition in entry.when:
        if why := _unseen(facts.observation, condition.needs):
            return Result(entry, Outcome.UNSEEN, reason=why)
        holds = condition.holds(facts)
        if holds is None:
            why = condition.unknown or f"whether {condition.sentence}: not in what was read"
            return Result(entry, Outcome.UNSEEN, reason=why)
        if not holds:
            return Result(entry, Outcome.IDLE, reason=f"only where {condition.sentence}")
    if why := _unseen(facts.observation, entry.needs):
        return Result(entry, Outcome.UNSEEN, reason=why)
    found = tuple(Found(problem) for problem in dict.fromkeys(entry.judge(facts)))
    return Result(entry, Outcome(entry.severity) if found else Outcome.SUCCESS, found)


def _space(problem: Problem) -> str:
    return problem.object.namespace if problem.object else ""


def _fold(results: tuple[Result, ...], facts: Facts) -> tuple[Result, ...]:
    """Name the cause of each finding that another one explains: within a namespace, or where one of the two is the
    whole system's."""
    system = {"", facts.serving, facts.resources}
    if facts.installation:
        system |= {*facts.installation.trust_namespaces, facts.installation.gateway_namespace}
    spaces = {result.check.id: {_space(entry.problem) for entry in result.found} for result in results if result.found}
    roots: dict[str, list[str]] = {}
    for id in spaces:
        for explained in CHECKS[id].causes:
            roots.setdefault(explained, []).append(id)

    def cause_of(id: str, problem: Problem) -> str:
        space = _space(problem)
        explained = (root for root in roots.get(id, ()) if space in system or {space, *system} & spaces[root])
        return next(explained, "")

    return tuple(
        replace(
            result,
            found=tuple(Found(entry.problem, cause_of(result.check.id, entry.problem)) for entry in result.found),
        )
        for result in results
    )


def run(observation: Observation, checks: Iterable[Check]) -> Report:
    """Judge an observation by these checks."""
    facts = Facts(observation)
    results = _fold(tuple(_judge(entry, facts) for entry in checks), facts)
    unread = sorted(observation.unread, key=lambda entry: (entry.what, entry.reason))
    return Report(observation.source, results, tuple(unread))


def within(report: Report, namespace: str) -> Report:
    """The report with the findings of one namespace and those of the whole system."""

    def keeps(found: Found) -> bool:
        ref = found.problem.object
        own = ref.name if ref and ref.kind == NAMESPACE else ref.namespace if ref else ""
        return own in ("", namespace)

    def narrowed(result: Result) -> Result:
        left = tuple(entry for entry in result.found if keeps(entry))
        return replace(result, found=left, outcome=result.outcome if left or not result.found else Outcome.SUCCESS)

    return replace(report, results=tuple(narrowed(result) for result in report.results))
