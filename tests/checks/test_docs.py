"""The check reference is complete and says what the code says."""

from __future__ import annotations

import re

from kntls.checks import CHECKS
from scripts.generate_check_docs import PAGE, page


def test_the_page_is_what_the_registry_makes() -> None:
    assert PAGE.read_text() == page(), "run scripts/generate_check_docs.py"


def test_every_check_has_just_one_anchor() -> None:
    headings = re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(CHECKS)


def test_anchors_are_those_the_hints_point_to() -> None:
    for check in CHECKS.values():
        assert check.anchor.endswith(f"docs/checks.md#{check.id.lower()}")


def test_every_link_within_the_page_leads_to_a_check() -> None:
    for target in re.findall(r"\]\(#([a-z0-9-]+)\)", PAGE.read_text()):
        assert target.upper() in CHECKS
