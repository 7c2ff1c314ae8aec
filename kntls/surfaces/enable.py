"""The plan of `enable`: issuers, trust and references first, then the surfaces, then the proof.

For system-internal the order is the one that drops no request: queue-proxies first, then activators, Envoy last. The
flag goes on for a moment so that Knative writes the new Deployments; holding the revision reconciler's Lease keeps them
while the flag is off again and Envoy follows the roll; only when everybody listens on the TLS port is Envoy sent there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kntls.engine.restore import changing
from kntls.knative.config import issuer_ref, render_issuer_ref
from kntls.knative.leases import REVISION, ROUTE
from kntls.knative.names import (
    ACTIVATOR,
    CONFIG_CERTMANAGER,
    CONFIG_NETWORK,
    Surface,
)
from kntls.model.kinds import CONFIG_MAP
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress
from kntls.surfaces import bundle, certificates, config, freeze, hold, issuers, probe, restart, steps
from kntls.surfaces.config import Settings, setting, setting_for_now, straight
from kntls.surfaces.notes import interruptions, notes
from kntls.surfaces.order import (
    is_hitless,
    is_needed,
    put_back,
    put_back_left_over,
    restoration,
    staged,
    with_operator_held,
)
from kntls.surfaces.refusals import refusals
from kntls.surfaces.request import Ground, Request, ground_of
from kntls.surfaces.rollout import rollout

SYSTEM = Surface.SYSTEM_INTERNAL
WILDCARD = "namespace-wildcard-cert-selector"
NOBODY = "matchLabels:\n  kntls.dev/matches: nothing\n"
"""A selector that turns the certificate controller on and selects no namespace (serving `pkg/networking/util.go`)."""


def enable(observation: Observation, request: Request) -> Plan:
    """The plan that turns the requested surfaces on. Raises what detection raises."""
    ground = ground_of(observation, request)
    refused = tuple(dict.fromkeys(refusals(observation, ground)))
    title = f"Turn on {' and '.join(surface for surface in Surface if ground.wants(surface))}"
    if refused:
        return Plan(title, (), refusals=refused)
    actions = tuple(_actions(observation, ground))
    interrupted, known = tuple(interruptions(observation, ground)), tuple(notes(observation, ground))
    return Plan(title, actions, known, interrupted, (), _eta(observation, ground))


def _actions(observation: Observation, ground: Ground) -> Iterator[Action]:
    others = tuple(surface for surface in Surface if ground.wants(surface) and surface != SYSTEM)
    finishing = ground.wants(SYSTEM) and ground.network(observation).on(SYSTEM)
    left = put_back_left_over(observation, ground, frozen=not finishing)
    yield from staged("left over from an interrupted run", left)
    yield from staged("issuers and trust", _trust(observation, ground))
    if finishing:
        yield from _finishing(observation, ground, others)
    elif ground.wants(SYSTEM) and is_needed(observation, ground):
        yield from _carefully(observation, ground, others)
    elif ground.wants(SYSTEM):
        yield from _documented(observation, ground, others)
    else:
        yield from staged("certificates", _certificates(observation, ground, others))
    yield from staged("proof", _proof(ground, others))


def _trust(observation: Observation, ground: Ground) -> Iterator[Action]:
    yield from issuers.actions(observation, ground)
    yield from probe.actions(observation, ground)
    yield from bundle.actions(observation, ground)
    yield from probe.cleaning(observation, ground)


def _references(observation: Observation, ground: Ground) -> Action:
    names = issuers.chosen(observation, ground)

    def settings(now: Observation) -> Settings:
        present = {surface: issuer_ref(now, ground.namespace, surface) for surface in names}
        wrong = [s for s, ref in present.items() if (ref.name, ref.kind) != (names[s], "ClusterIssuer")]
        return {surface.issuer_key: render_issuer_ref(names[surface]) for surface in wrong}

    listed = ", ".join(dict.fromkeys(names.values()))
    sentence = f"Name {listed} as issuer in {CONFIG_CERTMANAGER}"
    return setting(ground, "issuer-refs", sentence, CONFIG_CERTMANAGER, settings)


def _certificates(observation: Observation, ground: Ground, others: tuple[Surface, ...]) -> Iterator[Action]:
    """References, flags of surfaces that need nothing but certificates, and the controller that makes those."""
    yield _references(observation, ground)
    if others:
        yield steps.flags(ground, others)
    yield restart.controller(ground)
    for surface in others:
        yield steps.addresses(surface, "https")


def _finishing(observation: Observation, ground: Ground, others: tuple[Surface, ...]) -> Iterator[Action]:
    """system-internal is on already: what an interrupted run, or somebody by hand, left to do."""
    installation = ground.installation
    yield from staged("certificates", _certificates(observation, ground, others))
    yield from staged("queue-proxies", [steps.revisions("revisions", encrypted=True)])
    rest = [
        steps.routing_certificate(ground),
        restart.activator(ground),
        steps.endpoints("endpoints", installation),
        steps.port("port-443", installation, 443),
    ]
    if freeze.is_frozen(observation, ground):
        rest.append(freeze.resume(ground, "resume"))
    yield from staged("activators and Envoy", rest)


def _documented(observation: Observation, ground: Ground, others: tuple[Surface, ...]) -> Iterator[Action]:
    """Flag, controller, certificate, activator: requests fail until everything has followed."""
    first = [_references(observation, ground), steps.flags(ground, (*others, SYSTEM)), restart.controller(ground)]
    yield from staged("certificates", [*first, steps.routing_certificate(ground)])
    yield from staged("activators", [restart.activator(ground)])
    yield from staged("queue-proxies", [steps.revisions("revisions", encrypted=True)])


def _carefully(observation: Observation, ground: Ground, others: tuple[Surface, ...]) -> Iterator[Action]:
    """The order that drops no request, with the operator held around it where there is one."""
    ground, stop_operator, let_operator_go_on = with_operator_held(observation, ground)
    alone = not others and not ground.network(observation).surfaces
    wildcard = [_certificates_on(ground)] if alone else []
    made = [*_certificates(observation, ground, others), steps.routing_certificate(ground), certificates.making(ground)]
    yield from staged("certificates", [*stop_operator, *wildcard, *made])
    yield from staged("queue-proxies", _queue_proxies(ground))
    yield from staged("activators and Envoy", _activators(ground))
    yield from staged("let go", [hold.release(ground, hold.revision(ground))])
    if alone:
        yield from staged("let go", [_certificates_off(ground)])
    yield from staged("let go", let_operator_go_on)


def _queue_proxies(ground: Ground) -> Iterator[Action]:
    installation = ground.installation
    yield hold.at_work(ground, REVISION, ROUTE)
    yield steps.ingresses("ingress-before", installation)
    yield from _first_freeze(ground)
    yield steps.revisions("revisions", encrypted=True)
    yield steps.endpoints("endpoints", installation)
    yield steps.ingresses("ingress-between", installation)


def _first_freeze(ground: Ground) -> Iterator[Action]:
    """The flag goes on for a moment: Knative writes the new Deployments, and the held Lease keeps them."""
    installation, limit, pace = ground.installation, freeze.LIMIT, freeze.PACE
    plain = steps.port("port-80", installation, 80, limit=limit, pace=pace)
    on, off = {SYSTEM.flag: steps.ENABLED}, {SYSTEM.flag: steps.DISABLED}
    yield freeze.freeze(ground, "freeze/1", "Knative may now write what Envoy must not follow yet")
    yield replace(
        setting_for_now(ground, "flag/moment", f"Turn on {SYSTEM} for a moment", CONFIG_NETWORK, on),
        temporary=True,
        inverse=lambda observation: straight(observation, installation, CONFIG_NETWORK, off),
        undone=plain.done,
        pace=pace,
    )
    yield steps.templates("templates", limit=limit, pace=pace)
    yield hold.hold(ground, hold.revision(ground), limit=2 * limit)
    back = f"Turn off {SYSTEM} again: Revisions keep their certificates, Envoy its ports"
    yield replace(
        setting_for_now(ground, "flag/back", back, CONFIG_NETWORK, off),
        releases=("flag/moment",),
        pace=pace,
    )
    yield plain
    yield freeze.resume(ground, "resume/1", ("freeze/1",))


def _activators(ground: Ground) -> Iterator[Action]:
    """Every queue-proxy listens on the TLS port: now the activators, then Envoy."""
    installation, limit, pace = ground.installation, freeze.LIMIT, freeze.PACE
    yield freeze.freeze(ground, "freeze/2", "activators restart behind it")
    yield replace(_for_good(ground), pace=pace)
    yield restart.activator(ground, pace=pace, limit=2 * limit)
    yield steps.endpoints("endpoints-new", installation, limit=limit, pace=pace)
    yield steps.port("port-443", installation, 443, limit=limit, pace=pace)
    yield freeze.resume(ground, "resume/2", ("freeze/2", f"flag/{SYSTEM}"))


def _for_good(ground: Ground) -> Action:
    """The flag, taken back where activators do not come up with it: while Envoy is frozen nobody has noticed yet."""
    off, activator = steps.switched((SYSTEM,), on=False), ground.installation.deployment(ACTIVATOR)
    plain = steps.port("port-80", ground.installation, 80)

    def inverse(observation: Observation) -> tuple[Change, ...]:
        flag = config.everywhere(observation, ground, CONFIG_NETWORK, off(observation, ground))
        return (*flag, restart.again(observation, activator)) if flag else ()

    def undone(observation: Observation) -> Progress:
        ports, rolled = plain.done(observation), rollout(observation, activator)
        return Progress(ports.done + rolled.done, ports.total + rolled.total, (*ports.missing, *rolled.missing))

    flag = steps.flags(ground, (SYSTEM,))
    reads = flag.reads | plain.reads | restart.READS
    return replace(flag, temporary=True, inverse=inverse, undone=undone, reads=reads)


def _certificates_on(ground: Ground) -> Action:
    """Have the controller make certificates though no surface is on yet."""
    ref = ObjectRef(CONFIG_MAP, CONFIG_NETWORK, ground.namespace)

    def selects(observation: Observation) -> bool:
        return bool(ground.network(observation).data.get(WILDCARD))

    def changes(observation: Observation) -> tuple[Change, ...]:
        former = {"data": {WILDCARD: None}}
        return () if selects(observation) else (changing(ref, {"data": {WILDCARD: NOBODY}}, former),)

    return Action(
        "wildcard/on",
        f"Turn on Knative's certificate controller by a {WILDCARD} that selects nothing",
        lambda observation: Progress.of({f"{WILDCARD} in {ref}": selects(observation)}),
        changes,
        inverse=lambda observation: restoration(observation, ref),
        reads=frozenset({CONFIG_MAP}),
        temporary=True,
    )


def _certificates_off(ground: Ground) -> Action:
    return put_back(ObjectRef(CONFIG_MAP, CONFIG_NETWORK, ground.namespace), "wildcard/off", ("wildcard/on",))


def _proof(ground: Ground, others: tuple[Surface, ...]) -> Iterator[Action]:
    """What must be seen before we say that it is done."""
    for surface in others:
        if ground.wants(SYSTEM):
            yield steps.addresses(surface, "https", "/last")
    if ground.wants(SYSTEM):
        yield steps.revisions("revisions-last", encrypted=True)
    yield steps.ingresses("ingress-last", ground.installation)
    yield steps.served(ground.installation)


def _eta(observation: Observation, ground: Ground) -> float:
    if not ground.wants(SYSTEM) or ground.network(observation).on(SYSTEM):
        return 20.0
    return 90.0 if is_hitless(observation, ground) else 60.0
