"""One X.509 certificate as a value: everything kntls asks of it, parsed once, compared by its DER bytes."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import (
    ExtendedKeyUsageOID,
    ExtensionOID,
    NameOID,
    PublicKeyAlgorithmOID,
    SignatureAlgorithmOID,
)

from kntls.errors import InputError
from kntls.pki.san import SanSet

warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
# Go reads a serial number of zero, so it is no matter for whoever runs kntls; negative ones are refused below.

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""The key types cert-manager issues and Go and BoringSSL verify."""
_KEYS = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)

_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "contentCommitment",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_EXTENDED_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
_NAMES = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier, x509.RFC822Name)
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)
"""What Go handles (go: crypto/x509/parser.go, processExtensions)."""
_CURVES = {"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
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


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """One X.509 certificate. Made with `from_der`; equal and hashed by its DER bytes."""

    der: bytes
    parsed: x509.Certificate = field(compare=False)
    """The parsed form, for code that must look at something this class does not name."""
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[Any]] = field(compare=False)
    """Every extension, by OID."""
    subject_der: bytes = field(compare=False)
    """The subject as DER: what chains are built by."""
    issuer_der: bytes = field(compare=False)
    """The issuer as DER."""
    not_before: datetime = field(compare=False)
    """Valid from, UTC."""
    not_after: datetime = field(compare=False)
    """Valid until and including, UTC."""
    public_key: PublicKey | None = field(compare=False)
    """The public key; None for a type neither Go nor BoringSSL verifies with."""

    @staticmethod
    def from_der(der: bytes) -> Certificate:
        """Parse DER bytes; raises `InputError` when they are no certificate that Go would read."""
        return _parse(bytes(der))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the DER bytes, lower-case hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def short(self) -> str:
        """The fingerprint's first digits, for people."""
        return self.fingerprint[:SHORT]

    @cached_property
    def subject(self) -> str:
        """RFC 4514 text, `CN=ca2,O=Example`."""
        return self.parsed.subject.rfc4514_string()

    @cached_property
    def issuer(self) -> str:
        """The issuer's subject, RFC 4514 text."""
        return self.parsed.issuer.rfc4514_string()

    @cached_property
    def common_name(self) -> str:
        """The last common name of the subject, empty when there is none."""
        names = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[-1].value) if names else ""

    @property
    def serial(self) -> int:
        """The serial number."""
        return self.parsed.serial_number

    @cached_property
    def public_key_hash(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo's DER, lower-case hexadecimal; empty for a key that cannot be read."""
        key = _key(self.parsed)
        if key is None:
            return ""
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    @cached_property
    def ski(self) -> str:
        """Subject key identifier in hexadecimal, or empty."""
        extension = self._value(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
        return extension.digest.hex() if extension else ""

    @cached_property
    def aki(self) -> str:
        """Authority key identifier (key-id form) in hexadecimal, or empty."""
        extension = self._value(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        return (extension.key_identifier or b"").hex() if extension else ""

    @property
    def has_basic_constraints(self) -> bool:
        """Whether the BasicConstraints extension is there at all."""
        return ExtensionOID.BASIC_CONSTRAINTS in self.extensions

    @property
    def is_ca(self) -> bool:
        """The CA bit of BasicConstraints."""
        extension = self._value(ExtensionOID.BASIC_CONSTRAINTS)
        return bool(extension and extension.ca)

    @property
    def path_length(self) -> int | None:
        """How many intermediates may stand between this CA and a leaf; None for no limit."""
        extension = self._value(ExtensionOID.BASIC_CONSTRAINTS)
        return extension.path_length if extension else None

    @cached_property
    def key_usage(self) -> frozenset[str] | None:
        """RFC 5280 names (`keyCertSign`), or None where the extension is absent, which allows everything."""
        extension = self._value(ExtensionOID.KEY_USAGE)
        if extension is None:
            return None
        return frozenset(name for attribute, name in _USAGES.items() if getattr(extension, attribute))

    @cached_property
    def extended_key_usage(self) -> frozenset[str] | None:
        """RFC 5280 names (`serverAuth`) or dotted OIDs; None where the extension is absent."""
        extension = self._value(ExtensionOID.EXTENDED_KEY_USAGE)
        if extension is None:
            return None
        return frozenset(_EXTENDED_USAGES.get(oid, oid.dotted_string) for oid in extension)

    @cached_property
    def sans(self) -> SanSet:
        """The subject alternative names; kinds other than DNS, IP, URI and e-mail are left out."""
        found: dict[type[x509.GeneralName], list[str]] = {}
        for name in self._value(ExtensionOID.SUBJECT_ALTERNATIVE_NAME) or ():
            found.setdefault(type(name), []).append(str(name.value))
        return SanSet(*(frozenset(found.get(kind, ())) for kind in _NAMES))

    @cached_property
    def unknown_critical(self) -> str:
        """The OID of a critical extension that Go does not handle, which makes every client refuse it; else empty."""
        for oid, extension in self.extensions.items():
            if extension.critical and (oid not in _UNDERSTOOD or self._is_beyond_go(oid, extension.value)):
                return oid.dotted_string
        return ""

    def _is_beyond_go(self, oid: x509.ObjectIdentifier, value: Any) -> bool:
        """Names of kinds that Go does not handle make a critical extension an unknown one."""
        if oid == ExtensionOID.NAME_CONSTRAINTS:
            subtrees = (*(value.permitted_subtrees or ()), *(value.excluded_subtrees or ()))
            return not all(isinstance(name, _NAMES) for name in subtrees)
        return oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME and not self.sans

    @property
    def has_name_constraints(self) -> bool:
        """Whether the names below this CA are limited."""
        return ExtensionOID.NAME_CONSTRAINTS in self.extensions

    @cached_property
    def key_type(self) -> str:
        """`ECDSA P-256`, `RSA 2048`, `Ed25519`; `unknown` for anything else."""
        match self.public_key:
            case ec.EllipticCurvePublicKey() as key:
                return f"ECDSA {_CURVES[key.curve.name]}"
            case rsa.RSAPublicKey() as key:
                return f"RSA {key.key_size}"
            case ed25519.Ed25519PublicKey():
                return "Ed25519"
        return "unknown"

    @cached_property
    def signature_hash(self) -> str:
        """`SHA-256`; empty for schemes with a hash of their own (Ed25519) and unknown ones."""
        try:
            algorithm = self.parsed.signature_hash_algorithm
        except UnsupportedAlgorithm:
            return ""
        return _HASHES.get(algorithm.name, algorithm.name) if algorithm else ""

    @cached_property
    def signature_algorithm(self) -> str:
        """`ECDSA with SHA-256`, `RSA with SHA-256`, `RSA-PSS with SHA-256`, `Ed25519`, else the dotted OID."""
        try:
            scheme = _scheme(self.parsed)
        except (ValueError, UnsupportedAlgorithm):
            return self.parsed.signature_algorithm_oid.dotted_string
        match scheme:
            case ec.ECDSA():
                return f"ECDSA with {self.signature_hash}"
            case padding.PSS():
                return f"RSA-PSS with {self.signature_hash}"
            case padding.PKCS1v15():
                return f"RSA with {self.signature_hash}"
        oid = self.parsed.signature_algorithm_oid
        return "Ed25519" if oid == SignatureAlgorithmOID.ED25519 else oid.dotted_string

    @cached_property
    def is_self_signed(self) -> bool:
        """Issued by itself, and its own key really made the signature."""
        return self.signed_by(self)

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

    def _value(self, oid: x509.ObjectIdentifier) -> Any:
        extension = self.extensions.get(oid)
        return extension.value if extension is not None else None

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
        certificate = _read(der)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise InputError(f"not a certificate: {error}") from None
    if flaw := _flaw(certificate):
        raise InputError(f"not a certificate: {flaw}")
    return certificate


def _read(der: bytes) -> Certificate:
    """Everything that may prove unreadable is read now, as Go does, so that nothing fails later."""
    parsed = x509.load_der_x509_certificate(der)
    key = _key(parsed)
    return Certificate(
        der,
        parsed,
        {extension.oid: extension for extension in parsed.extensions},
        parsed.subject.public_bytes(),
        parsed.issuer.public_bytes(),
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
        key if isinstance(key, _KEYS) else None,
    )


def _key(parsed: x509.Certificate) -> CertificatePublicKeyTypes | None:
    try:
        return parsed.public_key()
    except UnsupportedAlgorithm:
        return None


def _scheme(parsed: x509.Certificate) -> object:
    """The signature's scheme; None for those without parameters (Ed25519)."""
    if parsed.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA1:
        return ec.ECDSA(hashes.SHA1())  # noqa: S303 - cryptography names no scheme for it; clients refuse it elsewhere
    return parsed.signature_algorithm_parameters


def _flaw(certificate: Certificate) -> str:
    """What Go refuses to parse although it can be read (go: crypto/x509/parser.go)."""
    parsed = certificate.parsed
    if parsed.serial_number < 0:
        return "its serial number is negative"
    signed = parsed.tbs_certificate_bytes
    after = certificate.der.index(signed) + len(signed)
    algorithm = certificate.der[after : after + 2 + certificate.der[after + 1]]
    if algorithm not in signed[:_ALGORITHM_WITHIN]:
        return "its two signature algorithms differ"
    if parsed.public_key_algorithm_oid == PublicKeyAlgorithmOID.EC_PUBLIC_KEY:
        key = certificate.public_key
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
            return "its key is on a curve that clients do not know"
    return ""
