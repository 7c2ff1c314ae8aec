"""How `kntls check` looks: sentences by category for people, and the same as a document."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kntls.checks.check import Category
from kntls.checks.run import Found, Outcome, Report, Result
from kntls.model.objects import ObjectRef
from kntls.report.text import Paint

SIGNS = {
    Outcome.SUCCESS: ("√", "green"),
    Outcome.INFO: ("i", "cyan"),
    Outcome.WARNING: ("‼", "yellow"),
    Outcome.ERROR: ("×", "red"),
    Outcome.UNSEEN: ("?", "cyan"),
    Outcome.IDLE: ("-", "dim"),
}
BAD = (Outcome.ERROR, Outcome.WARNING, Outcome.INFO)
SHOWN = 5
"""Findings of one check in a table; `-o wide` shows all."""
FEW = 4
"""Checks that are listed by ID."""


def _wrap(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _headline(report: Report, result: Result, paint: Paint, width: int) -> list[str]:
    sign, colour = SIGNS[_worst(report, result)]
    lines = _wrap(f"{result.check.sentence}", width, f"  {result.check.id:<14} ", " " * 17)
    return [f"{paint(sign, colour)}{lines[0][1:]}", *lines[1:]]


def _worst(report: Report, result: Result) -> Outcome:
    """The check's outcome, or that of something worse that it explains: what is shown must not look harmless."""
    explained = {other.outcome for other in report.results for entry in other.found if entry.cause == result.check.id}
    return next((outcome for outcome in BAD if outcome in {*explained, result.outcome}), result.outcome)


def _finding(entry: Found, width: int) -> list[str]:
    what = f"{entry.problem.object}: {entry.problem.reason}" if entry.problem.object else entry.problem.reason
    lines = _wrap(what, width, "    ", "      ")
    # A command stays on one line, however long, so that it can be copied.
    return [*lines, f"      fix: {entry.problem.fix}"] if entry.problem.fix else lines


def _explained(report: Report, result: Result) -> str:
    """What this check's findings explain: `KN-SERVE-003 (2), KN-TRUST-020`."""
    counts = Counter(
        other.check.id for other in report.results for entry in other.found if entry.cause == result.check.id
    )
    return ", ".join(f"{id} ({count})" if count > 1 else id for id, count in counts.items())


def _body_of(report: Report, result: Result, width: int, *, everything: bool) -> Iterator[str]:
    roots = [entry for entry in result.found if not entry.cause]
    entries = list(result.found) if everything else roots[:SHOWN]
    for entry in entries:
        yield from _finding(entry, width)
        if everything and entry.cause:
            yield f"      explained by {entry.cause}"
    if len(roots) > len(entries):
        yield f"    and {len(roots) - len(entries)} more (-o wide)"
    if explained := _explained(report, result):
        yield from _wrap(f"explains also: {explained}", width, "    ", "      ")
    if roots:
        yield f"    see {result.check.anchor}"


def _visible(result: Result, *, short: bool, everything: bool) -> bool:
    if everything:
        return True
    if result.outcome in BAD:
        return bool(result.roots)
    return not short and result.outcome == Outcome.SUCCESS


def _section(report: Report, category: Category, paint: Paint, width: int, **how: bool) -> list[str]:
    lines: list[str] = []
    everything = how["everything"]
    for result in report.of(category):
        if not _visible(result, **how):
            continue
        lines += _headline(report, result, paint, width)
        if result.outcome in BAD:
            lines += _body_of(report, result, width, everything=everything)
        elif everything and result.reason:
            lines += _wrap(result.reason, width, "    ", "      ")
    if not lines:
        return []
    return [paint(category.value, "bold"), "-" * len(category.value), *lines, ""]


def _named(ids: list[str]) -> str:
    """A few IDs by name, many by number and category."""
    if len(ids) <= FEW:
        return ", ".join(ids)
    groups = Counter(id.rpartition("-")[0] for id in ids)
    return f"{len(ids)} checks: " + ", ".join(f"{group} {count}" for group, count in groups.items())


def _not_looked_at(report: Report, width: int) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for result in report.with_outcome(Outcome.UNSEEN):
        reasons.setdefault(result.reason, []).append(result.check.id)
    lines = []
    for reason, ids in reasons.items():
        lines += _wrap(f"{reason} ({_named(ids)})", width, "  ", "    ")
    told = {entry for reason in reasons for entry in [reason.partition(":")[0]]}
    for entry in report.unread:
        if entry.what not in told:
            lines += _wrap(f"{entry.what}: {entry.reason}", width, "  ", "    ")
    return ["Not looked at", "-------------", *lines, ""] if lines else []


def summary(report: Report) -> str:
    """`97 right, 1 wrong, 2 warned of, 4 not looked at, 9 do not apply`."""
    counts = Counter(result.outcome for result in report.results)
    words = {
        Outcome.SUCCESS: "right",
        Outcome.ERROR: "wrong",
        Outcome.WARNING: "warned of",
        Outcome.INFO: "worth knowing",
        Outcome.UNSEEN: "not looked at",
        Outcome.IDLE: "do not apply",
    }
    parts = (f"{counts[outcome]} {word}" for outcome, word in words.items() if counts[outcome])
    return ", ".join(parts)


def render(report: Report, paint: Paint, width: int, *, short: bool = False, everything: bool = False) -> str:
    """The report for people; `short` shows only what is wrong, `everything` also what does not apply."""
    lines: list[str] = []
    for category in Category:
        lines += _section(report, category, paint, width, short=short, everything=everything)
    lines += _not_looked_at(report, width)
    wary = report.warnings or report.with_outcome(Outcome.UNSEEN)
    worst = Outcome.ERROR if report.errors or report.blind else Outcome.WARNING if wary else Outcome.SUCCESS
    sign, colour = SIGNS[worst]
    lines += [f"Status check results are {paint(sign, colour)}", f"  {report.source}", f"  {summary(report)}"]
    return "\n".join(lines) + "\n"


def names(report: Report) -> str:
    """What is wrong, one object a line, as kubectl takes it: `configmaps/config-network -n knative-serving`."""
    wrong = (*report.errors, *report.warnings)
    found = (entry.problem.object for result in wrong for entry in result.found)
    return "".join(f"{name}\n" for name in dict.fromkeys(ref.kubectl for ref in found if ref))


def reference(ref: ObjectRef | None) -> dict[str, str] | None:
    """An object in a document."""
    return {"kind": ref.kind.name, "namespace": ref.namespace, "name": ref.name} if ref else None


def _result(result: Result) -> dict[str, Any]:
    return {
        "id": result.check.id,
        "description": result.check.sentence,
        "severity": result.check.severity.value,
        "result": result.outcome.value,
        "reason": result.reason,
        "hint": result.check.anchor,
        "findings": [
            {
                "object": reference(entry.problem.object),
                "reason": entry.problem.reason,
                "fix": entry.problem.fix,
                "explainedBy": entry.cause,
            }
            for entry in result.found
        ],
    }


def body(report: Report) -> dict[str, Any]:
    """The document `CheckReport`."""
    counts = Counter(result.outcome for result in report.results)
    return {
        "source": report.source,
        "success": not report.errors and not report.blind,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "categories": [
            {"categoryName": category.value, "checks": [_result(result) for result in found]}
            for category in Category
            if (found := report.of(category))
        ],
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in report.unread],
    }
