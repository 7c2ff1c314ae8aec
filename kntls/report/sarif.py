"""A check report as SARIF 2.1.0, for code-scanning pages."""

from __future__ import annotations

import json
from typing import Any

from kntls import __version__
from kntls.checks.check import Check
from kntls.checks.run import Found, Report, Result
from kntls.model.findings import Severity

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "shortDescription": {"text": check.sentence},
        "fullDescription": {"text": check.why},
        "help": {"text": check.remedy},
        "helpUri": check.anchor,
        "defaultConfiguration": {"level": LEVELS[check.severity]},
        "properties": {"category": check.category.value},
    }


def _location(entry: Found, source: str) -> dict[str, Any]:
    ref = entry.problem.object
    name = f"{ref.kind.resource}/{ref.namespace}/{ref.name}" if ref else source
    logical = {"fullyQualifiedName": name, "kind": ref.kind.name if ref else "cluster"}
    # Code-scanning pages insist on a file: the object's address stands for one.
    return {"physicalLocation": {"artifactLocation": {"uri": name}}, "logicalLocations": [logical]}


def _finding(result: Result, entry: Found, source: str) -> dict[str, Any]:
    fix = f" Fix: {entry.problem.fix}" if entry.problem.fix else ""
    where = f"{entry.problem.object}: " if entry.problem.object else ""
    properties = {"explainedBy": entry.cause} if entry.cause else {}
    return {
        "ruleId": result.check.id,
        "level": LEVELS[result.check.severity],
        "message": {"text": f"{where}{entry.problem.reason}{fix}"},
        "locations": [_location(entry, source)],
        **({"properties": properties} if properties else {}),
    }


def render(report: Report) -> str:
    """The SARIF document."""
    driver = {
        "name": "kntls",
        "version": __version__,
        "informationUri": "https://github.com/kntls/kntls",
        "rules": [_rule(result.check) for result in report.results],
    }
    results = [_finding(result, entry, report.source) for result in report.results for entry in result.found]
    notes = [
        {"level": "note", "message": {"text": f"not looked at: {entry.what}: {entry.reason}"}}
        for entry in report.unread
    ]
    invocation = {"executionSuccessful": True, "toolExecutionNotifications": notes}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"
