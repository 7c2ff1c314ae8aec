"""The API server: whether we may see what checks need, and do what commands do."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.checks.check import ERROR, INSTALLED, WARNING, Condition, Phase, Problem, check
from kntls.checks.facts import Facts
from kntls.checks.permissions import needed
from kntls.model.kinds import SELF_SUBJECT_ACCESS_REVIEW
from kntls.model.objects import dig

LIVE = Condition("a cluster is looked at, not files", lambda facts: facts.observation.live)
GRANT = "kubectl apply -k manifests/rbac"


def _refused(facts: Facts, command: str) -> Iterator[Problem]:
    for access in needed(facts, command):
        answer = facts.observation.get(SELF_SUBJECT_ACCESS_REVIEW, str(access))
        if answer is not None and not dig(answer, "status", "allowed", default=False):
            yield Problem(None, f"not allowed: {access}", f"kubectl auth can-i {access}; {GRANT}")


@check(
    "KN-API-001",
    "everything that is judged may be read",
    WARNING,
    when=(LIVE,),
    phase=Phase.BOTH,
    why="A kind of object that may not be listed is not judged: the checks that need it are listed as not looked at, "
    "and what is wrong there stays unknown.",
    remedy="Grant the read-only role of `manifests/rbac/view.yaml` to whoever runs the check.",
)
def readable(facts: Facts) -> Iterator[Problem]:
    """What could not be listed."""
    for entry in sorted(facts.observation.unread, key=lambda entry: entry.what):
        yield Problem(None, f"{entry.what}: {entry.reason}", GRANT)


@check(
    "KN-API-002",
    "you may do what `kntls enable` does",
    ERROR,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    why="`enable` writes issuers, a CA Certificate, trust bundles and Knative's configuration, and restarts two "
    "Deployments. A verb that is missing half-way leaves encryption half on.",
    remedy="Apply `manifests/rbac/surfaces.yaml`.",
)
def may_enable(facts: Facts) -> Iterator[Problem]:
    """Accesses `enable` lacks."""
    yield from _refused(facts, "enable")


@check(
    "KN-API-003",
    "you may do what `kntls rotate-ca` does",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    why="A rotation writes a CA Certificate, trust bundles, the issuer and the status of every Certificate, and holds "
    "a Lease. It stops, resumable, at the first verb that is missing.",
    remedy="Apply `manifests/rbac/rotate.yaml`.",
)
def may_rotate(facts: Facts) -> Iterator[Problem]:
    """Accesses `rotate-ca` lacks."""
    yield from _refused(facts, "rotate-ca")


@check(
    "KN-API-004",
    "pods may be reached for handshakes",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Only a handshake shows what a server really presents. From outside the cluster that takes "
    "`create pods/portforward`; without it a rotation cannot prove that nobody serves the old CA's leaf any more.",
    remedy="Apply `manifests/rbac/view.yaml`, or run kntls inside the cluster.",
)
def may_reach(facts: Facts) -> Iterator[Problem]:
    """Whether port-forwarding is allowed."""
    yield from _refused(facts, "handshakes")
