"""Holding reconcilers: one that would get in the way does nothing while we have its Lease, all others go on."""

from __future__ import annotations

from kntls.knative.leases import (
    REVISION,
    Reconciler,
    ending_pods_of,
    holder_of,
    is_live,
    leases_of,
    of_controller,
    of_operator,
    pods_of,
    runs,
)
from kntls.model.kinds import DEPLOYMENT, KNATIVE_SERVING, LEASE, POD
from kntls.model.objects import Object, ObjectRef, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.surfaces.config import operator_done
from kntls.surfaces.freeze import PACE
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import rolled_out

READS = frozenset({LEASE, POD, DEPLOYMENT})
SENTENCES = {
    REVISION: "Keep Knative from rolling Revisions: hold the Lease of its revision reconciler",
    "operator": "Keep the operator from taking things back: hold the Lease of its reconciler",
}


def _ref(obj: Object) -> ObjectRef:
    kind = LEASE if obj.get("kind") == LEASE.name else POD
    return ObjectRef(kind, name_of(obj), namespace_of(obj))


def revision(ground: Ground) -> Reconciler:
    """The reconciler that rolls queue-proxies."""
    return of_controller(ground.installation, REVISION)


def is_possible(observation: Observation, ground: Ground) -> bool:
    """Whether what is needed has Leases, and we may take them."""
    needed = [revision(ground)]
    if ground.installation.operator is not None:
        operator = of_operator(observation)
        needed += [operator] if operator else []
        if operator is None:
            return False
    return ground.request.may_hold and all(leases_of(observation, one) for one in needed)


def hold(ground: Ground, target: Reconciler, *, pace: float = PACE, limit: float = 0.0) -> Action:
    """Take its Leases: its pods are deleted, and what they give back is ours before the new ones ask.

    It is held when those pods are gone: until then they finish what they were writing, from what they knew.
    """
    holder = ground.request.holder

    def changes(observation: Observation) -> tuple[Change, ...]:
        wanted = [lease for lease in leases_of(observation, target) if holder_of(lease) != holder]
        pods = pods_of(observation, target)
        theirs = pods if any(is_live(lease, pods) for lease in wanted) else ()
        taking = (Change(Verb.HOLD, _ref(lease), {"holder": holder}) for lease in wanted)
        return (*taking, *(Change(Verb.DELETE, _ref({"kind": "Pod", **pod})) for pod in theirs))

    def done(observation: Observation) -> Progress:
        ours = {str(_ref(lease)): holder_of(lease) == holder for lease in leases_of(observation, target)}
        found = observation.find(target.deployment)
        ending = {f"the end of Pod {name_of(pod)}": False for pod in ending_pods_of(observation, target)}
        return Progress.of(
            {**ours, f"{target.deployment} rolled out": found is not None and rolled_out(found), **ending}
        )

    return Action(
        f"hold/{target.name}",
        SENTENCES[target.name],
        done,
        changes,
        inverse=lambda observation: _releasing(observation, ground, target),
        reads=READS,
        temporary=True,
        pace=pace,
        limit=limit,
    )


def _releasing(observation: Observation, ground: Ground, target: Reconciler) -> tuple[Change, ...]:
    mine = [lease for lease in leases_of(observation, target) if holder_of(lease) == ground.request.holder]
    return tuple(Change(Verb.RELEASE, _ref(lease)) for lease in mine)


def release(ground: Ground, target: Reconciler) -> Action:
    """Give the Leases back and see them at work again; the operator until it agrees with the configuration."""

    def done(observation: Observation) -> Progress:
        working = {f"the {target.name} reconciler at work": runs(observation, target)}
        settled = operator_done(observation, ground.installation) if target.name == "operator" else {}
        return Progress.of({**working, **settled})

    return Action(
        f"release/{target.name}",
        f"Let the {target.name} reconciler work again",
        done,
        lambda observation: _releasing(observation, ground, target),
        reads=READS | ({KNATIVE_SERVING} if target.name == "operator" else frozenset()),
        releases=(f"hold/{target.name}",),
    )


def at_work(ground: Ground, *names: str) -> Action:
    """Wait until a running controller has their Leases: after a restart nobody may for up to ten seconds."""

    def done(observation: Observation) -> Progress:
        working = {name: runs(observation, of_controller(ground.installation, name)) for name in names}
        return Progress.of({f"the {name} reconciler at work": so for name, so in working.items()})

    return Action(
        f"wait/{'-'.join(names)}",
        f"See Knative's reconcilers at work: {', '.join(names)}",
        done,
        reads=READS,
        pace=0.5,
    )
