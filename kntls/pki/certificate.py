"""One X.509 certificate as a value: everything kntls asks of it, parsed once, compared by its DER bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from kntls.errors import InputError
from kntls.pki.san import SanSet

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""The key types cert-manager issues and Go and BoringSSL verify."""

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
_CURVES = {"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_HASHES = {"md5": "MD5", "sha1": "SHA-1", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384"} | {
    "sha512": "SHA-512"
}
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
    def subject_der(self) -> bytes:
        """The subject as DER: what chains are built by."""
        return self.parsed.subject.public_bytes()

    @cached_property
    def issuer_der(self) -> bytes:
        """The issuer as DER."""
        return self.parsed.issuer.public_bytes()

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
    def not_before(self) -> datetime:
        """Valid from, UTC."""
        return self.parsed.not_valid_before_utc

    @cached_property
    def not_after(self) -> datetime:
        """Valid until and including, UTC."""
        return self.parsed.not_valid_after_utc

    @cached_property
    def public_key(self) -> PublicKey | None:
        """The public key, or None for a type neither Go nor BoringSSL verifies with."""
        try:
            key = self.parsed.public_key()
        except (ValueError, UnsupportedAlgorithm):
            return None
        return key if isinstance(key, PublicKey) else None

    @cached_property
    def public_key_hash(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo's DER, lower-case hexadecimal; empty for a key that cannot be read."""
        try:
            key = self.parsed.public_key()
        except (ValueError, UnsupportedAlgorithm):
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
        extension = self._value(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
        if extension is None:
            return SanSet()
        return SanSet(
            dns=frozenset(extension.get_values_for_type(x509.DNSName)),
            ips=frozenset(str(ip) for ip in extension.get_values_for_type(x509.IPAddress)),
            uris=frozenset(extension.get_values_for_type(x509.UniformResourceIdentifier)),
            emails=frozenset(extension.get_values_for_type(x509.RFC822Name)),
        )

    @property
    def has_name_constraints(self) -> bool:
        """Whether the names below this CA are limited."""
        return ExtensionOID.NAME_CONSTRAINTS in self.extensions

    @cached_property
    def key_type(self) -> str:
        """`ECDSA P-256`, `RSA 2048`, `Ed25519`; `unknown` for anything else."""
        match self.public_key:
            case ec.EllipticCurvePublicKey() as key:
                return f"ECDSA {_CURVES.get(key.curve.name, key.curve.name)}"
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
            scheme = self.parsed.signature_algorithm_parameters
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
        return "Ed25519" if oid == x509.SignatureAlgorithmOID.ED25519 else oid.dotted_string

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
            match key, own.signature_algorithm_parameters:
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


@lru_cache(maxsize=4096)
def _parse(der: bytes) -> Certificate:
    # The same few CAs lie in thousands of Secrets: one object each is enough.
    try:
        parsed = x509.load_der_x509_certificate(der)
        extensions = {extension.oid: extension for extension in parsed.extensions}
        negative = parsed.serial_number < 0
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise InputError(f"not a certificate: {error}") from None
    if negative:
        raise InputError("not a certificate: its serial number is negative")
    return Certificate(der, parsed, extensions)
