"""Which order can be used, whom the other one interrupts, and what an interrupted run left behind."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.engine.restore import left_over, restoring
from kntls.knative.installation import Flavour
from kntls.knative.names import SERVICE_LABEL, Surface
from kntls.model.objects import ObjectRef, labels_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.surfaces import freeze, hold, steps
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import revision_deployments


def is_hitless(observation: Observation, ground: Ground) -> bool:
    """Whether the order that drops no request can be used: nobody reverts us, and we may hold the Lease."""
    upstream = ground.installation.flavour == Flavour.UPSTREAM
    return upstream and hold.is_possible(observation, ground) and observation.find(freeze.kourier(ground)) is not None


def why_not_hitless(ground: Ground) -> str:
    """Why that order cannot be used."""
    if ground.installation.flavour != Flavour.UPSTREAM:
        return "the operator would take back what an order without interruption needs"
    if not ground.request.may_hold:
        return "no permission to write Leases and Deployments and to delete pods in Serving's namespace"
    return "the Lease of the revision reconciler is not there to be held"


def services(observation: Observation) -> tuple[str, ...]:
    """The Services (namespace/name) whose requests pass the activator or a queue-proxy."""
    found = {(namespace_of(obj), labels_of(obj).get(SERVICE_LABEL, "")) for obj in revision_deployments(observation)}
    return tuple(sorted(f"{space}/{name}" for space, name in found if name))


def restoration(observation: Observation, ref: ObjectRef) -> tuple[Change, ...]:
    """What takes a temporary change of that object back, as its own note says."""
    found = observation.find(ref)
    return restoring(found, ref) if found else ()


def put_back(ref: ObjectRef, id: str, releases: tuple[str, ...] = ()) -> Action:
    """Take back what was changed for a time, as the object's own note says."""
    return Action(
        id,
        f"Put {ref} back as it was",
        lambda observation: Progress.of({f"{ref} as before": not restoration(observation, ref)}),
        lambda observation: restoration(observation, ref),
        reads=frozenset({ref.kind}),
        stage="clean up",
        releases=releases,
    )


def put_back_left_over(observation: Observation, ground: Ground) -> Iterator[Action]:
    """What a run that was killed left behind; a freeze is lifted where Envoy may follow, else in its place later."""
    for ref in left_over(observation):
        if ref == freeze.kourier(ground):
            if not ground.network(observation).on(Surface.SYSTEM_INTERNAL):
                yield steps.port("port-80-before", ground.installation, 80)
                yield freeze.resume(ground, "resume/left-over")
        else:
            yield put_back(ref, f"restore/{ref.namespace}/{ref.name}")
