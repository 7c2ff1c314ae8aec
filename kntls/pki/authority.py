"""Is this a CA that may be put to work, and is this leaf fit to serve? Everything cert-manager does not check itself.

A CA issuer is Ready as soon as its Secret parses and has the CA bit (cert-manager: pkg/issuer/ca/setup.go); an expired
CA signs happily, one whose key does not match or that may not sign fails at the first leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.pki import boringssl, names
from kntls.pki.certificate import Certificate
from kntls.pki.chain import time_problem, unhandled_problem


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a CA or a leaf."""

    code: str
    """Stable, kebab-case: `key-mismatch`."""
    fatal: bool
    """Whether something fails because of it; else it is a warning."""
    text: str


def anchor(tls_crt: tuple[Certificate, ...], ca_crt: tuple[Certificate, ...]) -> Certificate:
    """What must be trusted for a CA Secret's leaves: the first of `ca.crt`, else the last of `tls.crt`.

    One of the two must hold a certificate.
    """
    return ca_crt[0] if ca_crt else tls_crt[-1]


@dataclass(frozen=True)
class _Authority:
    """A CA Secret under judgement."""

    chain: tuple[Certificate, ...]
    ca_crt: tuple[Certificate, ...]
    key_hash: str
    at: datetime
    leaf_lifetime: timedelta
    others: tuple[Certificate, ...]

    @property
    def signer(self) -> Certificate:
        return self.chain[0]

    @property
    def line(self) -> tuple[Certificate, ...]:
        """The signer and those of `tls.crt` above it, each signed by the next."""
        line = [self.signer]
        while above := next((c for c in self.chain if c not in line and line[-1].signed_by(c)), None):
            line.append(above)
        return tuple(line)


def lint_ca(
    chain: tuple[Certificate, ...],
    ca_crt: tuple[Certificate, ...],
    key_hash: str,
    *,
    at: datetime,
    leaf_lifetime: timedelta,
    others: Iterable[Certificate] = (),
) -> tuple[Problem, ...]:
    """What is wrong with a CA Secret (`tls.crt`, `ca.crt`, public-key hash of `tls.key`, empty for none).

    `leaf_lifetime` is that of the longest leaf it will sign; `others` are the CAs it must not be mistaken for.
    """
    if not chain:
        return (Problem("no-certificate", True, "tls.crt holds no certificate"),)
    rivals = tuple(other for other in others if other not in chain)
    authority = _Authority(chain, ca_crt, key_hash, at, leaf_lifetime, rivals)
    return tuple(problem for rule in CA_RULES for problem in rule(authority))


def _is_authority(ca: _Authority) -> Iterator[Problem]:
    signer = ca.signer
    if not signer.is_ca:
        yield Problem("not-a-ca", True, f"{signer} is not a CA (the CA bit is not set)")
    if signer.key_usage and "keyCertSign" not in signer.key_usage:
        yield Problem("no-cert-sign", True, f"{signer} may not sign certificates (key usage lacks keyCertSign)")
    usages = signer.extended_key_usage
    if usages and not usages & {"serverAuth", "anyExtendedKeyUsage"}:
        yield Problem("extended-key-usage", True, f"{signer} may not sign server certificates ({_listed(usages)} only)")
    if problem := unhandled_problem(signer):
        yield Problem("critical-extension", True, f"{signer} {problem}")


def _key(ca: _Authority) -> Iterator[Problem]:
    if not ca.key_hash:
        yield Problem("no-key", True, "there is no private key (tls.key) to sign with")
    elif ca.key_hash != ca.signer.public_key_hash:
        yield Problem("key-mismatch", True, f"tls.key is not the key of {ca.signer}")


def _validity(ca: _Authority) -> Iterator[Problem]:
    for certificate in dict.fromkeys((*ca.chain, *ca.ca_crt[:1])):
        if problem := time_problem(certificate, ca.at):
            yield Problem("not-valid-now", True, f"{certificate} {problem}")
        elif certificate.not_after < ca.at + ca.leaf_lifetime:
            end, days = certificate.not_after.date(), ca.leaf_lifetime.days
            yield Problem("ends-before-leaves", False, f"{certificate} ends {end}, before leaves of {days} days do")


def _path_length(ca: _Authority) -> Iterator[Problem]:
    for below, certificate in enumerate(ca.line):
        if certificate.path_length is not None and certificate.path_length < below:
            text = f"{certificate} allows {certificate.path_length} CAs below it, but here it has {below}"
            yield Problem("path-length", True, text)


def _constraints(ca: _Authority) -> Iterator[Problem]:
    for certificate in dict.fromkeys((*ca.chain, *ca.ca_crt[:1])):
        if certificate.has_name_constraints:
            limits = names.described(certificate)
            yield Problem("name-constraints", False, f"{certificate} limits the names below it: {limits}")


def _one_line(ca: _Authority) -> Iterator[Problem]:
    stray = [certificate for certificate in dict.fromkeys(ca.chain) if certificate not in ca.line]
    if stray:
        text = f"tls.crt is not one chain: {stray[0]} did not sign {ca.line[-1]}"
        yield Problem("broken-chain", True, f"{text}; cert-manager refuses to sign with it")


def _ca_crt(ca: _Authority) -> Iterator[Problem]:
    if not ca.ca_crt:
        return
    given, top = ca.ca_crt[0], ca.line[-1]
    of_same_key = any(
        given.subject_der == link.subject_der and given.public_key_hash == link.public_key_hash for link in ca.line
    )
    if not of_same_key and not top.signed_by(given):
        yield Problem("foreign-ca-crt", True, f"ca.crt is {given}, which did not sign {top}; cert-manager refuses it")
    if len(ca.ca_crt) > 1:
        yield Problem("long-ca-crt", False, f"ca.crt holds {len(ca.ca_crt)} certificates; only the first is used")


def _anchor(ca: _Authority) -> Iterator[Problem]:
    trusted = anchor(ca.chain, ca.ca_crt)
    if not trusted.is_self_signed:
        yield Problem("intermediate-anchor", False, f"what will be trusted is not a root: {trusted}")


def _identity(ca: _Authority) -> Iterator[Problem]:
    signer = ca.signer
    if not signer.common_name:
        yield Problem("no-common-name", True, "the CA has no common name: OpenSSL takes its leaves for self-signed")
    if not signer.ski:
        yield Problem("no-ski", False, f"{signer} has no subject key identifier: its leaves cannot point to its key")


def _rivals(ca: _Authority) -> Iterator[Problem]:
    signer = ca.signer
    for other in ca.others:
        if signer.public_key_hash == other.public_key_hash:
            yield Problem("same-key", True, f"{signer} has the key of {other}: that is a renewal, not a new CA")
        elif signer.common_name and signer.common_name == other.common_name:
            yield Problem(
                "same-common-name", True, f"{signer} has the common name of {other}: nobody can tell them apart"
            )
        elif signer.ski and signer.ski == other.ski:
            yield Problem("same-ski", True, f"{signer} has the subject key identifier of {other}, but another key")


def _strength(ca: _Authority) -> Iterator[Problem]:
    for certificate in dict.fromkeys(ca.chain):
        yield from _weak_key(certificate)
        if not certificate.is_self_signed:
            yield from _weak_signature(certificate)


def _weak_key(certificate: Certificate) -> Iterator[Problem]:
    key = certificate.public_key
    if key is None:
        yield Problem("weak-key", True, f"{certificate} has a key of a type that clients do not know")
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield Problem("weak-key", key.key_size < 1024, f"{certificate} has a weak key ({certificate.key_type})")


def _weak_signature(certificate: Certificate) -> Iterator[Problem]:
    if certificate.signature_hash in ("SHA-1", "MD5"):
        how = certificate.signature_algorithm
        yield Problem("weak-signature", True, f"{certificate} is signed with {how}, which clients refuse")


CA_RULES: tuple[Callable[[_Authority], Iterator[Problem]], ...] = (
    _is_authority,
    _key,
    _validity,
    _path_length,
    _constraints,
    _one_line,
    _ca_crt,
    _anchor,
    _identity,
    _rivals,
    _strength,
)
"""Every rule for a CA; a new one is one function and one line here."""


def lint_certificate(leaf: Certificate, issuer: Certificate | None = None, *, at: datetime) -> tuple[Problem, ...]:
    """What is wrong with a server's leaf by itself, and beside its issuer where that is known."""
    return tuple(problem for rule in LEAF_RULES for problem in rule(leaf, issuer, at))


def _leaf_validity(leaf: Certificate, issuer: Certificate | None, at: datetime) -> Iterator[Problem]:
    if problem := time_problem(leaf, at):
        yield Problem("not-valid-now", True, f"{leaf} {problem}")
    if issuer is not None and leaf.not_after > issuer.not_after:
        text = f"{leaf} outlives its issuer, which ends {issuer.not_after.date()}"
        yield Problem("outlives-issuer", False, text)


def _leaf_purpose(leaf: Certificate, issuer: Certificate | None, at: datetime) -> Iterator[Problem]:
    if not leaf.sans:
        yield Problem("no-san", True, f"{leaf} has no subject alternative name: no client accepts it for any host")
    if problem := boringssl.leaf_problem(leaf):
        yield Problem("refused-by-envoy", True, f"Envoy accepts {leaf} from no server: {problem}")
    if leaf.is_ca:
        yield Problem("leaf-is-a-ca", False, f"{leaf} is a CA, but serves as a leaf")
    if problem := unhandled_problem(leaf):
        yield Problem("critical-extension", True, f"{leaf} {problem}")


def _leaf_issuer(leaf: Certificate, issuer: Certificate | None, at: datetime) -> Iterator[Problem]:
    if leaf.issuer_der == leaf.subject_der and not leaf.is_self_signed:
        yield Problem("named-like-its-issuer", False, f"{leaf} has its issuer's name: OpenSSL takes it for self-signed")
    elif not leaf.aki and not leaf.is_self_signed:
        text = f"{leaf} does not say by which key it was signed (no authority key identifier)"
        yield Problem("no-aki", False, text)
    if issuer is not None and leaf.aki and issuer.ski and leaf.aki != issuer.ski:
        text = f"{leaf} points to another key identifier than that of {issuer}: Envoy does not find its issuer"
        yield Problem("aki-mismatch", True, text)


def _leaf_strength(leaf: Certificate, issuer: Certificate | None, at: datetime) -> Iterator[Problem]:
    yield from _weak_key(leaf)
    yield from _weak_signature(leaf)


LEAF_RULES: tuple[Callable[[Certificate, Certificate | None, datetime], Iterator[Problem]], ...] = (
    _leaf_validity,
    _leaf_purpose,
    _leaf_issuer,
    _leaf_strength,
)
"""Every rule for a leaf."""


def _listed(usages: frozenset[str]) -> str:
    return ", ".join(sorted(usages))
