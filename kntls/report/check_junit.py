"""A check report as JUnit XML, one test case a check, for CI servers."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from kntls.checks.check import Category
from kntls.checks.run import Outcome, Report, Result

FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have, escaped or not; a condition's message may."""


def _text(result: Result) -> str:
    lines = []
    for entry in result.found:
        where = f"{entry.problem.object}: " if entry.problem.object else ""
        cause = f" (explained by {entry.cause})" if entry.cause else ""
        fix = f"\n  fix: {entry.problem.fix}" if entry.problem.fix else ""
        lines.append(f"{where}{entry.problem.reason}{cause}{fix}")
    return "\n".join([*lines, f"see {result.check.anchor}"])


def _case(suite: Element, result: Result, *, strict: bool) -> None:
    name = f"{result.check.id} {result.check.sentence}"
    case = SubElement(suite, "testcase", classname=f"kntls.{result.check.category.value}", name=name)
    if result.outcome in (Outcome.UNSEEN, Outcome.IDLE):
        SubElement(case, "skipped", message=result.reason)
    elif result.outcome == Outcome.ERROR or (strict and result.outcome == Outcome.WARNING):
        reason = result.found[0].problem.reason
        SubElement(case, "failure", type=result.outcome.value, message=reason).text = _text(result)
    elif result.found:
        SubElement(case, "system-out").text = _text(result)


def render(report: Report, *, strict: bool = False) -> str:
    """The XML document; with `strict`, warnings are failures, too."""
    bad = {Outcome.ERROR, Outcome.WARNING} if strict else {Outcome.ERROR}
    root = Element("testsuites", name="kntls check")
    for category in Category:
        found = report.of(category)
        if not found:
            continue
        failures = sum(result.outcome in bad for result in found)
        skipped = sum(result.outcome in (Outcome.UNSEEN, Outcome.IDLE) for result in found)
        counts = {"tests": str(len(found)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}
        suite = SubElement(root, "testsuite", {"name": category.value, **counts})
        for result in found:
            _case(suite, result, strict=strict)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + FORBIDDEN.sub("?", tostring(root, encoding="unicode")) + "\n"
