import re
from pathlib import Path

from kntls.mesh.cacerts.checks import RULES
from kntls.mesh.lint import REGISTRY
from kntls.mesh.lint.reference import TOPICS, markdown

EVERY = (*REGISTRY.values(), *RULES.values())
PAGE = Path(__file__).parents[3] / "docs" / "mesh-lint.md"


def test_the_page_is_generated_from_the_registry():
    assert PAGE.read_text() == markdown(), "python -m kntls.mesh.lint.reference > docs/mesh-lint.md"


def test_every_rule_has_exactly_one_anchor():
    assert re.findall(r'<a id="([^"]+)">', markdown()) == [rule.anchor for rule in EVERY]


def test_every_rule_says_what_why_and_how_to_mend_it():
    for rule in EVERY:
        assert rule.title
        assert len(rule.why) > 20, rule.id
        assert rule.fix, rule.id
        assert rule.id.split("-")[1] in TOPICS
