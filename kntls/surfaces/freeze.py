"""Freezing Envoy: without net-kourier-controller it keeps its last configuration, whatever Knative does meanwhile.

It must be short: Envoy goes on using endpoints that are ending, activators for 45 s, queue-proxies for 30 s.
"""

from __future__ import annotations

from kntls.engine.restore import ANNOTATION, changing, restoring
from kntls.knative.names import NET_KOURIER
from kntls.model.kinds import DEPLOYMENT, POD
from kntls.model.objects import Object, ObjectRef, annotations_of, dig, labels_of, name_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import rolled_out

LIMIT = 25.0
"""Seconds for each step while Envoy is frozen."""
PACE = 0.2
READS = frozenset({DEPLOYMENT, POD})


def kourier(ground: Ground) -> ObjectRef:
    """The Deployment that tells Envoy what to do."""
    return ObjectRef(DEPLOYMENT, NET_KOURIER, ground.installation.ingress_namespace)


def _replicas(deployment: Object | None) -> int:
    return int(dig(deployment or {}, "spec", "replicas", default=1))


def is_frozen(observation: Observation, ground: Ground) -> bool:
    """Whether a freeze of ours is in force: the Deployment says what it was before."""
    return ANNOTATION in annotations_of(observation.find(kourier(ground)) or {})


def _resuming(observation: Observation, ground: Ground) -> tuple[Change, ...]:
    found = observation.find(kourier(ground))
    return restoring(found, kourier(ground)) if found else ()


def _resumed(observation: Observation, ground: Ground) -> Progress:
    ref = kourier(ground)
    found = observation.find(ref)
    back = found is not None and not is_frozen(observation, ground) and rolled_out(found)
    return Progress.of({f"{ref} back": back})


def freeze(ground: Ground, id: str, why: str) -> Action:
    """Stop net-kourier-controller; what it had is noted on the Deployment, so that it is put back whatever happens."""
    ref = kourier(ground)

    def changes(observation: Observation) -> tuple[Change, ...]:
        replicas = _replicas(observation.find(ref))
        former = {"spec": {"replicas": replicas}}
        return (changing(ref, {"spec": {"replicas": 0}}, former),) if replicas else ()

    def done(observation: Observation) -> Progress:
        pods = observation.all(POD, namespace=ref.namespace)
        left = [name_of(pod) for pod in pods if labels_of(pod).get("app") == NET_KOURIER]
        stopped = _replicas(observation.find(ref)) == 0
        return Progress.of({f"{ref} stopped": stopped, **{f"the end of Pod {name}": False for name in left}})

    return Action(
        id,
        f"Freeze Envoy: {why}",
        done,
        changes,
        inverse=lambda observation: _resuming(observation, ground),
        reads=READS,
        temporary=True,
        unbroken=True,
        undone=lambda observation: _resumed(observation, ground),
        pace=PACE,
        limit=2 * LIMIT,
    )


def resume(ground: Ground, id: str, releases: tuple[str, ...] = ()) -> Action:
    """Put net-kourier-controller back as it was."""
    return Action(
        id,
        "Let Envoy go on",
        lambda observation: _resumed(observation, ground),
        lambda observation: _resuming(observation, ground),
        reads=READS,
        releases=releases,
        pace=PACE,
    )
