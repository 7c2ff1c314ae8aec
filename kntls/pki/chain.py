"""Whether a leaf is accepted by somebody who trusts given roots, and why not: the verdicts of Go's `crypto/x509`.

Knative's clients are Go programs and Envoy (BoringSSL); both accept much that the WebPKI profile refuses: Ed25519,
leaves without an authority key identifier, roots without key usage. Path building and rules follow go:
crypto/x509/verify.go (Go 1.26). Certificate policies, revocation and Envoy's own peer-name lists are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.pki import names
from kntls.pki.certificate import Certificate

MAX_SIGNATURE_CHECKS = 100
"""Go gives up after so many candidates (crypto/x509/verify.go, maxChainSignatureChecks)."""


@dataclass(frozen=True)
class Verdict:
    """The answer: whether it is accepted, why not, and by which path."""

    ok: bool
    reason: str = ""
    """Why it is refused; empty when it is accepted."""
    chain: tuple[Certificate, ...] = ()
    """Leaf first, trusted root last; empty when it is refused."""

    @property
    def root(self) -> Certificate | None:
        """The trusted certificate the chain ends at."""
        return self.chain[-1] if self.chain else None

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Pool:
    """Certificates findable by subject. Build one when many leaves are verified against the same set."""

    certificates: frozenset[Certificate]
    _by_subject: dict[bytes, list[Certificate]] = field(repr=False, compare=False)

    @staticmethod
    def of(certificates: Iterable[Certificate]) -> Pool:
        """A pool of these certificates (or that pool itself)."""
        if isinstance(certificates, Pool):
            return certificates
        by_subject: dict[bytes, list[Certificate]] = {}
        for certificate in (unique := dict.fromkeys(certificates)):
            by_subject.setdefault(certificate.subject_der, []).append(certificate)
        return Pool(frozenset(unique), by_subject)

    def __iter__(self) -> Iterator[Certificate]:
        return (certificate for group in self._by_subject.values() for certificate in group)

    def issuers(self, child: Certificate) -> list[Certificate]:
        """Those with the child's issuer name; those whose key identifier fits come first."""
        found = self._by_subject.get(child.issuer_der, [])
        return sorted(found, key=lambda candidate: _key_id_distance(child, candidate)) if len(found) > 1 else found


def _key_id_distance(child: Certificate, candidate: Certificate) -> int:
    if candidate.ski == child.aki:
        return 0
    return 1 if not candidate.ski or not child.aki else 2


def verify(
    leaf: Certificate,
    *,
    intermediates: Iterable[Certificate] = (),
    roots: Iterable[Certificate] | Pool,
    at: datetime,
    name: str = "",
    usage: str = "serverAuth",
) -> Verdict:
    """Whether somebody who trusts `roots` accepts this leaf at that time (aware), and for that host if one is named.

    `intermediates` is what the server sends along. `usage` is what the leaf is used for, in RFC 5280's words.
    """
    if problem := _own_problem(leaf, at) or name_problem(leaf, name):
        return Verdict(False, problem)
    search = _Search(Pool.of(intermediates), Pool.of(roots), at)
    for chain in search.chains(leaf):
        problem = _usage_problem(chain, usage) or names.violation(chain)
        if not problem:
            return Verdict(True, chain=chain)
        search.fail(_Rank.COMPLETE, problem)
    return Verdict(False, search.reason())


class _Rank(IntEnum):
    """How far a failed path had come; the furthest explains best."""

    MISSING = 0
    SIGNATURE = 1
    CANDIDATE = 2
    COMPLETE = 3


class _Failure(NamedTuple):
    rank: _Rank
    text: str


@dataclass
class _Search:
    """One depth-first search for chains; remembers why paths failed."""

    intermediates: Pool
    roots: Pool
    at: datetime
    checks: int = 0
    failures: list[_Failure] = field(default_factory=list)

    def fail(self, rank: _Rank, text: str) -> None:
        self.failures.append(_Failure(rank, text))

    def reason(self) -> str:
        return max(self.failures, key=lambda failure: failure.rank).text

    def chains(self, leaf: Certificate) -> Iterator[tuple[Certificate, ...]]:
        """Every chain from the leaf to a root, in Go's order of preference."""
        if leaf in self.roots.certificates:
            yield (leaf,)
        else:
            yield from self._extend((leaf,))

    def _extend(self, chain: tuple[Certificate, ...]) -> Iterator[tuple[Certificate, ...]]:
        child = chain[-1]
        as_roots, as_intermediates = self.roots.issuers(child), self.intermediates.issuers(child)
        if not as_roots and not as_intermediates:
            self.fail(_Rank.MISSING, self._no_issuer(child))
        for root in as_roots:
            if self._fits(root, chain, trusted=True):
                yield (*chain, root)
        for intermediate in as_intermediates:
            if self._fits(intermediate, chain, trusted=False):
                yield from self._extend((*chain, intermediate))

    def _fits(self, candidate: Certificate, chain: tuple[Certificate, ...], *, trusted: bool) -> bool:
        self.checks += 1
        if self.checks > MAX_SIGNATURE_CHECKS:
            self.fail(_Rank.COMPLETE, "too many certificates with the same name: Go gives up looking for a chain")
            return False
        if _already_in(chain, candidate):
            self.fail(_Rank.MISSING, self._no_issuer(chain[-1]))
            return False
        if problem := _signature_problem(chain[-1], candidate, trusted=trusted):
            self.fail(_Rank.SIGNATURE, problem)
            return False
        if problem := _authority_problem(candidate, len(chain) - 1, self.at):
            self.fail(_Rank.CANDIDATE, f"its issuer {candidate} {problem}")
            return False
        return True

    def _no_issuer(self, child: Certificate) -> str:
        if not self.roots.certificates:
            return "nothing is trusted: there is no root to verify it with"
        if child.issuer_der == child.subject_der:
            return f"it ends at the self-signed {child}, which is not trusted"
        return f"signed by {child.issuer or 'an issuer without name'}, which is neither trusted nor sent along"


def _own_problem(leaf: Certificate, at: datetime) -> str:
    return unhandled_problem(leaf) or time_problem(leaf, at)


def name_problem(leaf: Certificate, name: str) -> str:
    """Why the leaf is not valid for that host; empty when it is, or when no host is named."""
    if not name or leaf.sans.matches(name):
        return ""
    return f"not valid for {name}: it is for {leaf.sans or 'no name at all'}"


def unhandled_problem(certificate: Certificate) -> str:
    """Which critical extension makes every client refuse this certificate; empty if none does."""
    oid = certificate.unknown_critical
    return f"has a critical extension that clients do not know ({oid})" if oid else ""


def time_problem(certificate: Certificate, at: datetime) -> str:
    """Why the certificate is not valid at that time: `expired 3 days ago, at …`; empty when it is."""
    if at < certificate.not_before:
        begin = certificate.not_before
        return f"not valid before {_when(begin)}, in {_span(begin - at)}"
    if at > certificate.not_after:
        end = certificate.not_after
        return f"expired {_span(at - end)} ago, at {_when(end)}"
    return ""


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _span(length: timedelta) -> str:
    seconds = max(1, int(length.total_seconds()))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("unreachable: a second fits into every span")


def _already_in(chain: tuple[Certificate, ...], candidate: Certificate) -> bool:
    return any(
        candidate.subject_der == link.subject_der
        and candidate.public_key_hash == link.public_key_hash
        and candidate.sans == link.sans
        for link in chain
    )


def _signature_problem(child: Certificate, issuer: Certificate, *, trusted: bool) -> str:
    if not issuer.is_ca and (issuer.has_basic_constraints or issuer.parsed.version is x509.Version.v3):
        return f"its issuer {issuer} is not a CA"
    if issuer.key_usage and "keyCertSign" not in issuer.key_usage:
        return f"its issuer {issuer} may not sign certificates: its key usage lacks keyCertSign"
    if child.signature_hash in ("SHA-1", "MD5"):
        return f"{child} is signed with {child.signature_hash}, which clients refuse"
    if isinstance(issuer.public_key, rsa.RSAPublicKey) and issuer.public_key.key_size < 1024:
        return f"its issuer {issuer} has a key that clients refuse ({issuer.key_type})"
    if not made_by(child, issuer):
        what = "trusted" if trusted else "one sent along,"
        return f"signed by {child.issuer}, but its key is not the one of the {what} {issuer}"
    return ""


def made_by(child: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's key made the child's signature; remembered, because it is the slowest thing to find out.

    The same few CA certificates come with every leaf, and many judgements ask about the same leaf. A signature is a
    fact about bytes: remembering it cannot change a verdict.
    """
    return _remembered(child, issuer)


@lru_cache(maxsize=65536)
def _remembered(child: Certificate, issuer: Certificate) -> bool:
    return child.signature_matches(issuer)


def _authority_problem(authority: Certificate, below: int, at: datetime) -> str:
    """`below` is the number of intermediates between this authority and the leaf."""
    if problem := unhandled_problem(authority) or time_problem(authority, at):
        return problem
    if authority.path_length is not None and below > authority.path_length:
        allowed = authority.path_length
        return f"allows {allowed} intermediate{'' if allowed == 1 else 's'} below it, but here it has {below}"
    return ""


def _usage_problem(chain: tuple[Certificate, ...], usage: str) -> str:
    for certificate in reversed(chain):
        allowed = certificate.extended_key_usage
        if allowed and not allowed & {usage, "anyExtendedKeyUsage"}:
            return f"{certificate} is for {', '.join(sorted(allowed))} only, not for {usage}"
    return ""
