"""JUnit XML: a suite of cases as CI systems show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring


@dataclass(frozen=True)
class JUnitCase:
    """One case; it passed where neither text is set."""

    name: str
    failure: str = ""
    """Why it failed; the first line is its message."""
    skipped: str = ""


def junit(suite: str, cases: Sequence[JUnitCase]) -> str:
    """The suite as XML text, ending in a newline."""
    failures, skipped = sum(bool(case.failure) for case in cases), sum(bool(case.skipped) for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    root = Element("testsuites")
    element = SubElement(root, "testsuite", {"name": suite, **counts})
    for case in cases:
        entry = SubElement(element, "testcase", {"classname": suite, "name": case.name})
        if case.failure:
            message = case.failure.splitlines()[0]
            SubElement(entry, "failure", {"message": message}).text = case.failure
        elif case.skipped:
            SubElement(entry, "skipped", {"message": case.skipped})
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'
