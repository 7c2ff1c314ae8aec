"""Certificates as nobody should make them: every field and extension can be set or left out."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kntls.pki.certificate import Certificate
from kntls.pki.create import KeyPair, PrivateKey, new_key, subject_key_identifier

KEYS: dict[Certificate, PrivateKey] = {}
"""The private key of everything forged, for tests that serve it."""
AT = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
shift: ContextVar[timedelta] = ContextVar("shift", default=timedelta())
"""How much later everything happens: for those who cannot be told another time than now."""
USAGES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]
EKUS = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
EKUS["any"] = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def forge(
    cn: str = "",
    by: KeyPair | None = None,
    *,
    ca: bool = False,
    bc: tuple[bool, int | None] | str | None = "default",
    bc_critical: bool = True,
    ku: Iterable[str] | None = ("digital_signature", "key_cert_sign"),
    eku: Iterable[str] | None = None,
    ski: bytes | str | None = "default",
    aki: bytes | str | None = "default",
    dns: Iterable[str] = (),
    names: Iterable[x509.GeneralName] = (),
    san_critical: bool = False,
    extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    begin: datetime = AT,
    end: datetime = AT + YEAR,
    key: PrivateKey | None = None,
    key_type: str = "ecdsa-p256",
    hash: hashes.HashAlgorithm | None = hashes.SHA256(),
) -> KeyPair:
    """A certificate by `by` (itself when None). `ca` sets the defaults a CA has."""
    key = key or new_key(key_type)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])
    issuer = by.certificate.parsed.subject if by else subject
    validity = (moment + shift.get() for moment in (begin, end))
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), *validity)
    constraints = (ca, None) if bc == "default" else bc
    if constraints is not None:
        builder = builder.add_extension(x509.BasicConstraints(*constraints), bc_critical)
    if ku is not None:
        builder = builder.add_extension(x509.KeyUsage(**{usage: usage in ku for usage in USAGES}), True)
    if eku is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([EKUS[usage] for usage in eku]), False)
    own = subject_key_identifier(key.public_key()) if ca else None
    if (identifier := own if ski == "default" else ski) is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), False)
    above = bytes.fromhex(by.certificate.ski) if by else None
    if identifier := above if aki == "default" else aki:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), False)
    if sans := [*map(x509.DNSName, dns), *names]:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), san_critical)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    signer = by.private_key if by else key
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hash
    der = builder.sign(signer, algorithm).public_bytes(Encoding.DER)
    KEYS[certificate := Certificate.from_der(der)] = key
    return KeyPair(certificate, key, () if by is None else by.chain)


def tampered(pair: KeyPair) -> KeyPair:
    """The same certificate with another serial number under the old signature."""
    der = pair.certificate.der
    serial = pair.certificate.serial.to_bytes((pair.certificate.serial.bit_length() + 8) // 8, "big")
    assert der.count(serial) == 1
    changed = Certificate.from_der(der.replace(serial, serial[:-1] + bytes([serial[-1] ^ 1])))
    KEYS[changed] = pair.private_key
    return KeyPair(changed, pair.private_key)
