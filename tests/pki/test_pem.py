"""PEM: certificates in files, and private keys that leave nothing behind but the hash of their public half."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kntls.errors import InputError
from kntls.pki import pem
from kntls.pki.create import KEY_TYPES, issue, new_ca, new_key
from tests.pki.forge import AT, YEAR


@pytest.fixture(scope="module")
def ca():
    return new_ca("ca1", lifetime=YEAR, at=AT)


def test_certificates_are_found_amid_other_text_in_their_order(ca):
    leaf = issue(ca, dns=["a"], lifetime=YEAR, at=AT)
    text = f"# the leaf\n{leaf.certificate.pem()}\nnoise\n{leaf.key_pem()}{ca.certificate.pem()}tail"
    assert pem.certificates(text, "x.pem") == (leaf.certificate, ca.certificate)


def test_no_certificate_is_no_error():
    assert pem.certificates("", "x.pem") == ()


@pytest.mark.parametrize(
    "breakage",
    [
        lambda text: text.replace("-----END", "----END"),
        lambda text: text.replace("MII", "M*I", 1),
        lambda text: text[:100] + text[-100:],
        lambda text: text.rstrip("\n") + text,
        lambda text: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_broken_block_is_an_error_that_names_the_file(ca, breakage):
    with pytest.raises(InputError, match=r"^x\.pem: "):
        pem.certificates(breakage(ca.certificate.pem()), "x.pem")


@pytest.mark.parametrize("key_type", [name for name in KEY_TYPES if name not in ("rsa-3072", "rsa-4096")])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_pairs_with_its_certificate_in_every_encoding(key_type, form):
    if key_type == "ed25519" and form is not PrivateFormat.PKCS8:
        return
    key = new_key(key_type)
    certificate = new_ca("a", key=key, lifetime=YEAR).certificate
    assert (
        pem.public_key_hash_of_private_key(key.private_bytes(Encoding.PEM, form, NoEncryption()))
        == certificate.public_key_hash
    )


def test_an_unreadable_private_key_is_refused_without_a_trace_of_it(ca):
    secret = ca.key_pem().replace("M", "N", 1)
    with pytest.raises(InputError) as refused:
        pem.public_key_hash_of_private_key(secret.encode())
    told = f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
    assert not any(line in told for line in secret.splitlines()[1:-1])


def test_private_keys_are_recognised_even_when_broken(ca):
    assert pem.has_private_key(ca.key_pem())
    assert pem.has_private_key("-----BEGIN RSA PRIVATE KEY-----\nrubbish")
    assert not pem.has_private_key(ca.certificate.pem())


def test_a_blocks_repr_holds_none_of_its_content(ca):
    (block,) = pem.blocks(ca.key_pem().encode())
    assert repr(block) == "<Block PRIVATE KEY>"
