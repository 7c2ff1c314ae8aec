"""What the extensions of a certificate say, as plain values: small, where the parsed forms are large."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from kntls.pki.san import SanSet

Extensions = Mapping[x509.ObjectIdentifier, x509.Extension[Any]]
"""Every extension of a certificate, by OID."""

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
_NONE: frozenset[str] = frozenset()
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


def by_oid(parsed: x509.Certificate) -> Extensions:
    """Every extension. Raises `ValueError` and the like where one cannot be read."""
    return {extension.oid: extension for extension in parsed.extensions}


def value(extensions: Extensions, oid: x509.ObjectIdentifier) -> Any:
    """The value of an extension, or None where it is absent."""
    extension = extensions.get(oid)
    return extension.value if extension is not None else None


def key_usage(extensions: Extensions) -> frozenset[str] | None:
    """RFC 5280 names (`keyCertSign`), or None where the extension is absent."""
    found = value(extensions, ExtensionOID.KEY_USAGE)
    return None if found is None else _usages(found)


@lru_cache(maxsize=64)
def _usages(found: x509.KeyUsage) -> frozenset[str]:
    return frozenset(name for attribute, name in _USAGES.items() if getattr(found, attribute))


def extended_key_usage(extensions: Extensions) -> frozenset[str] | None:
    """RFC 5280 names (`serverAuth`) or dotted OIDs; None where the extension is absent."""
    found = value(extensions, ExtensionOID.EXTENDED_KEY_USAGE)
    return None if found is None else _extended_usages(found)


@lru_cache(maxsize=64)
def _extended_usages(found: x509.ExtendedKeyUsage) -> frozenset[str]:
    return frozenset(_EXTENDED_USAGES.get(oid, oid.dotted_string) for oid in found)


def subject_key_id(extensions: Extensions) -> str:
    """Subject key identifier in hexadecimal, or empty."""
    found = value(extensions, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    return found.digest.hex() if found else ""


def authority_key_id(extensions: Extensions) -> str:
    """Authority key identifier (key-id form) in hexadecimal, or empty; one text for all leaves of a CA."""
    found = value(extensions, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    return sys.intern((found.key_identifier or b"").hex()) if found else ""


def alternative_names(extensions: Extensions) -> SanSet:
    """The subject alternative names; kinds other than DNS, IP, URI and e-mail are left out."""
    found: dict[type[x509.GeneralName], list[str]] = {}
    for name in value(extensions, ExtensionOID.SUBJECT_ALTERNATIVE_NAME) or ():
        # The same names stand in the objects the certificate was asked for with.
        found.setdefault(type(name), []).append(sys.intern(str(name.value)))
    return SanSet(*(frozenset(found[kind]) if kind in found else _NONE for kind in _NAMES))


def unknown_critical(extensions: Extensions) -> str:
    """The OID of a critical extension that Go does not handle, or the empty text."""
    for oid, extension in extensions.items():
        if extension.critical and (oid not in _UNDERSTOOD or _is_beyond_go(oid, extension.value)):
            return oid.dotted_string
    return ""


def _is_beyond_go(oid: x509.ObjectIdentifier, found: Any) -> bool:
    """Names of kinds that Go does not handle make a critical extension an unknown one."""
    if oid == ExtensionOID.NAME_CONSTRAINTS:
        return not all(
            isinstance(name, _NAMES) for name in (*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ()))
        )
    return oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME and not any(isinstance(name, _NAMES) for name in found)
