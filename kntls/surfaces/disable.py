"""The plan of `disable`: the way back. Everybody still listens on the plain port, so Envoy moves first.

Then the activators, which stop dialling the TLS port; and only when the last old one is gone the queue-proxies, which
the held Lease of the revision reconciler keeps until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kntls.engine.run import some
from kntls.knative.installation import Flavour
from kntls.knative.leases import CERTIFICATE, ROUTE, of_controller, runs
from kntls.knative.names import CONFIG_NETWORK, LEGACY_FLAG, Surface
from kntls.model.kinds import CONFIG_MAP, POD
from kntls.model.observation import Observation
from kntls.model.plan import Action, Plan
from kntls.surfaces import clean, freeze, hold, restart, steps
from kntls.surfaces.config import Settings, setting
from kntls.surfaces.order import (
    is_hitless,
    is_needed,
    put_back_left_over,
    services,
    staged,
    why_not_hitless,
    with_operator_held,
)
from kntls.surfaces.request import Ground, Request, ground_of
from kntls.surfaces.rollout import has_certificate, no_ending_activator, revision_deployments

SYSTEM = Surface.SYSTEM_INTERNAL
INTERRUPTION = "3 s and more, until activators and queue-proxies have followed"
"""How long the documented order answered 503 where it was measured."""


def disable(observation: Observation, request: Request) -> Plan:
    """The plan that turns the requested surfaces off. Raises what detection raises."""
    ground = ground_of(observation, request, signing=False)
    title = f"Turn off {' and '.join(surface for surface in Surface if ground.wants(surface))}"
    actions = tuple(_actions(observation, ground))
    interruptions = tuple(_interruptions(observation, ground))
    return Plan(title, actions, tuple(_notes(observation, ground)), interruptions, (), _eta(observation, ground))


def _remaining(observation: Observation, ground: Ground) -> tuple[Surface, ...]:
    return tuple(surface for surface in ground.network(observation).surfaces if not ground.wants(surface))


def _actions(observation: Observation, ground: Ground) -> Iterator[Action]:
    """system-internal last: that its activators are younger than the last change tells that they know of it."""
    others = tuple(surface for surface in Surface if ground.wants(surface) and surface != SYSTEM)
    careful = ground.wants(SYSTEM) and is_needed(observation, ground)
    left = put_back_left_over(observation, ground, frozen=not careful)
    yield from staged("left over from an interrupted run", left)
    for surface in others:
        yield from staged(str(surface), [_flags(ground, (surface,)), steps.addresses(surface, "http")])
    if careful:
        yield from _carefully(observation, ground)
    elif ground.wants(SYSTEM):
        yield from _documented(ground)
    yield from staged("clean up", _cleaning(observation, ground))


def _cleaning(observation: Observation, ground: Ground) -> Iterator[Action]:
    remaining = _remaining(observation, ground)
    if not remaining and runs(observation, of_controller(ground.installation, CERTIFICATE)):
        yield restart.controller_again(ground)
    if ground.request.clean:
        yield from clean.actions(observation, ground, frozenset(Surface) - set(remaining))


def _flags(ground: Ground, surfaces: tuple[Surface, ...]) -> Action:
    """Flags off; the legacy key too, which would overrule the new one."""
    wanted = steps.switched(surfaces, on=False)

    def settings(observation: Observation) -> Settings:
        legacy = SYSTEM in surfaces and ground.network(observation).legacy
        return {**wanted(observation, ground), **({LEGACY_FLAG: "false"} if legacy else {})}

    sentence = f"Turn off {' and '.join(surfaces)}"
    id = f"flag/{'-'.join(surfaces)}"
    return setting(ground, id, sentence, CONFIG_NETWORK, settings)


def _carefully(observation: Observation, ground: Ground) -> Iterator[Action]:
    stop_operator: list[Action] = []
    let_operator_go_on: list[Action] = []
    held = any(has_certificate(obj) for obj in revision_deployments(observation))
    if held or ground.network(observation).on(SYSTEM):
        ground, stop_operator, let_operator_go_on = with_operator_held(observation, ground)
    rolling = [hold.release(ground, hold.revision(ground))] if held else []
    rolled = steps.revisions("revisions", encrypted=False)
    yield from staged("Envoy", [*stop_operator, *_envoy(observation, ground, held=held)])
    yield from staged("activators", _activators(ground))
    yield from staged("queue-proxies", [*_while_off(ground, [*rolling, rolled]), *let_operator_go_on])


def _while_off(ground: Ground, actions: Iterable[Action]) -> Iterator[Action]:
    """The same actions, refused where somebody has turned the surface on again: they would wait for nothing."""

    def guard(observation: Observation) -> str:
        return f"somebody turned {SYSTEM} on again meanwhile" if ground.network(observation).on(SYSTEM) else ""

    for action in actions:
        yield replace(action, guard=guard, reads=action.reads | {CONFIG_MAP})


def _envoy(observation: Observation, ground: Ground, *, held: bool) -> Iterator[Action]:
    installation, limit, pace = ground.installation, freeze.LIMIT, freeze.PACE
    is_on = ground.network(observation).on(SYSTEM)
    if held:
        yield hold.hold(ground, hold.revision(ground))
        yield hold.at_work(ground, ROUTE)
    if is_on:
        yield freeze.freeze(ground, "freeze", "Knative may now tell it the plain ports")
        yield replace(_flags(ground, (SYSTEM,)), pace=pace)
    yield steps.port("port-80", installation, 80, limit=limit, pace=pace)
    if is_on or freeze.is_frozen(observation, ground):
        yield freeze.resume(ground, "resume", ("freeze",))
    yield steps.ingresses("ingress-plain", installation)


def _activators(ground: Ground) -> Iterator[Action]:
    yield restart.activator(ground)
    yield steps.endpoints("endpoints", ground.installation)
    yield _drained(ground)


def _drained(ground: Ground) -> Action:
    """Activators that are ending still dial the TLS port of queue-proxies; they take up to 45 s."""
    return steps.wait(
        "drained",
        "See the last of the old activators gone",
        lambda observation: no_ending_activator(observation, ground.installation),
        frozenset({POD}),
    )


def _documented(ground: Ground) -> Iterator[Action]:
    yield from staged("flags", [_flags(ground, (SYSTEM,))])
    yield from staged("activators", [restart.activator(ground)])
    yield from staged("queue-proxies", [steps.revisions("revisions", encrypted=False)])


def _interruptions(observation: Observation, ground: Ground) -> Iterator[str]:
    named = services(observation)
    turning_off = ground.wants(SYSTEM) and ground.network(observation).on(SYSTEM)
    if turning_off and named and not is_hitless(observation, ground):
        yield f"requests to {some(named)} fail with 503 for about {INTERRUPTION}: {why_not_hitless(ground)}"
    for surface in (Surface.CLUSTER_LOCAL, Surface.EXTERNAL_DOMAIN):
        if ground.wants(surface) and ground.network(observation).on(surface):
            yield f"clients that call {surface} addresses with https must go back to http"


def _notes(observation: Observation, ground: Ground) -> Iterator[str]:
    if ground.network(observation).legacy and ground.wants(SYSTEM):
        yield f"the legacy key {LEGACY_FLAG} is set to false: it would keep {SYSTEM} on"
    if ground.installation.flavour == Flavour.OPENSHIFT:
        yield "the KnativeServing is changed; the operator writes the ConfigMaps"
    if not ground.request.clean:
        yield "issuers, CA, bundles and certificates stay; --clean deletes the certificates of surfaces that are off"


def _eta(observation: Observation, ground: Ground) -> float:
    return 110.0 if ground.wants(SYSTEM) and ground.network(observation).on(SYSTEM) else 15.0
