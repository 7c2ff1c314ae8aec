import pytest
from lint_cases import CASES, NOW

from kntls.mesh.lint import REGISTRY, World, lint
from kntls.mesh.resources import from_objects


def found(objects, **settings):
    return lint(World(from_objects(objects), now=NOW, **settings))


def ids(objects, **settings):
    return {finding.id for finding in found(objects, **settings)}


def test_every_rule_has_a_case_and_no_case_lacks_its_rule():
    assert set(CASES) == set(REGISTRY)


@pytest.mark.parametrize("name", CASES)
def test_broken_is_found(name):
    broken, _ = CASES[name]
    hits = [each for each in found(broken) if each.id == name]
    assert hits
    assert all(each.reason and each.fix and each.object for each in hits)


@pytest.mark.parametrize("name", CASES)
def test_repaired_is_quiet(name):
    _, repaired = CASES[name]
    assert name not in ids(repaired)
