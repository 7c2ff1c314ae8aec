"""Findings of rules as a table, short lines, JUnit XML and SARIF; JSON and YAML come from `report.document`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from kntls import __version__
from kntls.model.findings import Finding, Severity
from kntls.model.observation import Unread
from kntls.report.junit import JUnitCase
from kntls.report.junit import junit as junit_xml
from kntls.report.text import WIDTH, Paint

MARKS = {Severity.ERROR: ("×", "red"), Severity.WARNING: ("‼", "yellow"), Severity.INFO: ("i", "cyan")}
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
"""Severity → SARIF level."""


class Described(Protocol):
    """What a report needs to know of a rule."""

    @property
    def id(self) -> str:
        """Stable."""

    @property
    def title(self) -> str:
        """What is wrong, in a few words."""

    @property
    def why(self) -> str:
        """Why it matters."""

    @property
    def fix(self) -> str:
        """How to mend it."""


def totals(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`; `nothing found` where there is nothing."""
    counts = [(severity, sum(each.severity is severity for each in findings)) for severity in Severity]
    words = {Severity.INFO: ("note", "notes")}
    parts = [
        f"{count} {words.get(severity, (severity.value, f'{severity.value}s'))[count != 1]}"
        for severity, count in counts
        if count
    ]
    return ", ".join(parts) or "nothing found"


def table(
    findings: Sequence[Finding], rules: Mapping[str, Described], unread: Iterable[Unread], paint: Paint, docs: str
) -> str:
    """Findings grouped by rule, each with its object, reason and remedy; what was not looked at; one line of totals."""
    lines: list[str] = []
    for rule_id in dict.fromkeys(each.id for each in findings):
        mine = [each for each in findings if each.id == rule_id]
        lines += _group(rules[rule_id], mine, paint, docs)
    missing = [f"  - {entry.what}: {entry.reason}" for entry in unread]
    lines += [paint("Not looked at", "bold"), *missing, ""] if missing else []
    return "\n".join([*lines, totals(findings)]) + "\n"


def _group(rule: Described, findings: Sequence[Finding], paint: Paint, docs: str) -> list[str]:
    mark, style = MARKS[min((each.severity for each in findings), key=list(Severity).index)]
    lines = [f"{paint(mark, style)} {paint(rule.id, 'bold')} {rule.title}"]
    for each in findings:
        lines += _wrapped(f"{_where(each)}: {each.reason}", "    ")
    lines += _wrapped(f"fix: {rule.fix}", "    ")
    return [*lines, f"    see {docs}#{rule.id.lower()}", ""]


def _where(finding: Finding) -> str:
    """The object and the place where it stands, or the one of them that is known."""
    if finding.object is None:
        return finding.location
    return f"{finding.object} ({finding.location})" if finding.location else str(finding.object)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def short(findings: Sequence[Finding]) -> str:
    """One line a finding, for grep and editors: `file: severity: ID: object: reason`."""
    return "".join(
        ": ".join(filter(None, (each.location or "-", each.severity, each.id, _name(each), each.reason))) + "\n"
        for each in findings
    )


def _name(finding: Finding) -> str:
    return str(finding.object) if finding.object else ""


def body(findings: Sequence[Finding], unread: Iterable[Unread]) -> dict[str, Any]:
    """The findings for JSON and YAML."""
    return {
        "findings": [
            {
                "id": each.id,
                "severity": each.severity.value,
                "object": _name(each),
                "reason": each.reason,
                "fix": each.fix,
                "location": each.location,
            }
            for each in findings
        ],
        "unread": [{"what": entry.what, "reason": entry.reason} for entry in unread],
    }


def junit(suite: str, findings: Sequence[Finding], rules: Iterable[Described]) -> str:
    """One test case a rule; errors and warnings are its failures."""
    return junit_xml(suite, [_case(rule, [each for each in findings if each.id == rule.id]) for rule in rules])


def _case(rule: Described, findings: Sequence[Finding]) -> JUnitCase:
    lines = [
        f"{each.location} {_name(each)}".strip() + f": {each.reason}"
        for each in findings
        if each.severity is not Severity.INFO
    ]
    return JUnitCase(rule.id, "\n".join([rule.title, *lines]) if lines else "")


def sarif(findings: Sequence[Finding], rules: Iterable[Described]) -> str:
    """SARIF 2.1.0, as code scanning reads it."""
    described = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.fix},
        }
        for rule in rules
    ]
    driver = {"name": "kntls", "version": __version__, "rules": described}
    results = [_result(each) for each in findings]
    run = {"tool": {"driver": driver}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(finding: Finding) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if finding.object:
        place["logicalLocations"] = [{"fullyQualifiedName": str(finding.object)}]
    file = finding.location.partition(" document ")[0].partition(" item ")[0]
    if file:
        place["physicalLocation"] = {"artifactLocation": {"uri": file}, "region": {"startLine": 1}}
    message = {"text": f"{finding.object}: {finding.reason}" if finding.object else finding.reason}
    return {"ruleId": finding.id, "level": LEVELS[finding.severity], "message": message, "locations": [place]}
