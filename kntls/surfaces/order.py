"""Which order can be used, whom the other one interrupts, and what an interrupted run left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kntls.engine.restore import left_over, restoring
from kntls.knative.installation import Flavour
from kntls.knative.leases import of_operator
from kntls.knative.names import SERVICE_LABEL, Surface
from kntls.model.objects import ObjectRef, labels_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.surfaces import freeze, hold, steps
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import revision_deployments

PROVEN = frozenset({Flavour.UPSTREAM, Flavour.OPERATOR})
"""Where the order without interruption was seen to work."""


def is_hitless(observation: Observation, ground: Ground) -> bool:
    """Whether the order that drops no request can be used: it was proven there, and we may hold what is in its way."""
    proven = ground.installation.flavour in PROVEN
    return proven and hold.is_possible(observation, ground) and observation.find(freeze.kourier(ground)) is not None


def is_needed(observation: Observation, ground: Ground) -> bool:
    """Whether that order has anybody to spare: Revisions, whose requests the switch would cut."""
    return is_hitless(observation, ground) and any(revision_deployments(observation))


def staged(stage: str, actions: Iterable[Action]) -> Iterator[Action]:
    """The same actions under one heading."""
    return (replace(action, stage=stage) for action in actions)


def with_operator_held(observation: Observation, ground: Ground) -> tuple[Ground, list[Action], list[Action]]:
    """The ground of a careful order: with an operator, the actions that stop it before and let it go on after."""
    operator = of_operator(observation) if ground.installation.operator else None
    if operator is None:
        return ground, [], []
    holding = hold.hold(ground, operator, pace=0.5)
    return replace(ground, operator_is_held=True), [holding], [hold.release(ground, operator)]


def why_not_hitless(ground: Ground) -> str:
    """Why that order cannot be used."""
    if ground.installation.flavour not in PROVEN:
        return f"an order without interruption is not proven for {ground.installation.flavour}"
    if not ground.request.may_hold:
        return "no permission to write Leases and Deployments and to delete pods in Serving's namespace"
    return "the Leases of the reconcilers in its way are not there to be held"


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
        releases=releases,
    )


def put_back_left_over(observation: Observation, ground: Ground, *, frozen: bool = True) -> Iterator[Action]:
    """What a run that was killed left behind; with `frozen=False` a freeze is lifted by the plan itself, later."""
    for ref in left_over(observation):
        if ref != freeze.kourier(ground):
            yield put_back(ref, f"restore/{ref.namespace}/{ref.name}")
        elif frozen:
            number = 443 if ground.network(observation).on(Surface.SYSTEM_INTERNAL) else 80
            yield steps.port("port-before", ground.installation, number)
            yield freeze.resume(ground, "resume/left-over")
