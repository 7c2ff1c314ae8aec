"""The results of a table of requests: as text, as JSON, as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.mesh.cases import Result, totals
from kntls.mesh.why import near_misses, sentence
from kntls.model.findings import Finding, Severity
from kntls.report.findings import sarif
from kntls.report.junit import JUnitCase, junit


def xml(results: Sequence[Result], suite: str) -> str:
    """JUnit XML, a case for each."""
    return junit(suite, [JUnitCase(title(each), "\n".join(lines(each)), each.skipped) for each in results])


@dataclass(frozen=True)
class _Rule:
    """A case that fails, as SARIF wants its rules."""

    id: str
    title: str
    why: str
    fix: str = "change the policies, or what the case expects"


def code_scanning(results: Sequence[Result], path: str) -> str:
    """SARIF: a result for each mismatch, at the table of cases."""
    failed = [each for each in results if each.reason]
    found = [Finding(each.case.id, Severity.ERROR, None, "\n".join(lines(each)), location=path) for each in failed]
    named = {each.case.id: _Rule(each.case.id, title(each), each.case.note or title(each)) for each in failed}
    return sarif(found, named.values())


def text(results: Sequence[Result], on: str, *, verbose: bool) -> Iterator[str]:
    """A line for each mismatch (with `verbose` also its hops), and one of totals."""
    for result in results:
        if result.reason:
            first, *rest = lines(result)
            yield f"FAIL {title(result)}: {first}"
            for line in rest if verbose else ():
                yield f"     {line}"
        elif result.skipped:
            yield f"SKIP {title(result)}: {result.skipped}"
    yield _totals(results, on)


def _totals(results: Iterable[Result], on: str) -> str:
    worst: dict[str, int] = {}
    for result in results:
        grade = 2 if result.reason else int(bool(result.skipped))
        worst[result.case.id] = max(worst.get(result.case.id, 0), grade)
    grades = list(worst.values())
    skipped = f", {grades.count(1)} skipped" if 1 in grades else ""
    place = "on Envoy" if on == "envoy" else "offline"
    return f"{len(grades)} cases {place}: {grades.count(0)} passed, {grades.count(2)} failed{skipped}"


def title(result: Result) -> str:
    """The case, and its route where the table gives none."""
    return result.case.id if result.case.hops else f"{result.case.id} ({' → '.join(result.route.names)})"


def lines(result: Result) -> list[str]:
    """What went wrong, and what the offline evaluator says of each hop."""
    if not result.reason:
        return []
    told = [result.reason]
    told += (
        f"{hop.client.name} → {hop.server.name}:{hop.request.port}  {hop.connection.wire}; {sentence(hop)}"
        for hop in result.verdict.hops
    )
    last, world = result.verdict.last, result.world
    if not last.decision.allowed and not last.decision.rule:
        for miss in near_misses(world.engine.enforcement(last.server, tcp=last.request.tcp), last.request)[:1]:
            failing = ", ".join(map(str, miss.failing))
            told.append(f"nearest: {miss.rule.key} fails at {failing}")
    return told


def body(results: Sequence[Result], on: str) -> dict[str, Any]:
    """Every case for JSON and YAML."""
    passed, failed, skipped = totals(results)
    return {
        "on": on,
        "summary": {"passed": passed, "failed": failed, "skipped": skipped},
        "cases": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
    outcome = "failed" if result.reason else "skipped" if result.skipped else "passed"
    last = result.verdict.last
    entry: dict[str, Any] = {
        "id": result.case.id,
        "outcome": outcome,
        "expect": result.case.expect,
        "got": result.got.code,
        "route": list(result.route.names),
        "deniedAt": result.got.denied_at,
        "decidedBy": last.decision.rule.key if last.decision.rule else "",
        "reason": sentence(last),
    }
    if result.reason or result.skipped:
        entry["message"] = result.reason or result.skipped
    return entry
