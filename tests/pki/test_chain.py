"""Chains: the verdicts are Go's, the reasons are for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kntls.pki.chain import verify
from tests.pki.cases import CASES

RECORD = json.loads((Path(__file__).parent / "go_verdicts.json").read_text())["verdicts"]


def test_every_case_has_a_recorded_verdict():
    assert list(RECORD) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_one_of_go(name):
    case = CASES[name]()
    asked = {"intermediates": case.intermediates, "roots": case.roots, "at": case.at}
    verdict = verify(case.leaf, **asked, name=case.name, usage=case.usage)
    assert verdict.ok is RECORD[name], verdict.reason
    assert verdict.ok == (not verdict.reason) == bool(verdict.chain)
