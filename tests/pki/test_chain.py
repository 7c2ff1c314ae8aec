"""Chains: the verdicts are Go's, the reasons are for people."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kntls.pki import boringssl, chain
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Pool, verify
from kntls.pki.create import KeyPair, bridge, issue, new_ca
from tests.pki.cases import CASES
from tests.pki.forge import AT, YEAR

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


def reason(name: str) -> str:
    """Why a case of the matrix is refused."""
    case = CASES[name]()
    return verify(
        case.leaf, intermediates=case.intermediates, roots=case.roots, at=case.at, name=case.name, usage=case.usage
    ).reason


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("another host", "not valid for b.example: it is for a.example"),
        ("a leaf without san asked for its common name", "not valid for a.example: it is for no name at all"),
        ("nothing trusted", "nothing is trusted: there is no root to verify it with"),
        ("another root", "signed by CN=root, which is neither trusted nor sent along"),
        ("the intermediate is not sent", "signed by CN=int0, which is neither trusted nor sent along"),
        (
            "a root with the same name and another key",
            "signed by CN=root, but its key is not the one of the trusted CN=root (",
        ),
        ("a tampered intermediate", "signed by CN=root, but its key is not the one of the trusted CN=root ("),
        ("a root that may not sign", "may not sign certificates: its key usage lacks keyCertSign"),
        ("an intermediate that is no ca", ") is not a CA"),
        ("signed with sha1", "is signed with SHA-1, which clients refuse"),
        ("a self signed leaf that is not trusted", "it ends at the self-signed CN=a ("),
        ("just after the leafs last second", "expired 1 second ago, at 2026-06-11T00:00:00Z"),
        ("just before the leafs first second", "not valid before 2026-06-02T00:00:00Z, in 1 second"),
        ("an expired root", "expired 1 day ago, at 2026-06-02T00:00:00Z"),
        ("a root that is not yet valid", "not valid before 2026-06-04T00:00:00Z, in 1 day"),
        ("path length zero and an intermediate", "allows 0 intermediates below it, but here it has 1"),
        ("path length one and two intermediates", "allows 1 intermediate below it, but here it has 2"),
        ("a leaf for clients", "is for clientAuth only, not for serverAuth"),
        ("an unknown critical extension on the leaf", "has a critical extension that clients do not know (1.2.3.4)"),
        ("a name that is not permitted", "DNS name a.example is not among those it permits"),
        ("an excluded address", "address fd00::1 is among those it excludes"),
        ("a uri without host under constraints", "URI urn:x:y has no host name to compare"),
        ("too many roots of one name", "Go gives up looking for a chain"),
        ("two cas that signed each other", "signed by CN=one, which is neither trusted nor sent along"),
    ],
)
def test_a_refusal_says_exactly_why(name, text):
    assert text in reason(name)
    assert "\n" not in reason(name)


def test_the_root_that_verified_is_told():
    case = CASES["a bridge where only the old root is trusted"]()
    verdict = verify(case.leaf, intermediates=case.intermediates, roots=case.roots, at=case.at)
    assert verdict.root == case.roots[0]
    assert verdict.chain == (case.leaf, *case.intermediates, *case.roots)


AUTHORITIES = [new_ca(name, lifetime=YEAR, at=AT) for name in ("a", "a", "b", "c")]
BRIDGES = [KeyPair(bridge(one, two, at=AT), one.private_key) for one in AUTHORITIES for two in AUTHORITIES]
LEAVES = [issue(ca, dns=["x"], lifetime=YEAR, at=AT).certificate for ca in AUTHORITIES]
POOL = [pair.certificate for pair in (*AUTHORITIES, *BRIDGES)]
_SOME = st.lists(st.sampled_from(POOL), max_size=8)


def _reaches(leaf: Certificate, sent: list[Certificate], roots: list[Certificate]) -> bool:
    """Plain reachability along signatures: what a verdict must come to where no other rule applies."""
    reached, frontier = set(), [leaf]
    while frontier:
        link = frontier.pop()
        if any(link.signed_by(root) for root in roots):
            return True
        fresh = [c for c in sent if c not in reached and link.signed_by(c)]
        reached.update(fresh)
        frontier += fresh
    return False


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(LEAVES), _SOME, _SOME)
def test_a_leaf_is_accepted_exactly_when_signatures_lead_to_a_root(leaf, sent, roots):
    verdict = verify(leaf, intermediates=sent, roots=roots, at=AT)
    assert verdict.ok is _reaches(leaf, sent, roots)
    for child, parent in itertools.pairwise(verdict.chain):
        assert child.signed_by(parent)
    assert verdict.root is None or verdict.root in roots


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(LEAVES), _SOME, _SOME, _SOME, _SOME)
def test_more_trust_and_more_intermediates_never_turn_a_yes_into_a_no(leaf, sent, roots, more_sent, more_roots):
    if verify(leaf, intermediates=sent, roots=roots, at=AT):
        assert verify(leaf, intermediates=sent + more_sent, roots=roots + more_roots, at=AT)


@given(st.sampled_from(LEAVES), _SOME, _SOME)
def test_a_pool_that_is_built_once_gives_the_same_verdict(leaf, sent, roots):
    assert verify(leaf, intermediates=Pool.of(sent), roots=Pool.of(roots), at=AT) == verify(
        leaf, intermediates=sent, roots=roots, at=AT
    )


@settings(deadline=None)
@given(st.sampled_from(LEAVES), _SOME, _SOME)
def test_remembered_signatures_change_no_verdict(leaf, sent, roots):
    first = verify(leaf, intermediates=sent, roots=roots, at=AT)
    chain._remembered.cache_clear()
    assert verify(leaf, intermediates=sent, roots=roots, at=AT) == first


def test_a_signature_is_checked_once_however_often_it_is_asked_about(monkeypatch):
    checked = []
    ca = new_ca("ca1", lifetime=YEAR, at=AT)
    leaf = issue(ca, dns=["a.example"], lifetime=YEAR, at=AT).certificate
    matches = Certificate.signature_matches
    monkeypatch.setattr(Certificate, "signature_matches", lambda own, by: checked.append(own) or matches(own, by))
    assert all(verify(leaf, roots=[ca.certificate], at=AT) for _ in range(3))
    assert checked == [leaf]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(LEAVES), _SOME, _SOME)
def test_of_sound_certificates_go_accepts_all_that_envoy_accepts(leaf, sent, roots):
    if boringssl.verify(leaf, intermediates=sent, roots=roots, at=AT):
        assert verify(leaf, intermediates=sent, roots=roots, at=AT)
