"""Holding the revision reconciler: no queue-proxy is rolled while we have its Lease, everything else goes on."""

from __future__ import annotations

from kntls.knative.leases import REVISION, controller_pods, holder_of, is_live, leases_of, runs
from kntls.knative.names import CONTROLLER
from kntls.model.kinds import DEPLOYMENT, LEASE, POD
from kntls.model.objects import Object, ObjectRef, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.surfaces.freeze import LIMIT, PACE
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import rolled_out

ID = "hold/revision"
READS = frozenset({LEASE, POD, DEPLOYMENT})


def _leases(observation: Observation, ground: Ground) -> tuple[Object, ...]:
    return leases_of(observation, ground.installation, REVISION)


def _ref(lease: Object) -> ObjectRef:
    return ObjectRef(LEASE, name_of(lease), namespace_of(lease))


def is_possible(observation: Observation, ground: Ground) -> bool:
    """Whether there is such a Lease and we may take it."""
    return ground.request.may_hold and bool(_leases(observation, ground))


def hold(ground: Ground) -> Action:
    """Take the Leases: the controller's pods are deleted, and what they give back is ours before the new ones ask."""
    deployment = ground.installation.deployment(CONTROLLER)

    def changes(observation: Observation) -> tuple[Change, ...]:
        wanted = [lease for lease in _leases(observation, ground) if holder_of(lease) != ground.request.holder]
        pods = tuple(controller_pods(observation, ground.installation))
        taking = [Change(Verb.HOLD, _ref(lease), {"holder": ground.request.holder}) for lease in wanted]
        theirs = pods if any(is_live(lease, pods) for lease in wanted) else ()
        return (*taking, *(Change(Verb.DELETE, ObjectRef(POD, name_of(pod), namespace_of(pod))) for pod in theirs))

    def done(observation: Observation) -> Progress:
        ours = {f"{_ref(lease)}": holder_of(lease) == ground.request.holder for lease in _leases(observation, ground)}
        found = observation.find(deployment)
        return Progress.of({**ours, f"{deployment} rolled out": found is not None and rolled_out(found)})

    return Action(
        ID,
        "Keep Knative from rolling Revisions: hold the Lease of its revision reconciler",
        done,
        changes,
        inverse=lambda observation: _releasing(observation, ground),
        reads=READS,
        stage="system-internal",
        temporary=True,
        pace=PACE,
        limit=2 * LIMIT,
    )


def _releasing(observation: Observation, ground: Ground) -> tuple[Change, ...]:
    mine = [lease for lease in _leases(observation, ground) if holder_of(lease) == ground.request.holder]
    return tuple(Change(Verb.RELEASE, _ref(lease)) for lease in mine)


def release(ground: Ground) -> Action:
    """Give the Leases back and see the controller work with them again."""
    return Action(
        "release/revision",
        "Let Knative roll Revisions again",
        lambda observation: _working(observation, ground),
        lambda observation: _releasing(observation, ground),
        reads=READS,
        stage="system-internal",
        releases=(ID,),
    )


def _working(observation: Observation, ground: Ground) -> Progress:
    working = runs(observation, ground.installation, REVISION)
    ours = any(holder_of(lease) == ground.request.holder for lease in _leases(observation, ground))
    return Progress.of({"the revision reconciler at work": working and not ours})


def at_work(ground: Ground, *reconcilers: str) -> Action:
    """Wait until a running controller has their Leases: after a restart nobody may for up to ten seconds."""

    def done(observation: Observation) -> Progress:
        working = {name: runs(observation, ground.installation, name) for name in reconcilers}
        return Progress.of({f"the {name} reconciler at work": so for name, so in working.items()})

    return Action(
        f"wait/{'-'.join(reconcilers)}",
        f"See Knative's reconcilers at work: {', '.join(reconcilers)}",
        done,
        reads=READS,
        stage="system-internal",
        pace=0.5,
    )
