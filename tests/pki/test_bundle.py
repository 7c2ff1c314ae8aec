"""Bundles: what each consumer reads from one value. The table is that of the real algorithms, run in Go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kntls.pki import bundle
from kntls.pki.create import issue, new_ca
from tests.pki.forge import AT, YEAR

FIRST, SECOND = (new_ca(name, lifetime=YEAR, at=AT) for name in ("ca1", "ca2"))
A, B = FIRST.certificate, SECOND.certificate
BROKEN = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"
UNDECODABLE = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"
HEADERS = A.pem().replace("-----\n", "-----\nOwner: me\n\n", 1)

# value, how many certificates net-kourier trusts, how many the activator trusts, whether each has something to say
TABLE = {
    "one certificate": (A.pem(), 1, 1, "", ""),
    "no trailing newline": (A.pem().rstrip("\n"), 1, 1, "", ""),
    "two trailing newlines": (A.pem() + "\n", 0, 1, "blank space", ""),
    "trailing spaces": (A.pem() + "  ", 0, 1, "blank space", ""),
    "comment before": ("# ours\n" + A.pem(), 1, 1, "", ""),
    "comment between": (A.pem() + "# theirs\n" + B.pem(), 2, 2, "", ""),
    "blank line between": (A.pem() + "\n" + B.pem(), 2, 2, "", ""),
    "leading blank line": ("\n" + A.pem(), 1, 1, "", ""),
    "carriage returns": (A.pem().replace("\n", "\r\n"), 1, 1, "", ""),
    "comment after": (A.pem() + "# end\n", 0, 1, "text after", ""),
    "a broken certificate": (A.pem() + BROKEN + B.pem(), 0, 2, "certificate 2 is broken", "CERTIFICATE"),
    "an undecodable block last": (A.pem() + UNDECODABLE, 0, 1, "text after", ""),
    "an undecodable block first": (UNDECODABLE + A.pem(), 1, 1, "", ""),
    "a private key": (A.pem() + FIRST.key_pem(), 0, 1, "PRIVATE KEY", "PRIVATE KEY"),
    "only garbage": ("hello", 0, 0, "no PEM block", "no certificate"),
    "glued together": (A.pem().rstrip("\n") + B.pem(), 0, 0, "no PEM block", "no certificate"),
    "nothing": ("", 0, 0, "", "no certificate"),
    "headers": (HEADERS, 1, 0, "", "no certificate"),
    "not at the start of a line": (" " + A.pem(), 0, 0, "no PEM block", "no certificate"),
    "blanks at line ends": (A.pem().replace("\n", " \t\n"), 1, 1, "", ""),
    "begun twice": ("-----BEGIN CERTIFICATE-----\nMIIB\n" + A.pem(), 1, 1, "", ""),
    "an empty block": ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 0, 0, "broken", "no certificate"),
    "another label": (A.pem().replace("CERTIFICATE", "TRUSTED CERTIFICATE"), 0, 0, "TRUSTED", "no certificate"),
    "labels that differ": (A.pem().replace("END CERTIFICATE", "END CERT"), 0, 0, "no PEM", "no certificate"),
}


@pytest.mark.parametrize(("text", "kourier", "activator", "says", "warns"), TABLE.values(), ids=TABLE)
def test_each_consumer_reads_a_value_in_its_own_way(text, kourier, activator, says, warns):
    by_kourier, by_activator = bundle.read_as_kourier(text), bundle.read_as_activator(text)
    assert len(by_kourier.accepted) == kourier
    assert len(by_activator.accepted) == activator
    assert says in by_kourier.problem
    assert bool(says) == bool(by_kourier.problem)
    assert warns in by_activator.problem
    assert bool(warns) == bool(by_activator.problem)


@pytest.mark.parametrize("text", ["hello", "\n", "glued -----BEGIN CERTIFICATE-----", UNDECODABLE])
def test_a_ca_crt_that_is_not_pem_crashes_the_activator(text):
    reading = bundle.read_first_block(text)
    assert reading.crashes
    assert not reading.accepted


def test_of_ca_crt_the_activator_takes_the_first_block_only():
    assert bundle.read_first_block(A.pem() + B.pem()) == bundle.Reading((A,))
    assert bundle.read_first_block("# comment\n" + A.pem() + "tail") == bundle.Reading((A,))


def test_an_empty_ca_crt_is_harmless():
    assert bundle.read_first_block("") == bundle.Reading()


@pytest.mark.parametrize("text", [BROKEN + A.pem(), FIRST.key_pem() + A.pem()])
def test_a_first_block_that_is_no_certificate_trusts_nothing_but_does_not_crash(text):
    reading = bundle.read_first_block(text)
    assert reading.problem
    assert not reading.crashes
    assert not reading.accepted


@given(st.lists(st.sampled_from([A, B, issue(FIRST, dns=["a"], lifetime=YEAR, at=AT).certificate]), max_size=5))
def test_what_is_written_is_strict_and_read_alike_by_everybody(certificates):
    text = bundle.write(certificates)
    assert text == bundle.write(reversed(certificates))
    assert set(bundle.read_as_kourier(text).accepted) == set(certificates)
    assert not bundle.read_as_kourier(text).problem
    if certificates:
        assert bundle.read_as_kourier(text) == bundle.read_as_activator(text)
        assert bundle.is_strict(text) == ""
        assert text.count("BEGIN CERTIFICATE") == len(set(certificates))
        assert text.endswith("-\n")


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if n != "one certificate"])
def test_everything_else_is_not_strict_for_a_reason(name):
    assert bundle.is_strict(TABLE[name][0])


def test_a_repeated_certificate_is_not_strict():
    assert bundle.is_strict(A.pem() + A.pem()) == "it holds a certificate twice"


def test_a_private_key_is_not_strict_wherever_it_stands():
    assert bundle.is_strict(FIRST.key_pem() + A.pem()) == "it holds a private key"


def test_any_order_is_strict():
    assert bundle.is_strict(A.pem() + B.pem()) == bundle.is_strict(B.pem() + A.pem()) == ""
