"""A check report as SARIF 2.1.0, for code-scanning pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from kntls import __version__
from kntls.checks.check import Check
from kntls.checks.run import Found, Outcome, Report, Result
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
    name = "/".join(filter(None, (ref.kind.resource, ref.namespace, ref.name))) if ref else source
    logical = {"fullyQualifiedName": name, "kind": ref.kind.name if ref else "cluster"}
    # Code-scanning pages insist on a file: the object's address stands for one.
    return {"physicalLocation": {"artifactLocation": {"uri": quote(name)}}, "logicalLocations": [logical]}


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


def _notes(report: Report) -> Iterator[dict[str, Any]]:
    """What was not looked at: every check by its ID, then everything that could not be read."""
    for result in report.with_outcome(Outcome.UNSEEN):
        text = f"not looked at: {result.reason}"
        yield {"level": "warning", "message": {"text": text}, "associatedRule": {"id": result.check.id}}
    for entry in report.unread:
        yield {"level": "note", "message": {"text": f"not looked at: {entry.what}: {entry.reason}"}}


def render(report: Report) -> str:
    """The SARIF document."""
    driver = {
        "name": "kntls",
        "version": __version__,
        "informationUri": "https://github.com/kntls/kntls",
        "rules": [_rule(result.check) for result in report.results],
    }
    results = [_finding(result, entry, report.source) for result in report.results for entry in result.found]
    invocation = {"executionSuccessful": not report.blind, "toolExecutionNotifications": [*_notes(report)]}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"
