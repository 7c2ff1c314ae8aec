"""SelfSigned and CA issuers: what makes them Ready, and how they sign a request."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from kntls.lab import x509 as pki
from kntls.lab.certmanager import spec as specs
from kntls.lab.certmanager.policies import request_pem
from kntls.lab.objects import Object
from kntls.lab.reading import data_of

PRIVATE_KEY = "cert-manager.io/private-key-secret-name"


class NotYet(Exception):
    """Signing cannot happen now; the request stays Pending with `reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Failed(Exception):
    """Signing failed for good; the request becomes Failed with the message."""


def kind_of(issuer: Object) -> str:
    """`ca`, `selfSigned`, or another type the lab does not serve."""
    return next(iter(issuer.get("spec") or {}), "")


def readiness(issuer: Object, ca_secret: Object | None) -> tuple[bool, str, str]:
    """(ready, reason, message), as the issuers' `Setup` judges (pkg/issuer/ca/setup.go).

    Only three things are looked at: the certificate parses, the key parses, the first certificate is a CA.
    """
    if kind_of(issuer) == "selfSigned":
        return True, "IsReady", ""
    if kind_of(issuer) != "ca":
        return False, "NotServed", "the lab serves CA and SelfSigned issuers only"
    problem = key_pair_problem(issuer["spec"]["ca"]["secretName"], ca_secret)
    if problem:
        return False, "ErrGetKeyPair", f"Error getting keypair for CA issuer: {problem}"
    if not pki.is_ca(pki.load_chain(data_of(ca_secret)["tls.crt"])[0]):
        return False, "ErrInvalidKeyPair", "Error getting keypair for CA issuer: certificate is not a CA"
    return True, "KeyPairVerified", "Signing CA verified"


def key_pair_problem(name: str, secret: Object | None) -> str:
    """Why a CA Secret cannot be read; empty if it can."""
    if secret is None:
        return f'secrets "{name}" not found'
    data = data_of(secret)
    for key in ("tls.crt", "tls.key"):
        if key not in data:
            return f"no data for \"{key}\" in secret '{secret['metadata'].get('namespace', '')}/{name}'"
    try:
        pki.load_chain(data["tls.crt"])
        pki.load_key(data["tls.key"])
    except pki.BadMaterial as error:
        return str(error)
    return ""


def sign_with_ca(request: Object, issuer: Object, secret: Object | None, now: datetime) -> tuple[bytes, bytes]:
    """(certificate chain, CA), both PEM.

    Raises:
        NotYet: the CA Secret is absent or unreadable.
        Failed: the CA cannot sign or its chain is broken.
    """
    name = issuer["spec"]["ca"]["secretName"]
    problem = key_pair_problem(name, secret)
    if problem:
        reason = "SecretMissing" if secret is None else "SecretInvalidData"
        raise NotYet(reason, f"Referenced secret {name} not usable: {problem}")
    data = data_of(secret)
    chain = pki.load_chain(data["tls.crt"])
    extra = _first_block(data.get("ca.crt", b""))
    try:
        template = specs.template(request["spec"], tuple(issuer["spec"]["ca"].get("crlDistributionPoints") or ()))
        csr = pki.load_request(request_pem(request))
        leaf = pki.sign(csr, template, now, pki.load_key(data["tls.key"]), chain[0])
        return pki.single_chain(leaf, [*chain, *extra])
    except pki.BadMaterial as error:
        raise Failed(f"Error signing certificate: {error}") from error


def _first_block(text: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return pki.load_chain(text)[:1] if text else ()
    except pki.BadMaterial:
        return ()


def sign_itself(request: Object, issuer: Object, key_secret: Object | None, now: datetime) -> tuple[bytes, bytes]:
    """(certificate, CA) of a self-signed request: both are the certificate itself.

    Raises:
        NotYet: the private key is not there (yet).
        Failed: the request was not made with that key.
    """
    data = data_of(key_secret)
    if "tls.key" not in data:
        raise NotYet("MissingSecret", "Referenced Secret with the private key not found")
    crl = tuple((issuer["spec"].get("selfSigned") or {}).get("crlDistributionPoints") or ())
    try:
        key = pki.load_key(data["tls.key"])
        csr = pki.load_request(request_pem(request))
    except pki.BadMaterial as error:
        raise Failed(f"Error generating certificate template: {error}") from error
    if pki.public_bytes(key) != pki.public_bytes(csr):
        raise Failed("Error generating certificate template: CSR not signed by referenced private key")
    text = pki.pem(pki.sign(csr, specs.template(request["spec"], crl), now, key, None))
    return text, text
