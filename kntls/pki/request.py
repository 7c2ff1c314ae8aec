"""Certificate signing requests, for asking an issuer what it would sign."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def signing_request(names: Sequence[str]) -> str:
    """A request (PEM) for these DNS names, the first one also as common name; its key is thrown away."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = x509.CertificateSigningRequestBuilder(subject).add_extension(san, critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
