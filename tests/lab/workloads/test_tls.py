"""How activator and net-kourier read the same text, as seen from their two algorithms."""

from __future__ import annotations

import pytest

from kntls.lab import x509 as pki
from kntls.lab.workloads import tls
from tests.lab.certmanager.test_issuers import Made

A, B = Made("a").pem, Made("b").pem
BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = pki.key_pem(pki.new_key("ECDSA"), "PKCS8")


@pytest.mark.parametrize(
    ("text", "kourier", "activator"),
    [
        (A, 1, 1),
        (A.rstrip(b"\n"), 1, 1),
        (A + B, 2, 2),
        (A + b"\n", None, 1),
        (A + b"  ", None, 1),
        (b"# first\n" + A + b"# second\n" + B, 2, 2),
        (A + b"\n" + B, 2, 2),
        (b"\n" + A, 1, 1),
        (A.replace(b"\n", b"\r\n"), 1, 1),
        (A + b"# the end\n", None, 1),
        (A + BROKEN, None, 1),
        (A + KEY, None, 1),
        (b"garbage", None, 0),
        (A.rstrip(b"\n") + B, None, 0),
        (b"", 0, 0),
    ],
)
def test_what_each_consumer_takes_of_a_bundles_key(text, kourier, activator):
    strict = tls.strict_roots(text)
    assert (None if strict is None else len(strict)) == kourier
    assert len(tls.lenient_roots(text)) == activator


def test_of_a_secrets_ca_the_activator_reads_the_first_block_only():
    assert tls.first_block(A + B) == A
    assert tls.first_block(b"no pem") is None
