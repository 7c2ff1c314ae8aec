"""SAN sets: what is missing, what is too much, and which hosts match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kntls.pki.san import SanSet

_NAMES = st.frozensets(st.sampled_from(["a", "b.c", "*.d", "kn-routing", "x_y.z"]))
_SETS = st.builds(SanSet, dns=_NAMES, ips=st.frozensets(st.sampled_from(["10.0.0.1", "::1"])))


def dns(*names: str) -> SanSet:
    return SanSet(dns=frozenset(names))


@given(_SETS, _SETS)
def test_a_set_with_its_missing_and_without_its_unexpected_names_is_the_expected_one(actual, expected):
    missing, unexpected = actual.missing(expected), actual.unexpected(expected)
    assert (actual.dns | missing.dns) - unexpected.dns == expected.dns
    assert (actual.ips | missing.ips) - unexpected.ips == expected.ips
    assert (not missing and not unexpected) == (actual == expected)


def test_the_text_is_sorted_by_kind_and_name():
    names = SanSet(frozenset("ba"), frozenset(["10.0.0.1"]), frozenset(["spiffe://x"]), frozenset(["m@x"]))
    assert str(names) == "a, b, 10.0.0.1, spiffe://x, m@x"
    assert str(SanSet()) == ""


# Each row's answer is that of Go 1.26's Certificate.VerifyHostname.
@pytest.mark.parametrize(
    ("name", "host", "matches"),
    [
        ("kn-routing", "kn-routing", True),
        ("kn-routing", "KN-Routing", True),
        ("kn-routing", "kn-routing.", True),
        ("kn-user-a", "kn-user-b", False),
        ("under_score.x", "under_score.x", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*", "a", False),
        ("a*.example.com", "ab.example.com", False),
        ("a.*.com", "a.b.com", False),
        ("-bad.example.com", "-bad.example.com", True),
        ("*.example.com", "-bad.example.com", False),
        ("10.0.0.1", "10.0.0.1", False),
        ("a", "", False),
    ],
)
def test_hosts_match_as_go_matches_them(name, host, matches):
    assert dns(name).matches(host) is matches


@pytest.mark.parametrize(
    ("host", "matches"), [("10.0.0.1", True), ("[::1]", True), ("::ffff:10.0.0.1", True), ("10.0.0.2", False)]
)
def test_addresses_match_addresses_only(host, matches):
    assert SanSet(ips=frozenset(["10.0.0.1", "::1"])).matches(host) is matches
