"""Bundles: what each consumer reads from one value, held against what Go reads from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kntls.pki import bundle
from kntls.pki.create import issue
from kntls.pki.pem import blocks
from tests.pki.bundles import BROKEN, BUNDLES, FIRST, TABLE, UNDECODABLE, A, B
from tests.pki.forge import AT, YEAR

RECORD = json.loads((Path(__file__).parent / "go_verdicts.json").read_text())["bundles"]


@pytest.mark.parametrize(("text", "kourier", "activator", "says", "warns"), TABLE.values(), ids=TABLE)
def test_each_consumer_reads_a_value_in_its_own_way(text, kourier, activator, says, warns):
    by_kourier, by_activator = bundle.read_as_kourier(text), bundle.read_as_activator(text)
    assert len(by_kourier.accepted) == kourier
    assert len(by_activator.accepted) == activator
    assert says in by_kourier.problem
    assert bool(says) == bool(by_kourier.problem)
    assert warns in by_activator.problem
    assert bool(warns) == bool(by_activator.problem)


@pytest.mark.parametrize("name", BUNDLES)
def test_blocks_and_the_activators_certificates_are_those_go_finds(name):
    data = BUNDLES[name].encode()
    found = list(blocks(data))
    assert [block.label for block in found] == RECORD[name]["labels"]
    assert bool(data[found[-1].end if found else 0 :]) is RECORD[name]["rest"]
    assert len(bundle.read_as_activator(BUNDLES[name]).accepted) == RECORD[name]["trusted"]


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


@example("\ud800")
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_at_all_can_be_read(text):
    for read in (bundle.read_as_kourier, bundle.read_as_activator, bundle.read_first_block):
        assert not read(text).accepted
    assert bundle.is_strict(text)


def test_a_repeated_certificate_is_not_strict():
    assert bundle.is_strict(A.pem() + A.pem()) == "it holds a certificate twice"


def test_a_private_key_is_not_strict_wherever_it_stands():
    assert bundle.is_strict(FIRST.key_pem() + A.pem()) == "it holds a private key"


def test_any_order_is_strict():
    assert bundle.is_strict(A.pem() + B.pem()) == bundle.is_strict(B.pem() + A.pem()) == ""
