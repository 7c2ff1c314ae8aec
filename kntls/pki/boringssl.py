"""Whether Envoy (BoringSSL) accepts a leaf: where its verdict is another than Go's, for the sake of a rotation.

Envoy takes the first issuer that fits by name and key identifier and never goes back: an expired or wrong certificate
in front hides a good one behind it. What it trusts is not asked whether it is a CA, but must be valid. Rules as seen
in Envoy 1.40 with net-kourier's settings (TLS 1.3, an inline trusted CA).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from cryptography import x509

from kntls.pki import names
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Verdict, made_by, name_problem, time_problem, unhandled_problem

MAX_DEPTH = 100
"""Envoy's default `max_verify_depth`."""
_LEAF_KEYS = ("ECDSA P-256", "ECDSA P-384", "RSA")
"""Other keys have no signature scheme that Envoy offers by default."""

_Chain = tuple[Certificate, ...]


def verify(
    leaf: Certificate,
    *,
    intermediates: Iterable[Certificate] = (),
    roots: Iterable[Certificate],
    at: datetime,
    name: str = "",
) -> Verdict:
    """Whether an Envoy that trusts `roots` accepts this leaf at that time (aware), for a name where it expects one.

    The order of `roots` matters: it is that of the bundle.
    """
    trusted = tuple(dict.fromkeys(roots))
    chain = _chain(leaf, tuple(intermediates), trusted)
    problem = _trust_problem(chain, trusted) or _problem(chain, at) or name_problem(leaf, name)
    return Verdict(False, problem) if problem else Verdict(True, chain=chain)


def _chain(leaf: Certificate, intermediates: _Chain, trusted: _Chain) -> _Chain:
    chain = [leaf]
    while len(chain) <= MAX_DEPTH and not _ends_here(chain[-1]):
        issuer = next((c for c in (*trusted, *intermediates) if _may_have_issued(c, chain[-1])), None)
        if issuer is None or issuer in chain:
            break
        chain.append(issuer)
    return tuple(chain)


def _ends_here(certificate: Certificate) -> bool:
    """Whether it takes itself for its own issuer; the signature is not looked at for that."""
    return certificate.subject_der == certificate.issuer_der and _may_have_issued(certificate, certificate)


def _may_have_issued(issuer: Certificate, child: Certificate) -> bool:
    if child.issuer_der != issuer.subject_der or (child.aki and issuer.ski and child.aki != issuer.ski):
        return False
    return not issuer.key_usage or "keyCertSign" in issuer.key_usage


def _trust_problem(chain: _Chain, trusted: _Chain) -> str:
    if not set(chain).isdisjoint(trusted):
        return ""
    last = chain[-1]
    for root in trusted:
        if root.subject_der == last.issuer_der and last.aki and root.ski and last.aki != root.ski:
            return f"signed by {last.issuer} with key identifier {last.aki}, but the trusted {root} has {root.ski}"
    if last.issuer_der == last.subject_der:
        return f"it ends at the self-signed {last}, which is not trusted"
    return f"signed by {last.issuer or 'an issuer without name'}, which is neither trusted nor sent along"


def _problem(chain: _Chain, at: datetime) -> str:
    return (
        leaf_problem(chain[0])
        or next(filter(None, (_link_problem(link, below) for below, link in enumerate(chain[:-1]))), "")
        or next((f"{link} {problem}" for link in chain if (problem := time_problem(link, at))), "")
        or _signature_problem(chain)
        or _names_problem(chain)
    )


def leaf_problem(leaf: Certificate) -> str:
    """Why Envoy accepts this leaf from no server, whoever signed it; empty if it may."""
    if not leaf.key_type.startswith(_LEAF_KEYS):
        return f"it has a key for which Envoy offers no signature scheme ({leaf.key_type})"
    if leaf.key_usage and "digitalSignature" not in leaf.key_usage:
        return "its key usage lacks digitalSignature"
    if leaf.extended_key_usage and "serverAuth" not in leaf.extended_key_usage:
        return _purpose(leaf)
    return ""


def _link_problem(link: Certificate, position: int) -> str:
    """What is wrong with a certificate below the end of the chain; `position` 0 is the leaf."""
    if problem := unhandled_problem(link):
        return f"{link} {problem}"
    if position and not link.is_ca:
        return f"its issuer {link} is not a CA"
    if link.path_length is not None and position - 1 > link.path_length:
        return f"its issuer {link} allows {link.path_length} intermediates below it, but here it has {position - 1}"
    if link.extended_key_usage and "serverAuth" not in link.extended_key_usage:
        return _purpose(link)
    return ""


def _purpose(certificate: Certificate) -> str:
    allowed = ", ".join(sorted(certificate.extended_key_usage or ()))
    return f"{certificate} is for {allowed} only, not for serverAuth"


def _signature_problem(chain: _Chain) -> str:
    for child, issuer in pairwise(chain):
        if not made_by(child, issuer):
            return f"signed by {child.issuer}, but {issuer}, the first of that name, did not sign it"
    return ""


def _names_problem(chain: _Chain) -> str:
    constrained = [link for link in chain if link.has_name_constraints]
    if constrained and not chain[0].sans:
        return f"{constrained[0]} limits the names below it, and it has no subject alternative name"
    for authority in constrained:
        if chain[0].sans.ips and names.limits(authority, x509.IPAddress):
            return f"{authority} limits addresses, which Envoy does not support"
    return names.violation(chain)
