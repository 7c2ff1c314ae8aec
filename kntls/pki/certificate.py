"""One X.509 certificate as a value: everything kntls asks of it, compared by its DER bytes."""

from __future__ import annotations

import hashlib
import sys
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtensionOID, NameOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

from kntls.errors import InputError
from kntls.pki.extensions import (
    Extensions,
    alternative_names,
    authority_key_id,
    by_oid,
    extended_key_usage,
    key_usage,
    subject_key_id,
    unknown_critical,
    value,
)
from kntls.pki.san import SanSet

warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
# Go reads a serial number of zero, so it is no matter for whoever runs kntls; negative ones are refused below.

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""The key types cert-manager issues and Go and BoringSSL verify."""
_KEYS = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)

_ELLIPTIC = {
    "secp224r1": "ECDSA P-224",
    "secp256r1": "ECDSA P-256",
    "secp384r1": "ECDSA P-384",
    "secp521r1": "ECDSA P-521",
}
_UNKNOWN = "unknown"
_HASHES = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}
_ALGORITHM_WITHIN = 64
"""Version and serial number stand before the signature algorithm, and are no longer than this."""
SHORT = 16
"""Hexadecimal digits of a fingerprint that people read."""
MANY = 256
"""Certificates whose parsed forms are remembered: the CAs, which are asked again with every leaf."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Certificate:
    """One X.509 certificate. Made with `from_der`; equal and hashed by its DER bytes.

    Kept is what verification asks of every certificate. All else is parsed again when asked for: that takes
    microseconds, and the parsed forms of a big cluster's leaves would take ten times the memory of this.
    """

    der: bytes
    subject_der: bytes
    """The subject as DER: what chains are built by."""
    issuer_der: bytes
    """The issuer as DER."""
    not_before: datetime
    """Valid from, UTC."""
    not_after: datetime
    """Valid until and including, UTC."""
    key_type: str
    """`ECDSA P-256`, `RSA 2048`, `Ed25519`; `unknown` for anything else."""
    signature_hash: str
    """`SHA-256`; empty for schemes with a hash of their own (Ed25519) and unknown ones."""
    has_basic_constraints: bool
    """Whether the BasicConstraints extension is there at all."""
    is_ca: bool
    """The CA bit of BasicConstraints."""
    path_length: int | None
    """How many intermediates may stand between this CA and a leaf; None for no limit."""
    has_name_constraints: bool
    """Whether the names below this CA are limited."""
    key_usage: frozenset[str] | None
    """RFC 5280 names (`keyCertSign`), or None where the extension is absent, which allows everything."""
    extended_key_usage: frozenset[str] | None
    """RFC 5280 names (`serverAuth`) or dotted OIDs; None where the extension is absent."""
    ski: str
    """Subject key identifier in hexadecimal, or empty."""
    aki: str
    """Authority key identifier (key-id form) in hexadecimal, or empty."""
    sans: SanSet
    """The subject alternative names; kinds other than DNS, IP, URI and e-mail are left out."""
    unknown_critical: str
    """The OID of a critical extension that Go does not handle, which makes every client refuse it; else empty."""

    @staticmethod
    def from_der(der: bytes) -> Certificate:
        """Parse DER bytes; raises `InputError` when they are no certificate that Go would read."""
        return _parse(bytes(der))

    @property
    def parsed(self) -> x509.Certificate:
        """The parsed form, for code that must look at something this class does not name."""
        return _parsed(self.der)

    @property
    def extensions(self) -> Extensions:
        """Every extension, by OID."""
        return by_oid(self.parsed)

    @property
    def public_key(self) -> PublicKey | None:
        """The public key; None for a type neither Go nor BoringSSL verifies with."""
        return _public_key(self.der)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER bytes, lower-case hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def short(self) -> str:
        """The fingerprint's first digits, for people."""
        return self.fingerprint[:SHORT]

    @property
    def subject(self) -> str:
        """RFC 4514 text, `CN=ca2,O=Example`."""
        return self.parsed.subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        """The issuer's subject, RFC 4514 text."""
        return self.parsed.issuer.rfc4514_string()

    @property
    def common_name(self) -> str:
        """The last common name of the subject, empty when there is none."""
        names = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[-1].value) if names else ""

    @property
    def serial(self) -> int:
        """The serial number."""
        return self.parsed.serial_number

    @property
    def public_key_hash(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo's DER, lower-case hexadecimal; empty for a key that cannot be read."""
        return _public_key_hash(self.der)

    @property
    def signature_algorithm(self) -> str:
        """`ECDSA with SHA-256`, `RSA with SHA-256`, `RSA-PSS with SHA-256`, `Ed25519`, else the dotted OID."""
        oid = self.parsed.signature_algorithm_oid
        try:
            scheme = _scheme(self.parsed)
        except (ValueError, UnsupportedAlgorithm):
            return oid.dotted_string
        match scheme:
            case ec.ECDSA():
                return f"ECDSA with {self.signature_hash}"
            case padding.PSS():
                return f"RSA-PSS with {self.signature_hash}"
            case padding.PKCS1v15():
                return f"RSA with {self.signature_hash}"
        return "Ed25519" if oid == SignatureAlgorithmOID.ED25519 else oid.dotted_string

    @property
    def is_self_signed(self) -> bool:
        """Issued by itself, and its own key really made the signature."""
        return self.issuer_der == self.subject_der and _signed_itself(self)

    def signed_by(self, other: Certificate) -> bool:
        """Whether `other` is this certificate's issuer by name, and its key really made the signature."""
        return self.issuer_der == other.subject_der and self.signature_matches(other)

    def signature_matches(self, other: Certificate) -> bool:
        """Whether `other`'s key made this certificate's signature, whatever the names say."""
        own, key = self.parsed, other.public_key
        try:
            hashed = own.signature_hash_algorithm
            match key, _scheme(own):
                case ec.EllipticCurvePublicKey(), ec.ECDSA() as scheme:
                    key.verify(own.signature, own.tbs_certificate_bytes, scheme)
                case rsa.RSAPublicKey(), (padding.PKCS1v15() | padding.PSS()) as scheme if hashed is not None:
                    key.verify(own.signature, own.tbs_certificate_bytes, scheme, hashed)
                case ed25519.Ed25519PublicKey(), None:
                    key.verify(own.signature, own.tbs_certificate_bytes)
                case _:
                    return False
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    def pem(self) -> str:
        """One PEM block, ending in one newline."""
        return self.parsed.public_bytes(Encoding.PEM).decode("ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"<Certificate {self.common_name or self.subject or 'without subject'} {self.short}>"

    def __str__(self) -> str:
        """`CN=ca2 (0123456789abcdef)`."""
        return f"{self.subject or 'a certificate without subject'} ({self.short})"


@lru_cache(maxsize=512)
def _parse(der: bytes) -> Certificate:
    # The same few CAs lie in thousands of Secrets: one object each is enough.
    try:
        parsed = x509.load_der_x509_certificate(der)
        certificate = _read(der, parsed)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise InputError(f"not a certificate: {error}") from None
    if flaw := _flaw(certificate, parsed):
        raise InputError(f"not a certificate: {flaw}")
    return certificate


def _read(der: bytes, parsed: x509.Certificate) -> Certificate:
    """Everything that may prove unreadable is read now, as Go does, so that nothing fails later."""
    found = by_oid(parsed)
    constraints = value(found, ExtensionOID.BASIC_CONSTRAINTS)
    return Certificate(
        der=der,
        subject_der=parsed.subject.public_bytes(),
        issuer_der=parsed.issuer.public_bytes(),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        key_type=_key_type(_key(parsed)),
        signature_hash=_signature_hash(parsed),
        has_basic_constraints=constraints is not None,
        is_ca=bool(constraints and constraints.ca),
        path_length=constraints.path_length if constraints else None,
        has_name_constraints=ExtensionOID.NAME_CONSTRAINTS in found,
        key_usage=key_usage(found),
        extended_key_usage=extended_key_usage(found),
        ski=subject_key_id(found),
        aki=authority_key_id(found),
        sans=alternative_names(found),
        unknown_critical=unknown_critical(found),
    )


@lru_cache(maxsize=MANY)
def _parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


@lru_cache(maxsize=MANY)
def _public_key(der: bytes) -> PublicKey | None:
    key = _key(_parsed(der))
    return key if isinstance(key, _KEYS) else None


@lru_cache(maxsize=MANY)
def _public_key_hash(der: bytes) -> str:
    key = _key(_parsed(der))
    if key is None:
        return ""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@lru_cache(maxsize=MANY)
def _signed_itself(certificate: Certificate) -> bool:
    return certificate.signature_matches(certificate)


def _key(parsed: x509.Certificate) -> CertificatePublicKeyTypes | None:
    try:
        return parsed.public_key()
    except UnsupportedAlgorithm:
        return None


def _key_type(key: CertificatePublicKeyTypes | None) -> str:
    match key:
        case ec.EllipticCurvePublicKey():
            return _ELLIPTIC.get(key.curve.name, _UNKNOWN)
        case rsa.RSAPublicKey():
            return sys.intern(f"RSA {key.key_size}")
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
    return _UNKNOWN


def _signature_hash(parsed: x509.Certificate) -> str:
    try:
        algorithm = parsed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return _HASHES.get(algorithm.name, algorithm.name) if algorithm else ""


def _scheme(parsed: x509.Certificate) -> object:
    """The signature's scheme; None for those without parameters (Ed25519)."""
    if parsed.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA1:
        return ec.ECDSA(hashes.SHA1())  # noqa: S303 - cryptography names no scheme for it; clients refuse it elsewhere
    return parsed.signature_algorithm_parameters


def _flaw(certificate: Certificate, parsed: x509.Certificate) -> str:
    """What Go refuses to parse although it can be read (go: crypto/x509/parser.go)."""
    if parsed.serial_number < 0:
        return "its serial number is negative"
    signed = parsed.tbs_certificate_bytes
    after = certificate.der.index(signed) + len(signed)
    algorithm = certificate.der[after : after + 2 + certificate.der[after + 1]]
    if algorithm not in signed[: _ALGORITHM_WITHIN + len(algorithm)]:
        return "its two signature algorithms differ"
    if parsed.public_key_algorithm_oid == PublicKeyAlgorithmOID.EC_PUBLIC_KEY and certificate.key_type == _UNKNOWN:
        return "its key is on a curve that clients do not know"
    return ""
