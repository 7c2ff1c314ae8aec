"""Whatever the X.509 lint can say about a CA or a leaf is said by a check."""

from __future__ import annotations

import inspect
import re

from kntls.checks import issuers, leaves
from kntls.pki import authority

ELSEWHERE = {
    "no-certificate": "KN-ISSUER-006 and KN-LEAF-001 see that there is none",
    "name-constraints": "KN-ISSUER-012 asks whether the names that are needed are allowed",
    "intermediate-anchor": "trusting an intermediate works for every consumer",
    "long-ca-crt": "what follows the first certificate of ca.crt is ignored, and does no harm",
    "same-key": "a renewal with the same key is no fault",
}
"""Codes that are no finding of their own, and why."""


def test_every_code_of_the_lint_is_a_checks() -> None:
    said = set(re.findall(r'Problem\(\s*"([a-z-]+)"', inspect.getsource(authority)))
    used = set(re.findall(r'"([a-z-]+)"', inspect.getsource(issuers) + inspect.getsource(leaves)))
    assert said - used == set(ELSEWHERE)


def test_no_check_waits_for_a_code_that_nobody_says() -> None:
    said = set(re.findall(r'Problem\(\s*"([a-z-]+)"', inspect.getsource(authority)))
    for module in (issuers, leaves):
        for group in re.findall(r"(?:_lint\(facts, |codes = )\{([^}]*)\}", inspect.getsource(module)):
            assert set(re.findall(r'"([a-z-]+)"', group)) <= said
