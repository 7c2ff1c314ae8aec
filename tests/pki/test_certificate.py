"""Certificates: what is read from them, and what makes two of them the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from kntls.errors import InputError
from kntls.pki.certificate import Certificate
from kntls.pki.create import KEY_TYPES, issue, new_ca, new_key
from tests.pki.fixed import SHA1_LEAF, SHA1_ROOT

AT = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def ca():
    return new_ca("ca1", lifetime=10 * YEAR, at=AT, path_length=0)


@pytest.fixture(scope="module")
def leaf(ca):
    names = {"dns": ["kn-routing", "data-plane.knative.dev"], "ips": ["10.0.0.1", "::1"], "uris": ["spiffe://a/b"]}
    return issue(ca, **names, common_name="leaf", lifetime=YEAR, at=AT)


def test_a_certificate_tells_what_openssl_tells(leaf):
    certificate = leaf.certificate
    shown = crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)
    assert shown.digest("sha256").decode().replace(":", "").lower() == certificate.fingerprint
    assert shown.get_serial_number() == certificate.serial
    assert shown.get_notBefore().decode() == f"{certificate.not_before:%Y%m%d%H%M%SZ}"
    assert shown.get_notAfter().decode() == f"{certificate.not_after:%Y%m%d%H%M%SZ}"


def test_names_are_written_as_people_write_them(leaf):
    assert (leaf.certificate.subject, leaf.certificate.issuer) == ("CN=leaf", "CN=ca1")


def test_the_public_key_hash_is_that_of_the_spki_as_openssl_gives_it(leaf):
    shown = crypto.load_certificate(crypto.FILETYPE_ASN1, leaf.certificate.der)
    der = crypto.dump_publickey(crypto.FILETYPE_ASN1, shown.get_pubkey())
    assert leaf.certificate.public_key_hash == hashlib.sha256(der).hexdigest()


def test_a_leaf_and_its_ca_differ_where_they_should(ca, leaf):
    authority, certificate = ca.certificate, leaf.certificate
    assert (authority.is_ca, authority.path_length) == (True, 0)
    assert (certificate.is_ca, certificate.path_length) == (False, None)
    assert authority.key_usage == {"digitalSignature", "keyCertSign", "cRLSign"}
    assert authority.extended_key_usage is None
    assert certificate.extended_key_usage == {"serverAuth"}
    assert certificate.aki == authority.ski != ""
    assert certificate.ski == authority.aki == ""
    assert (certificate.not_before, certificate.not_after) == (AT, AT + YEAR)
    assert certificate.common_name == "leaf"
    assert certificate.sans.ips == {"10.0.0.1", "::1"}
    assert certificate.sans.uris == {"spiffe://a/b"}


@pytest.mark.parametrize("key_type", [name for name in KEY_TYPES if name not in ("rsa-3072", "rsa-4096")])
def test_signatures_are_checked_for_every_key_type(key_type):
    first, second = (new_ca("same name", key_type=key_type, lifetime=YEAR, at=AT) for _ in range(2))
    leaf = issue(first, dns=["a"], key_type=key_type, lifetime=YEAR, at=AT).certificate
    assert leaf.signed_by(first.certificate)
    assert not leaf.signed_by(second.certificate)
    assert first.certificate.is_self_signed
    assert not leaf.is_self_signed


def test_key_and_signature_types_have_their_usual_names():
    def kinds(key_type):
        certificate = new_ca("a", key_type=key_type, lifetime=YEAR).certificate
        return certificate.key_type, certificate.signature_algorithm

    assert kinds("ecdsa-p256") == ("ECDSA P-256", "ECDSA with SHA-256")
    assert kinds("ecdsa-p384") == ("ECDSA P-384", "ECDSA with SHA-384")
    assert kinds("rsa-2048") == ("RSA 2048", "RSA with SHA-256")
    assert kinds("ed25519") == ("Ed25519", "Ed25519")


def test_rsa_pss_is_read_and_told():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    key = new_key("rsa-2048")
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, AT, AT + YEAR)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
    signed = builder.sign(key, hashes.SHA256(), rsa_padding=scheme)
    certificate = Certificate.from_der(signed.public_bytes(Encoding.DER))
    assert (certificate.signature_algorithm, certificate.is_self_signed) == ("RSA-PSS with SHA-256", True)


def test_old_signatures_are_still_told():
    assert SHA1_ROOT.signature_algorithm == "ECDSA with SHA-1"
    assert SHA1_ROOT.is_self_signed
    assert SHA1_LEAF.signed_by(SHA1_ROOT)


def test_a_signature_by_another_kind_of_key_is_simply_not_its():
    elliptic, rsa = (new_ca("same name", key_type=kind, lifetime=YEAR) for kind in ("ecdsa-p256", "rsa-2048"))
    assert not issue(elliptic, dns=["a"], lifetime=YEAR).certificate.signed_by(rsa.certificate)


def test_the_issuers_name_matters_as_well_as_its_key(ca, leaf):
    renamed = new_ca("another name", key=ca.private_key, lifetime=YEAR, at=AT).certificate
    assert leaf.certificate.signature_matches(renamed)
    assert not leaf.certificate.signed_by(renamed)


def test_certificates_are_equal_by_their_bytes(leaf):
    again = Certificate.from_der(leaf.certificate.der)
    assert again == leaf.certificate
    assert {again, leaf.certificate} == {again}
    assert again != leaf.certificate.der


def test_the_repr_is_short_and_names_it(leaf):
    assert repr(leaf.certificate) == f"<Certificate leaf {leaf.certificate.fingerprint[:16]}>"


def test_pem_ends_in_one_newline(leaf):
    assert leaf.certificate.pem().endswith("-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("der", [b"", b"no", b"0\x03\x02\x01\x00"])
def test_what_is_no_certificate_is_refused_in_one_line(der):
    with pytest.raises(InputError, match="not a certificate") as refused:
        Certificate.from_der(der)
    assert "\n" not in str(refused.value)


def forged(change) -> bytes:
    """The bytes of a CA with the serial number 127, changed."""
    der = new_ca("a", lifetime=YEAR, at=AT, serial=127).certificate.der
    changed = change(der)
    assert changed != der
    return changed


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda der: der.replace(b"\x02\x01\x7f", b"\x02\x01\xff"), "its serial number is negative"),
        (
            lambda der: der[::-1].replace(b"\x02\x03\x04", b"\x03\x03\x04", 1)[::-1],
            "its two signature algorithms differ",
        ),
    ],
)
def test_what_go_does_not_parse_is_refused(change, flaw):
    with pytest.raises(InputError, match=flaw):
        Certificate.from_der(forged(change))


def test_a_serial_number_of_zero_is_read_without_a_warning():
    changed = forged(lambda der: der.replace(b"\x02\x01\x7f", b"\x02\x01\x00"))
    read = f"from kntls.pki.certificate import Certificate; print(Certificate.from_der({changed!r}).serial)"
    told = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("0\n", "")


def test_a_curve_that_go_does_not_know_is_refused():
    with pytest.raises(InputError, match="on a curve that clients do not know"):
        new_ca("a", lifetime=YEAR, key=ec.generate_private_key(ec.SECP256K1()))


def test_trailing_bytes_are_refused_as_go_does(leaf):
    with pytest.raises(InputError):
        Certificate.from_der(leaf.certificate.der + b"\0")


def test_a_certificate_keeps_plain_values_and_no_parsed_form(leaf):
    certificate = leaf.certificate
    assert certificate.serial
    assert certificate.public_key
    assert not hasattr(certificate, "__dict__")
    kept = [type(getattr(certificate, name)).__module__ for name in Certificate.__slots__]
    assert {module.partition(".")[0] for module in kept} == {"builtins", "datetime", "kntls"}


def test_leaves_alike_keep_one_set_of_usages_between_them(ca, leaf):
    other = issue(ca, dns=["another"], lifetime=YEAR, at=AT).certificate
    assert other.key_usage is leaf.certificate.key_usage
    assert other.extended_key_usage is leaf.certificate.extended_key_usage
    assert other.aki is leaf.certificate.aki
