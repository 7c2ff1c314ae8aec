"""X.509 as the lab's issuers make it: what Go's crypto/x509 would put into a certificate, by way of `cryptography`."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
CURVES: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
EXTENDED_USAGES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
SUBJECT_FIELDS = {
    "countries": NameOID.COUNTRY_NAME,
    "organizations": NameOID.ORGANIZATION_NAME,
    "organizationalUnits": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "localities": NameOID.LOCALITY_NAME,
    "provinces": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCodes": NameOID.POSTAL_CODE,
}


class BadMaterial(ValueError):
    """A key or certificate cannot be read or used; the text is what cert-manager would report."""


@dataclass(frozen=True)
class Names:
    """Subject and alternative names of one certificate."""

    common_name: str = ""
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    subject: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further subject attributes as in `spec.subject`: (field, values)."""

    def name(self) -> x509.Name:
        """The subject as a distinguished name, in the order Go writes it."""
        given = dict(self.subject)
        parts = [
            x509.NameAttribute(oid, value)
            for key, oid in SUBJECT_FIELDS.items()
            for value in sorted(given.get(key, ()))
        ]
        if self.common_name:
            parts.append(x509.NameAttribute(NameOID.COMMON_NAME, self.common_name))
        return x509.Name(parts)

    def alternative(self) -> x509.SubjectAlternativeName | None:
        """The subjectAltName extension, None without any name."""
        names: list[x509.GeneralName] = [x509.DNSName(value) for value in self.dns]
        names += [x509.RFC822Name(value) for value in self.emails]
        names += [x509.IPAddress(ipaddress.ip_address(value)) for value in self.ips]
        names += [x509.UniformResourceIdentifier(value) for value in self.uris]
        return x509.SubjectAlternativeName(names) if names else None


@dataclass(frozen=True)
class Template:
    """What a certificate shall say, before somebody signs it."""

    duration: timedelta
    is_ca: bool = False
    usages: tuple[str, ...] = ("digital signature", "key encipherment")
    crl_distribution_points: tuple[str, ...] = field(default=())


def new_key(algorithm: str = "RSA", size: int = 0) -> Key:
    """A fresh private key; `size` 0 is cert-manager's default for the algorithm."""
    if algorithm == "ECDSA":
        return ec.generate_private_key(CURVES[size or 256])
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, size or 2048)


def key_matches_spec(key: Key, algorithm: str, size: int) -> bool:
    """Whether a key is of the wanted algorithm and size (0 = default)."""
    if algorithm == "ECDSA":
        return isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size == (size or 256)
    if algorithm == "Ed25519":
        return isinstance(key, ed25519.Ed25519PrivateKey)
    return isinstance(key, rsa.RSAPrivateKey) and key.key_size == (size or 2048)


def key_pem(key: Key, encoding: str = "PKCS1") -> bytes:
    """The key in PEM: PKCS#1 or SEC 1 for `PKCS1` (Ed25519 always PKCS#8), PKCS#8 otherwise."""
    traditional = encoding != "PKCS8" and not isinstance(key, ed25519.Ed25519PrivateKey)
    style = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, style, serialization.NoEncryption())


def request_like(certificate: x509.Certificate, key: Key) -> x509.CertificateSigningRequest:
    """A request for the names of an existing certificate."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(certificate.subject)
    for extension in certificate.extensions:
        if extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(key, _hash(key))


@lru_cache(maxsize=4096)
def load_key(pem: bytes) -> Key:
    """Read a PKCS#1, SEC 1 or PKCS#8 key.

    Raises:
        BadMaterial: not a private key cert-manager can use.
    """
    try:
        # the primality test of RSA keys takes 30 ms, and the lab made the keys itself
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        raise BadMaterial("error decoding private key PEM block") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise BadMaterial("unknown private key type")
    return key


@lru_cache(maxsize=4096)
def load_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text.

    Raises:
        BadMaterial: none in it, or one that cannot be parsed.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise BadMaterial("error decoding certificate PEM block") from error


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as concatenated PEM blocks."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def public_bytes(owner: Key | x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """The SubjectPublicKeyInfo of a key, certificate or request, in DER: equal bytes mean the same key."""
    return owner.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(owner: Key | x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """The subject key identifier Go ≥ 1.25 derives: the first 20 bytes of SHA-256 over the public key's bits."""
    return hashlib.sha256(_public_bits(owner)).digest()[:20]


def _public_bits(owner: Key | x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    public = owner.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def make_request(names: Names, template: Template, key: Key) -> bytes:
    """A certificate signing request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(names.name())
    alternative = names.alternative()
    if alternative is not None:
        builder = builder.add_extension(alternative, critical=not names.name().rdns)
    builder = builder.add_extension(_key_usage(template), critical=True)
    return builder.sign(key, _hash(key)).public_bytes(serialization.Encoding.PEM)


def load_request(text: bytes) -> x509.CertificateSigningRequest:
    """Read a request in PEM.

    Raises:
        BadMaterial: not one.
    """
    try:
        return x509.load_pem_x509_csr(text)
    except ValueError as error:
        raise BadMaterial("error decoding certificate request PEM block") from error


def sign(
    request: x509.CertificateSigningRequest,
    template: Template,
    now: datetime,
    key: Key,
    signer: x509.Certificate | None,
) -> x509.Certificate:
    """Sign as Go's `x509.CreateCertificate` does; `signer` None makes a self-signed certificate.

    Raises:
        BadMaterial: the key is not the signer's.
    """
    if signer is not None and public_bytes(signer) != public_bytes(key):
        raise BadMaterial("x509: provided PrivateKey doesn't match parent's PublicKey")
    issuer = request.subject if signer is None else signer.subject
    start = now.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(issuer)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + template.duration)
    )
    for extension, critical in _extensions(request, template, signer):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, _hash(key))


def _extensions(
    request: x509.CertificateSigningRequest, template: Template, signer: x509.Certificate | None
) -> list[tuple[x509.ExtensionType, bool]]:
    out: list[tuple[x509.ExtensionType, bool]] = [(_key_usage(template), True)]
    extended = [EXTENDED_USAGES[usage] for usage in template.usages if usage in EXTENDED_USAGES]
    if extended:
        out.append((x509.ExtendedKeyUsage(extended), False))
    out.append((x509.BasicConstraints(ca=template.is_ca, path_length=None), True))
    if template.is_ca:
        out.append((x509.SubjectKeyIdentifier(key_id(request)), False))
    if signer is not None and request.subject != signer.subject:
        out.append((x509.AuthorityKeyIdentifier(_signer_key_id(signer), None, None), False))
    out += [(one.value, one.critical) for one in request.extensions if one.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
    if template.crl_distribution_points:
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in template.crl_distribution_points
        ]
        out.append((x509.CRLDistributionPoints(points), False))
    return out


def _signer_key_id(signer: x509.Certificate) -> bytes:
    try:
        return signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return key_id(signer)


def _key_usage(template: Template) -> x509.KeyUsage:
    asked = set(template.usages) | ({"cert sign"} if template.is_ca else set())
    return x509.KeyUsage(
        digital_signature=bool(asked & {"digital signature", "signing"}),
        content_commitment="content commitment" in asked,
        key_encipherment="key encipherment" in asked,
        data_encipherment="data encipherment" in asked,
        key_agreement="key agreement" in asked,
        key_cert_sign="cert sign" in asked,
        crl_sign="crl sign" in asked,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    size = key.key_size
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return hashes.SHA512() if size == 521 else hashes.SHA384() if size == 384 else hashes.SHA256()
    return hashes.SHA512() if size >= 4096 else hashes.SHA384() if size >= 3072 else hashes.SHA256()


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether BasicConstraints say CA."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def common_name(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """The subject's common name; empty without one."""
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is a CA whose key usage, if stated, allows signing certificates."""
    if not is_ca(certificate):
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def signed_by(child: x509.Certificate, parent: x509.Certificate) -> bool:
    """Go's `CheckSignatureFrom`: the parent may sign and its key verifies the signature; names are not compared."""
    if not may_sign(parent):
        return False
    public = parent.public_key()
    try:
        _verify(public, child)
    except (InvalidSignature, TypeError):
        return False
    return True


def _verify(public: object, child: x509.Certificate) -> None:
    """Check the child's signature; TypeError if the key is of another kind than the signature."""
    algorithm = child.signature_hash_algorithm
    signature, signed = child.signature, child.tbs_certificate_bytes
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, signed)
    elif isinstance(public, rsa.RSAPublicKey) and algorithm is not None:
        public.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm is not None:
        public.verify(signature, signed, ec.ECDSA(algorithm))
    else:
        raise TypeError("key and signature do not fit together")


def self_signed(certificate: x509.Certificate) -> bool:
    """Subject equals issuer, and its own key verifies it."""
    return certificate.subject == certificate.issuer and signed_by(certificate, certificate)


def single_chain(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[bytes, bytes]:
    """What a leaf's Secret gets as `tls.crt` and `ca.crt`: roots are left out of the first, the top is the second.

    Follows cert-manager's `ParseSingleCertificateChain` (pkg/util/pki/parse_certificate_chain.go).

    Raises:
        BadMaterial: the certificates do not form one chain.
    """
    rest = [one for index, one in enumerate(others) if one not in others[:index] and one != leaf]
    chain, current = [leaf], leaf
    while rest and not self_signed(current):
        parent = next((one for one in rest if signed_by(current, one)), None)
        if parent is None:
            break
        rest.remove(parent)
        chain.append(parent)
        current = parent
    top = current
    for one in rest:
        if not signed_by(one, current):
            raise BadMaterial("certificate chain is malformed or broken")
        top = current if self_signed(current) else one
    shown = [one for one in chain if one is leaf or not self_signed(one)]
    return pem(*shown), pem(top)
