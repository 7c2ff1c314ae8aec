"""Each leaf by itself: its names, key, chain, issuer, and whether everybody who meets it accepts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from kntls.certmanager.leaves import Leaf, leaf_of, owner_kind
from kntls.checks.check import KEYS
from kntls.checks.facts import Facts, surface_of
from kntls.checks.leaves import wanted_names
from kntls.knative.names import ROUTING_CERTIFICATE, USER_CERTIFICATE, WILDCARD_LABEL
from kntls.model.kinds import CERTIFICATE, KCERT, SECRET
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.pki.certificate import Certificate
from kntls.pki.chain import time_problem, verify
from kntls.pki.san import SanSet
from kntls.trust.impact import names_asked

KNATIVE = "networking.internal.knative.dev/Certificate"


@dataclass(frozen=True)
class Acceptance:
    """What one consumer makes of a leaf."""

    consumer: str
    refusal: str
    """Empty where it accepts it."""


@dataclass(frozen=True)
class Verification:
    """One Certificate, judged."""

    ref: ObjectRef
    kind: str
    """`routing`, `queue-proxy`, `cluster-local`, `external-domain`, `wildcard`, `CA`, `other`."""
    issuer: str
    x509: Certificate | None
    problems: dict[str, str]
    """Aspect (`names`, `key`, `time`, `chain`, `issuer`, `issuance`) → what is wrong, empty where nothing is."""
    accepted: tuple[Acceptance, ...]
    issuing: bool
    unseen: dict[str, str] = field(default_factory=dict)
    """Aspect → why nothing is said of it: what it would take was not read."""

    @property
    def looked_at(self) -> bool:
        """Whether its Secret was read at all."""
        return "issuance" not in self.unseen

    @property
    def ok(self) -> bool:
        """Whether nothing that was looked at is wrong and everybody who meets it accepts it."""
        return not any(self.problems.values()) and not any(entry.refusal for entry in self.accepted)

    @property
    def expires(self) -> datetime | None:
        """When it ends; None where there is no certificate."""
        return self.x509.not_after if self.x509 else None

    @property
    def status(self) -> str:
        """In a few words."""
        wrong = [aspect for aspect, why in self.problems.items() if why]
        refused = [entry.consumer.partition(" ")[0] for entry in self.accepted if entry.refusal]
        if not self.x509:
            return "no certificate" if self.looked_at else "not looked at"
        if wrong:
            return f"wrong: {', '.join(wrong)}"
        if refused:
            return f"refused by {', '.join(dict.fromkeys(refused))}"
        return "being issued" if self.issuing else "ok"


def _kind(facts: Facts, certificate: Object) -> str:
    if dig(certificate, "spec", "isCA"):
        return "CA"
    kcert = facts.observation.get(KCERT, name_of(certificate), namespace_of(certificate))
    if kcert is None or owner_kind(certificate) not in (KNATIVE, ""):
        return "other"
    known = {ROUTING_CERTIFICATE: "routing", USER_CERTIFICATE: "queue-proxy"}
    wildcard = "wildcard" if WILDCARD_LABEL in labels_of(kcert) else str(surface_of(kcert))
    return known.get(name_of(kcert), wildcard)


def _names(facts: Facts, leaf: Leaf) -> str:
    wanted, found = SanSet(dns=wanted_names(facts.observation, leaf)), leaf.x509.sans if leaf.x509 else SanSet()
    missing, extra = found.missing(wanted), found.unexpected(wanted)
    parts = [f"{word} {names}" for word, names in (("lacks", missing), ("has also", extra)) if names]
    return "; ".join(parts)


def _key(facts: Facts, leaf: Leaf) -> str:
    if leaf.material is None or leaf.material.key_matches or not KEYS.holds(facts):
        return ""
    return leaf.material.key_problem or "tls.key does not belong to tls.crt"


def _issuer(facts: Facts, leaf: Leaf) -> str:
    ca = facts.authority_of(leaf)
    if ca is None or leaf.signed_by(ca.signer):
        return ""
    return f"signed by {leaf.x509.issuer if leaf.x509 else '?'}, {leaf.issuer} signs with {ca.signer}"


def _chain(facts: Facts, leaf: Leaf) -> str:
    """Whether what is sent along leads to the CA that signed it: the issuer's, else the leaf's own `ca.crt`."""
    ca, held = facts.authority_of(leaf), leaf.material
    if held is None or not held.chain:
        return ""
    current = ca is not None and leaf.signed_by(ca.signer)
    roots = (ca.anchor,) if ca is not None and current else held.ca_crt
    verdict = verify(held.chain[0], intermediates=held.chain[1:], roots=roots, at=held.chain[0].not_before)
    return "" if verdict.ok or not roots else verdict.reason


def _acceptances(facts: Facts, leaf: Leaf, kind: str) -> Iterator[Acceptance]:
    chain = leaf.material.chain if leaf.material else ()
    if not chain:
        return
    for trust in facts.trusts:
        for name in names_asked(trust.consumer, leaf):
            accepts = trust.consumer.verify
            verdict = accepts(chain[0], intermediates=chain[1:], roots=trust.roots, at=facts.at, name=name)
            if not verdict.ok:
                break
        else:
            if not names_asked(trust.consumer, leaf):
                continue
        yield Acceptance(f"{trust.consumer.name} in {trust.consumer.namespace}", verdict.reason)
    for bundle in facts.published if kind == "cluster-local" else ():
        verdict = verify(chain[0], intermediates=chain[1:], roots=bundle.certificates, at=facts.at)
        yield Acceptance(f"workloads with {bundle.ref}", verdict.reason)


def _unseen(facts: Facts, leaf: Leaf, *, ours: bool) -> Iterator[tuple[str, str]]:
    """The aspects nothing can be said of, each with the reason."""
    if leaf.material is None and not facts.covers(SECRET, leaf.ref.namespace):
        yield "issuance", "its Secret was not read"
    elif leaf.x509 is not None:
        if not KEYS.holds(facts):
            yield "key", "private keys were not read"
        if ours and facts.authority_of(leaf) is None:
            yield "issuer", f"the CA of {leaf.issuer} was not read"
        if ours and facts.authority_of(leaf) is None and leaf.material and not leaf.material.ca_crt:
            yield "chain", "no CA that it should lead to was read"


def _verification(facts: Facts, certificate: Object) -> Verification:
    leaf, kind = leaf_of(facts.observation, certificate), _kind(facts, certificate)
    ours = kind not in ("CA", "other")
    unseen = dict(_unseen(facts, leaf, ours=ours))
    problems = {
        "names": _names(facts, leaf) if ours and leaf.x509 else "",
        "key": _key(facts, leaf),
        "time": time_problem(leaf.x509, facts.at) if leaf.x509 else "",
        "chain": _chain(facts, leaf) if ours else "",
        "issuer": _issuer(facts, leaf) if ours else "",
        "issuance": leaf.failure or ("" if leaf.x509 or unseen else "its Secret holds no certificate"),
    }
    accepted = tuple(_acceptances(facts, leaf, kind)) if ours else ()
    return Verification(leaf.ref, kind, leaf.issuer, leaf.x509, problems, accepted, leaf.issuing, unseen)


def verifications(facts: Facts, namespace: str = "") -> tuple[Verification, ...]:
    """Every Certificate, judged, those that end first at the top; those without a certificate before all."""
    found = [
        _verification(facts, obj)
        for obj in facts.observation.all(CERTIFICATE)
        if not namespace or namespace_of(obj) == namespace
    ]
    earliest = facts.at.min.replace(tzinfo=facts.at.tzinfo)
    return tuple(sorted(found, key=lambda entry: (entry.expires or earliest, entry.ref)))
