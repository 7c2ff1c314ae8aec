"""Leaves: the certificates that servers show, as they lie in their Secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from kntls.certmanager.leaves import Leaf
from kntls.checks.check import (
    ERROR,
    ISSUED,
    KEYS,
    ON,
    PRESENT_TIME,
    SIGNING,
    WARNING,
    Condition,
    Problem,
    check,
)
from kntls.checks.facts import Facts, parse_time
from kntls.checks.kcerts import renew
from kntls.knative.sans import expected
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, KCERT, SECRET
from kntls.model.objects import Object, dig
from kntls.model.observation import Observation
from kntls.pki.chain import verify
from kntls.pki.san import SanSet

SEEN = (CONFIG_MAP, KCERT, CERTIFICATE, SECRET)
SIGNED = (*SEEN, CLUSTER_ISSUER, DEPLOYMENT)
LATE = timedelta(hours=1)
COVERED = Condition(
    "the Secrets of every namespace with certificates were read",
    lambda facts: all(facts.covers(SECRET, leaf.ref.namespace) for leaf in facts.leaves) or None,
    unknown="secrets: those of some namespaces are not in the files",
)


def _lint(facts: Facts, codes: Collection[str]) -> Iterator[Problem]:
    """What the leaf lint says with these codes."""
    return (Problem(leaf.ref, flaw.text, renew(leaf)) for leaf, flaw in facts.flaws if flaw.code in codes)


def wanted_names(observation: Observation, leaf: Leaf) -> frozenset[str]:
    """The names a leaf must have: by its KCert, else by its Certificate."""
    kcert: Object | None = observation.get(KCERT, leaf.ref.name, leaf.ref.namespace)
    if kcert is not None:
        return expected(kcert)
    return frozenset(str(name) for name in dig(leaf.certificate, "spec", "dnsNames", default=[]))


@check(
    "KN-LEAF-001",
    "every certificate's Secret holds a certificate",
    ERROR,
    needs=SEEN,
    when=(ON, COVERED),
    causes=("KN-KCERT-001", "KN-KCERT-004", "KN-SERVE-001", "KN-SERVE-005", "KN-SERVE-008", "KN-LEAF-004",
            "KN-TRUST-001", "KN-TRUST-005", "KN-TRUST-023"),
    why="Pods that mount a Secret which is not there do not start; the activator ends at start; a Route without its "
    "Secret loses TLS.",
    remedy="Have it issued again; where that fails, the Certificate's conditions say why.",
)  # fmt: skip
def held(facts: Facts) -> Iterator[Problem]:
    """Secrets that are missing or hold no certificate."""
    for leaf in facts.leaves:
        if leaf.material is None:
            yield Problem(leaf.ref, f"Secret {dig(leaf.certificate, 'spec', 'secretName')} does not exist", renew(leaf))
        elif leaf.x509 is None:
            yield Problem(leaf.ref, f"{leaf.material.ref}: tls.crt holds no certificate", renew(leaf))


@check(
    "KN-LEAF-002",
    "every leaf has all the names it is asked for",
    ERROR,
    needs=SEEN,
    when=(ON, ISSUED),
    causes=("KN-TRUST-007", "KN-SERVE-003", "KN-KCERT-004", "KN-LEAF-003"),
    why="The activator asks a queue-proxy for `data-plane.knative.dev` and for `kn-user-<namespace>`, the gateway for "
    "`kn-routing` or `kn-user-<namespace>`, clients for every host of the Route. One name missing is one handshake "
    "refused.",
    remedy="Have it issued again: `kntls check --fix KN-LEAF-002`.",
)
def all_names(facts: Facts) -> Iterator[Problem]:
    """Names that are missing."""
    for leaf in facts.issued:
        missing = SanSet(dns=wanted_names(facts.observation, leaf)).unexpected(
            leaf.x509.sans if leaf.x509 else SanSet()
        )
        if missing:
            yield Problem(leaf.ref, f"its leaf lacks {missing}", renew(leaf))


@check(
    "KN-LEAF-003",
    "no leaf has names it should not have",
    WARNING,
    needs=SEEN,
    when=(ON, ISSUED),
    why="A queue-proxy's leaf with another namespace's name lets one tenant's pods pass for another's.",
    remedy="Have it issued again: `kntls check --fix KN-LEAF-003`.",
)
def only_names(facts: Facts) -> Iterator[Problem]:
    """Names beyond the expected ones."""
    for leaf in facts.issued:
        extra = leaf.x509.sans.unexpected(SanSet(dns=wanted_names(facts.observation, leaf))) if leaf.x509 else SanSet()
        if extra:
            yield Problem(leaf.ref, f"its leaf is valid for {extra}, too", renew(leaf))


@check(
    "KN-LEAF-004",
    "every leaf's key belongs to it",
    ERROR,
    needs=SEEN,
    when=(ON, KEYS, ISSUED),
    causes=("KN-SERVE-001", "KN-SERVE-002", "KN-KCERT-004"),
    why="The activator keeps the old pair and only warns; a queue-proxy that starts with such a pair does not serve.",
    remedy="Have it issued again; see who else writes the Secret (KN-KCERT-007).",
)
def key_fits(facts: Facts) -> Iterator[Problem]:
    """Secrets whose key is another's."""
    for leaf in facts.issued:
        if leaf.material and not leaf.material.key_matches:
            why = leaf.material.key_problem or "tls.key does not belong to tls.crt"
            yield Problem(leaf.material.ref, why, renew(leaf))


@check(
    "KN-LEAF-005",
    "every leaf is valid now",
    ERROR,
    needs=SEEN,
    when=(ON, ISSUED),
    causes=("KN-TRUST-007", "KN-TRUST-013", "KN-SERVE-003", "KN-KCERT-004", "KN-KCERT-001", "KN-LEAF-006"),
    why="An expired leaf is refused in every handshake: 502 or 503 at once for the whole namespace or Route.",
    remedy="Have it issued again; find out why it was not renewed (KN-KCERT-005, KN-CM-002).",
)
def in_time(facts: Facts) -> Iterator[Problem]:
    """Leaves outside their time."""
    yield from _lint(facts, {"not-valid-now"})


@check(
    "KN-LEAF-006",
    "every leaf is renewed in time",
    WARNING,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON, PRESENT_TIME),
    why="cert-manager renews after two thirds of a leaf's life. One that is overdue will expire unless something is "
    "mended.",
    remedy="See KN-KCERT-005, KN-KCERT-006 and KN-CM-002; then have it issued again.",
)
def renewed(facts: Facts) -> Iterator[Problem]:
    """Leaves past their renewal time."""
    for leaf in facts.leaves:
        due = parse_time(dig(leaf.certificate, "status", "renewalTime"))
        if due and facts.at - due > LATE:
            end = dig(leaf.certificate, "status", "notAfter", default="?")
            yield Problem(leaf.ref, f"due for renewal since {due.date()}; it ends {end}", renew(leaf))


@check(
    "KN-LEAF-007",
    "every leaf is signed by the CA its issuer signs with",
    WARNING,
    needs=SIGNED,
    when=(ON, SIGNING, ISSUED),
    why="Changing the CA behind an issuer re-issues nothing: leaves stay with the old CA until they are renewed, up to "
    "60 days later, and depend on its being trusted all that time.",
    remedy="`kntls rotate-ca` goes on from here; or have the leaf issued again once the new CA is trusted everywhere.",
)
def current_ca(facts: Facts) -> Iterator[Problem]:
    """Leaves of another CA than the issuer's present one."""
    for leaf in facts.issued:
        ca = facts.authority_of(leaf)
        if ca and leaf.x509 and not leaf.signed_by(ca.signer):
            reason = f"signed by {leaf.x509.issuer or 'a CA without name'}, not by the key of {ca.signer}"
            yield Problem(leaf.ref, reason, renew(leaf))


@check(
    "KN-LEAF-008",
    "every leaf comes with the chain up to its root",
    ERROR,
    needs=SIGNED,
    when=(ON, SIGNING, ISSUED),
    causes=(
        "KN-TRUST-007",
        "KN-TRUST-013",
        "KN-SERVE-003",
        "KN-LEAF-013",
    ),
    why="A server must send along what stands between its leaf and the root; a consumer that has the root only cannot "
    "guess it.",
    remedy="Put the intermediates into the CA's `tls.crt`, then have the leaf issued again.",
)
def complete(facts: Facts) -> Iterator[Problem]:
    """Chains that do not reach the CA's own anchor."""
    for leaf in facts.issued:
        ca, chain = facts.authority_of(leaf), leaf.material.chain if leaf.material else ()
        if not ca or not chain or not leaf.signed_by(ca.signer):
            continue
        moment = max(chain[0].not_before, ca.anchor.not_before)
        verdict = verify(chain[0], intermediates=chain[1:], roots=[ca.anchor], at=moment)
        if not verdict.ok:
            yield Problem(leaf.ref, f"it does not lead to {ca.anchor}: {verdict.reason}", renew(leaf))


@check(
    "KN-LEAF-009",
    "no leaf outlives its CA",
    WARNING,
    needs=SIGNED,
    when=(ON, SIGNING, ISSUED),
    why="It stops being accepted when its CA ends, however long it has left itself; nothing renews it before.",
    remedy="Rotate to a new CA.",
)
def inside_ca(facts: Facts) -> Iterator[Problem]:
    """Leaves that end after their CA."""
    yield from _lint(facts, {"outlives-issuer"})


@check(
    "KN-LEAF-010",
    "every leaf points to its CA's key",
    WARNING,
    needs=SIGNED,
    when=(ON, SIGNING, ISSUED),
    causes=(
        "KN-TRUST-007",
        "KN-SERVE-003",
    ),
    why="OpenSSL and BoringSSL (Envoy) find an issuer by its key identifier. One that was renewed with the same key by "
    "a newer cert-manager has another identifier: Go accepts the leaf, OpenSSL does not.",
    remedy="Have the leaf issued again.",
)
def points_home(facts: Facts) -> Iterator[Problem]:
    """Authority key identifiers that are missing or another's."""
    yield from _lint(facts, {"aki-mismatch", "no-aki", "named-like-its-issuer"})


@check(
    "KN-LEAF-011",
    "every leaf's key and signature are strong",
    ERROR,
    needs=SEEN,
    when=(ON, ISSUED),
    causes=("KN-TRUST-007", "KN-TRUST-013", "KN-SERVE-003"),
    why="Clients refuse SHA-1 and MD5 signatures and very short RSA keys.",
    remedy="Use a CA with a strong key, then have the leaf issued again.",
)
def strong(facts: Facts) -> Iterator[Problem]:
    """Weak keys and signatures."""
    yield from _lint(facts, {"weak-key", "weak-signature"})


@check(
    "KN-LEAF-012",
    "every leaf is made for servers",
    ERROR,
    needs=SEEN,
    when=(ON, ISSUED),
    causes=(
        "KN-TRUST-007",
        "KN-TRUST-013",
        "KN-SERVE-003",
        "KN-LEAF-002",
        "KN-LEAF-008",
    ),
    why="A leaf with an extended key usage other than server authentication, with an unknown critical extension or "
    "without any alternative name is refused by every client.",
    remedy="Mend the issuer (its template or role), then have the leaf issued again.",
)
def for_servers(facts: Facts) -> Iterator[Problem]:
    """Leaves that no client accepts from a server."""
    yield from _lint(facts, {"refused-by-envoy", "critical-extension", "leaf-is-a-ca", "no-san"})


@check(
    "KN-LEAF-013",
    "the ca.crt beside every leaf is a CA that signed it",
    WARNING,
    needs=SEEN,
    when=(ON, ISSUED),
    causes=("KN-TRUST-021",),
    why="Consumers that take `ca.crt` for trust (activator and gateway do, from `routing-serving-certs`) end up "
    "trusting another CA than the one in use. cert-manager never looks at it again.",
    remedy="Have the leaf issued again: that writes `ca.crt` anew.",
)
def own_ca_crt(facts: Facts) -> Iterator[Problem]:
    """`ca.crt` of a CA that has nothing to do with the leaf."""
    for leaf in facts.issued:
        found = leaf.material
        if not found or not found.ca_crt or not leaf.x509:
            continue
        verdict = verify(leaf.x509, intermediates=found.chain[1:], roots=found.ca_crt, at=leaf.x509.not_before)
        if not verdict.ok and not any(leaf.signed_by(ca) for ca in found.ca_crt):
            yield Problem(found.ref, f"its ca.crt is {found.ca_crt[0]}: {verdict.reason}", renew(leaf))
