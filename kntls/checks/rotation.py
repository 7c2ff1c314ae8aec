"""Rotations that were left half-way, seen in certificates alone."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.certmanager.authority import Authority, authority_in
from kntls.checks.check import ERROR, INFO, INSTALLED, ON, PRESENT_TIME, SIGNING, WARNING, Problem, check
from kntls.checks.facts import Facts, parse_time
from kntls.engine.lease import NAME, SECONDS
from kntls.engine.restore import ANNOTATION, NOTED
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, KCERT, LEASE, SECRET
from kntls.model.objects import ObjectRef, annotations_of, dig, name_of, namespace_of

SIGNED = (CONFIG_MAP, KCERT, CERTIFICATE, SECRET, CLUSTER_ISSUER, DEPLOYMENT)


@check(
    "KN-ROT-001",
    "no rotation was left half-way",
    WARNING,
    needs=SIGNED,
    when=(ON, SIGNING),
    causes=("KN-LEAF-007", "KN-TRUST-021"),
    why="The issuer signs with one CA while leaves are signed by another: both must stay trusted, and every renewal "
    "moves one more leaf.",
    remedy="`kntls rotate-ca status` says where it stands; the same command goes on, `rollback` goes back.",
)
def half_way(facts: Facts) -> Iterator[Problem]:
    """Issuers with leaves of their present CA and others of another."""
    for name, ca in facts.authorities.items():
        mine = [leaf for leaf in facts.issued if leaf.issuer == name]
        moved = [leaf for leaf in mine if leaf.signed_by(ca.signer)]
        if 0 < len(moved) < len(mine):
            reason = (
                f"it signs with {ca.signer} of {ca.secret}, but {len(mine) - len(moved)} of {len(mine)} leaves do not"
            )
            fix = f"kntls rotate-ca status --issuer {name}"
            yield Problem(ObjectRef(CLUSTER_ISSUER, name), f"{reason} come from it", fix)


def _idle(facts: Facts) -> Iterator[tuple[Authority, Authority]]:
    """CAs that are trusted, and whose key lies here, but that neither sign nor have signed; with the one that does."""
    used = {ca.secret for ca in facts.authorities.values()}
    for secret in facts.observation.all(SECRET, namespace=facts.resources):
        ca = authority_in(facts.observation, ObjectRef(SECRET, name_of(secret), namespace_of(secret)))
        if ca is None or ca.secret in used or not ca.signer.is_ca or not facts.authorities:
            continue
        trusted = any(ca.anchor in trust.anchors for trust in facts.trusts)
        if trusted and not any(leaf.signed_by(ca.signer) for leaf in facts.issued):
            yield ca, next(iter(facts.authorities.values()))


@check(
    "KN-ROT-002",
    "no retired CA is still trusted",
    WARNING,
    needs=SIGNED,
    when=(ON, SIGNING),
    why="A CA that signs nothing any more and is still trusted keeps its key worth stealing: the last stage of its "
    "rotation was never carried out.",
    remedy="Run the rotation to its end, or `kntls trust remove` the CA.",
)
def retired(facts: Facts) -> Iterator[Problem]:
    """Trusted CAs older than the present one that nothing needs."""
    for ca, present in _idle(facts):
        if ca.signer.not_before < present.signer.not_before:
            reason = f"{ca.anchor} is trusted, but no leaf needs it any more"
            yield Problem(ca.secret, reason, f"kntls trust remove {ca.anchor.fingerprint}")


@check(
    "KN-ROT-003",
    "no rotation waits to be carried on",
    INFO,
    needs=SIGNED,
    when=(ON, SIGNING),
    why="A new CA is trusted but signs nothing yet: a rotation was prepared and not carried on. That is safe, for any "
    "time.",
    remedy="Go on with `kntls rotate-ca --new-secret NAME`, or `rollback`.",
)
def waiting(facts: Facts) -> Iterator[Problem]:
    """Trusted CAs not older than the present one that have signed nothing."""
    for ca, present in _idle(facts):
        if ca.signer.not_before >= present.signer.not_before:
            fix = f"kntls rotate-ca --new-secret {ca.secret.name}"
            yield Problem(ca.secret, f"{ca.anchor} is trusted, but nothing is signed with it yet", fix)


def _leases(facts: Facts) -> Iterator[tuple[ObjectRef, str, float]]:
    """Our Leases, who holds each, and how many seconds ago it was renewed."""
    for lease in facts.observation.all(LEASE):
        renewed = parse_time(dig(lease, "spec", "renewTime"))
        if name_of(lease) == NAME and renewed:
            holder = str(dig(lease, "spec", "holderIdentity", default="somebody"))
            yield ObjectRef(LEASE, NAME, namespace_of(lease)), holder, (facts.at - renewed).total_seconds()


@check(
    "KN-ROT-004",
    "no run of kntls was cut off",
    WARNING,
    needs=(LEASE,),
    when=(INSTALLED, PRESENT_TIME),
    why="The Lease of a run that ended in order is gone. One that is not renewed any more was left by a run that was "
    "killed: what it did is half done, and temporary settings may still be in place.",
    remedy="Run the same command again: it goes on, and takes temporary settings back.",
)
def cut_off(facts: Facts) -> Iterator[Problem]:
    """Leases nobody renews."""
    for ref, holder, age in _leases(facts):
        if age > SECONDS:
            fix = "run the command that was killed again; `kntls rotate-ca status` shows where a rotation stands"
            yield Problem(ref, f"{holder} has not renewed it for {age:.0f} s", fix)


@check(
    "KN-ROT-005",
    "no temporary setting was left behind",
    ERROR,
    needs=(DEPLOYMENT, CONFIG_MAP, LEASE),
    when=(INSTALLED,),
    causes=("KN-SERVE-009",),
    why="`enable` and `disable` freeze the gateway's controller for seconds. A run that was killed meanwhile left it "
    "scaled to none: Envoy follows no change any more until it is put back.",
    remedy="Run the same `enable` or `disable` again: it puts back first what the annotation says.",
)
def put_back(facts: Facts) -> Iterator[Problem]:
    """Objects that carry the note of a temporary change while no run is at work."""
    if any(age <= SECONDS for _, _, age in _leases(facts)):
        return
    for kind in NOTED:
        for obj in facts.observation.all(kind):
            if note := annotations_of(obj).get(ANNOTATION):
                fix = "run the `kntls enable` or `kntls disable` that was killed again"
                yield Problem(ObjectRef(kind, name_of(obj), namespace_of(obj)), f"still to be put back: {note}", fix)
