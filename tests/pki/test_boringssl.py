"""Verdicts held against a real Envoy, case by case, and what it says where Envoy and Go differ."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kntls.pki import bundle
from kntls.pki.boringssl import verify
from kntls.pki.pem import certificates
from tests.pki.cases import CASES, Case
from tests.pki.envoy import verdicts
from tests.pki.forge import KEYS, shift

RACES = {"the leafs last second", "just before the leafs first second"}
NOT_AS_ENVOY = {
    "a critical san of a kind go does not know",
    "a uri with a port",
    "a uri without host under constraints",
    "a uri with an address under constraints",
    "a name that is no domain under constraints",
}
"""What is judged as Go judges it although Envoy does not: constraints on URIs and names that Knative never has."""


def now(name: str) -> Case:
    """A case, made so that its time is now."""
    token = shift.set(datetime.now(UTC).replace(microsecond=0) - CASES[name]().at)
    try:
        return CASES[name]()
    finally:
        shift.reset(token)


def askable(case: Case) -> bool:
    """Whether Envoy, set up without names, can be asked this."""
    named = not case.name or case.leaf.sans.matches(case.name)
    return named and case.leaf in KEYS and bool(case.roots) and case.usage == "serverAuth"


def judge(case: Case) -> str:
    """The reason for which a case is refused, now; empty if it is not."""
    at = datetime.now(UTC)
    return verify(case.leaf, intermediates=case.intermediates, roots=case.roots, at=at).reason


def test_every_verdict_is_the_one_of_a_real_envoy(tmp_path):
    cases = {name: now(name) for name in CASES if name not in RACES}
    said = verdicts({name.replace(" ", "-"): case for name, case in cases.items() if askable(case)}, tmp_path)
    assert len(said) > 100
    differing = {
        name
        for name, case in cases.items()
        if (reason := said.get(name.replace(" ", "-"))) is not None and bool(judge(case)) != bool(reason)
    }
    assert differing == NOT_AS_ENVOY


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a ca renewed with its key but another key identifier", "with key identifier 3131"),
        ("an expired root beside its renewal", "expired 23 hours ago"),
        ("two roots of one name and a leaf without aki", "the first of that name, did not sign it"),
        ("a trusted intermediate below its expired root", "expired 23 hours ago"),
        ("ed25519 all the way", "no signature scheme (Ed25519)"),
        ("a leaf for signing only", "its key usage lacks digitalSignature"),
        ("a leaf for anything", "is for anyExtendedKeyUsage only"),
        ("a permitted address", "limits addresses, which Envoy does not support"),
        ("constraints do not touch a common name", "it has no subject alternative name"),
        ("another root", "signed by CN=root, which is neither trusted nor sent along"),
        ("a self signed leaf that is not trusted", "it ends at the self-signed CN=a"),
    ],
)
def test_what_envoy_refuses_is_explained(name, text):
    reason = judge(now(name))
    assert text in reason
    assert "\n" not in reason


def test_a_written_bundle_puts_a_renewal_before_its_former_self():
    case = now("an expired root beside its renewal")
    written = certificates(bundle.write(case.roots), "bundle")
    assert verify(case.leaf, roots=written, at=datetime.now(UTC)).ok


def test_a_name_that_is_expected_must_be_there():
    case = now("a plain chain")
    expect = {"roots": case.roots, "at": datetime.now(UTC)}
    assert verify(case.leaf, **expect, name="a.example").ok
    assert verify(case.leaf, **expect, name="b.example").reason == "not valid for b.example: it is for a.example"
