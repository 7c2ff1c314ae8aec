"""Making CAs, leaves and bridges: what the lab's issuer, the tests and a new CA without cert-manager are made with.

What cert-manager decides is done as it does (cert-manager: pkg/util/pki): not valid before now, no subject key
identifier on leaves, the hash chosen by the CA's key. CAs get the identifier Go makes since 1.25: the first 160 bits of
the SHA-256 of the public key (RFC 7093, method 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kntls.errors import InputError
from kntls.pki.certificate import Certificate, PublicKey

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

KEY_TYPES: dict[str, Callable[[], PrivateKey]] = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
"""Every key type that can be asked for."""
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
_EXTENDED_USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its private key, and the intermediates that go along with it."""

    certificate: Certificate
    private_key: PrivateKey = field(repr=False, compare=False)
    issuers: tuple[Certificate, ...] = ()
    """Intermediates above the certificate, nearest first; never a root."""

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """What a server presents: the certificate, then the intermediates."""
        return (self.certificate, *self.issuers)

    def chain_pem(self) -> str:
        """The content of `tls.crt`."""
        return "".join(certificate.pem() for certificate in self.chain)

    def key_pem(self) -> str:
        """The content of `tls.key`: unencrypted PKCS#8. For a Secret or a file only that its owner may read."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def new_key(key_type: str) -> PrivateKey:
    """A fresh private key; raises `InputError` for a type that is not in `KEY_TYPES`."""
    if key_type not in KEY_TYPES:
        raise InputError(f"no such key type: {key_type}", fix=f"one of {', '.join(KEY_TYPES)}")
    return KEY_TYPES[key_type]()


def new_ca(
    common_name: str,
    *,
    lifetime: timedelta,
    key_type: str = "ecdsa-p256",
    at: datetime | None = None,
    serial: int | None = None,
    key: PrivateKey | None = None,
    path_length: int | None = None,
) -> KeyPair:
    """A self-signed root. `key` renews a CA with the key it has."""
    key = key or new_key(key_type)
    name = _name(common_name)
    builder = _builder(name, name, key.public_key(), at, lifetime, serial)
    return KeyPair(_sign(_as_ca(builder, key.public_key(), path_length), key), key)


def issue(
    ca: KeyPair,
    *,
    dns: Iterable[str] = (),
    ips: Iterable[str] = (),
    uris: Iterable[str] = (),
    common_name: str = "",
    lifetime: timedelta,
    is_ca: bool = False,
    path_length: int | None = None,
    key_type: str = "ecdsa-p256",
    key: PrivateKey | None = None,
    extended_key_usage: Iterable[str] = ("serverAuth",),
    at: datetime | None = None,
    serial: int | None = None,
) -> KeyPair:
    """A leaf, or with `is_ca` an intermediate, signed by `ca`. Nothing stops it from outliving `ca`."""
    key = key or new_key(key_type)
    public, issuer = key.public_key(), ca.certificate
    builder = _builder(_name(common_name), issuer.parsed.subject, public, at, lifetime, serial)
    builder = _as_ca(builder, public, path_length) if is_ca else _as_leaf(builder, tuple(extended_key_usage))
    builder = _with_authority(_with_names(builder, dns, ips, uris, critical=not common_name), issuer, common_name)
    return KeyPair(_sign(builder, ca.private_key), key, () if issuer.is_self_signed else ca.chain)


def bridge(new: KeyPair, old: KeyPair, *, at: datetime | None = None, serial: int | None = None) -> Certificate:
    """The new CA's name and key, signed by the old CA: who trusts only the old one accepts the new one's leaves.

    It has the new CA's subject, subject key identifier and path length, and ends with whichever CA ends first. Raises
    `InputError` when the old CA may not sign it.
    """
    signer, subject = old.certificate, new.certificate
    if signer.path_length == 0:
        raise InputError(f"{signer} allows no CA below it (path length 0)", fix="rotate without a bridge")
    begin = (at or datetime.now(UTC)).replace(microsecond=0)
    lifetime = min(signer.not_after, subject.not_after) - begin
    if lifetime <= timedelta():
        raise InputError(f"{signer} has expired", fix="rotate without a bridge")
    public = new.private_key.public_key()
    builder = _builder(subject.parsed.subject, signer.parsed.subject, public, begin, lifetime, serial)
    builder = _as_ca(builder, public, subject.path_length, bytes.fromhex(subject.ski))
    return _sign(_with_authority(builder, signer, subject.common_name), old.private_key)


def subject_key_identifier(public: PublicKey) -> bytes:
    """The first 160 bits of the SHA-256 of the public key, as Go ≥ 1.25 (go: crypto/x509, CreateCertificate)."""
    match public:
        case ec.EllipticCurvePublicKey():
            raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        case rsa.RSAPublicKey():
            raw = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case ed25519.Ed25519PublicKey():
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).digest()[:20]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: PublicKey,
    at: datetime | None,
    lifetime: timedelta,
    serial: int | None,
) -> x509.CertificateBuilder:
    begin = (at or datetime.now(UTC)).replace(microsecond=0)
    number = x509.random_serial_number() if serial is None else serial
    return x509.CertificateBuilder(issuer, subject, public, number, begin, begin + lifetime)


def _as_ca(
    builder: x509.CertificateBuilder, public: PublicKey, path_length: int | None, ski: bytes = b""
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier(ski or subject_key_identifier(public))
    return (
        builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        .add_extension(_key_usage("digital_signature", "key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
    )


def _as_leaf(builder: x509.CertificateBuilder, extended: tuple[str, ...]) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_key_usage("digital_signature", "key_encipherment"), critical=True)
    if not extended:
        return builder
    return builder.add_extension(x509.ExtendedKeyUsage([_EXTENDED_USAGES[usage] for usage in extended]), critical=False)


def _key_usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in _USAGES})


def _with_names(
    builder: x509.CertificateBuilder, dns: Iterable[str], ips: Iterable[str], uris: Iterable[str], *, critical: bool
) -> x509.CertificateBuilder:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    names += [x509.IPAddress(ip_address(ip)) for ip in ips]
    names += [x509.UniformResourceIdentifier(uri) for uri in uris]
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=critical) if names else builder


def _with_authority(builder: x509.CertificateBuilder, issuer: Certificate, common_name: str) -> x509.CertificateBuilder:
    # Go leaves the authority key identifier out where subject and issuer are the same name.
    if not issuer.ski or issuer.parsed.subject == _name(common_name):
        return builder
    identifier = x509.AuthorityKeyIdentifier(bytes.fromhex(issuer.ski), None, None)
    return builder.add_extension(identifier, critical=False)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> Certificate:
    return Certificate.from_der(builder.sign(key, _hash_for(key)).public_bytes(Encoding.DER))


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, rsa.RSAPrivateKey):
        size = key.key_size
        return hashes.SHA512() if size >= 4096 else hashes.SHA384() if size >= 3072 else hashes.SHA256()
    size = key.curve.key_size
    return hashes.SHA512() if size > 384 else hashes.SHA384() if size > 256 else hashes.SHA256()
