"""The API server: whether we may see what checks need, and do what commands do."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.checks.check import ERROR, INSTALLED, WARNING, Condition, Phase, Problem, check
from kntls.checks.facts import Facts
from kntls.checks.permissions import needed
from kntls.model.kinds import SELF_SUBJECT_ACCESS_REVIEW
from kntls.model.objects import dig

LIVE = Condition("a cluster is looked at, not files", lambda facts: facts.observation.live)


def grant(role: str) -> str:
    """The commands by which an administrator grants one of our roles; whom to, is a template."""
    binding = f"kubectl create clusterrolebinding {role} --clusterrole={role} --user=USER"
    return f"kubectl apply -k manifests/rbac; {binding}  # as an administrator"


def _refused(facts: Facts, command: str, role: str) -> Iterator[Problem]:
    for access in needed(facts, command):
        answer = facts.observation.get(SELF_SUBJECT_ACCESS_REVIEW, str(access))
        if answer is not None and not dig(answer, "status", "allowed", default=False):
            yield Problem(None, f"not allowed: {access}", grant(role))


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
        yield Problem(None, f"{entry.what}: {entry.reason}", grant("kntls-view"))


@check(
    "KN-API-002",
    "you may do what `kntls enable` does",
    ERROR,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    causes=("KN-API-005", "KN-API-006"),
    why="`enable` writes issuers, a CA Certificate, trust bundles, KCerts and Knative's configuration, restarts two "
    "Deployments and holds a Lease. A verb that is missing half-way leaves encryption half on.",
    remedy="Apply `manifests/rbac/surfaces.yaml` and `rotate.yaml`, and bind both roles.",
)
def may_enable(facts: Facts) -> Iterator[Problem]:
    """Accesses `enable` lacks."""
    yield from _refused(facts, "enable", "kntls-surfaces")


@check(
    "KN-API-003",
    "you may do what `kntls rotate-ca` does",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    why="A rotation writes a CA Certificate, trust bundles, the issuer and the status of every Certificate, and holds "
    "a Lease. It stops, resumable, at the first verb that is missing.",
    remedy="Apply `manifests/rbac/rotate.yaml`, and bind the role.",
)
def may_rotate(facts: Facts) -> Iterator[Problem]:
    """Accesses `rotate-ca` lacks."""
    yield from _refused(facts, "rotate-ca", "kntls-rotate")


@check(
    "KN-API-004",
    "pods may be reached for handshakes",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Only a handshake shows what a server really presents. From outside the cluster that takes "
    "`create pods/portforward`; without it a rotation cannot prove that nobody serves the old CA's leaf any more.",
    remedy="Apply `manifests/rbac/view.yaml` and bind the role, or run kntls inside the cluster.",
)
def may_reach(facts: Facts) -> Iterator[Problem]:
    """Whether port-forwarding is allowed."""
    yield from _refused(facts, "handshakes", "kntls-view")


@check(
    "KN-API-005",
    "you may do what turning encryption on without an interruption takes",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    why="The order that drops no request holds Knative's reconcilers by their Leases meanwhile. Without permission for "
    "that, `enable` and `disable` use an order that interrupts requests, and say so.",
    remedy="Apply `manifests/rbac/surfaces.yaml`, and bind the role.",
)
def may_hold(facts: Facts) -> Iterator[Problem]:
    """Accesses the careful order lacks."""
    yield from _refused(facts, "unbroken", "kntls-surfaces")


@check(
    "KN-API-006",
    "you may do what `kntls disable --clean` does",
    WARNING,
    needs=(SELF_SUBJECT_ACCESS_REVIEW,),
    when=(INSTALLED,),
    phase=Phase.BEFORE,
    why="Whoever turns encryption on should be able to turn it off again.",
    remedy="Apply `manifests/rbac/surfaces.yaml`, and bind the role.",
)
def may_disable(facts: Facts) -> Iterator[Problem]:
    """Accesses `disable` lacks."""
    yield from _refused(facts, "disable", "kntls-surfaces")
