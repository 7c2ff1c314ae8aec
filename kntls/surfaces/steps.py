"""The waits between the changes, each with what it waits for, and the flags."""

from __future__ import annotations

from collections.abc import Callable

from kntls.certmanager.material import material_of
from kntls.knative.installation import Installation
from kntls.knative.names import CONFIG_NETWORK, ROUTING_CERTIFICATE, USER_CERTIFICATE, Surface
from kntls.model.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HANDSHAKES,
    KCERT,
    KINGRESS,
    POD,
    REVISION,
    ROUTE,
    SECRET,
    SERVICE,
    Kind,
)
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Progress
from kntls.surfaces import rollout
from kntls.surfaces.config import Settings, setting
from kntls.surfaces.request import Ground

ENABLED, DISABLED = "Enabled", "Disabled"
STEADY = 2.0
"""Seconds that the last proof must hold, so that a pod that appears meanwhile is met as well."""

Judge = Callable[[Observation], Progress]


def wait(
    id: str, sentence: str, done: Judge, reads: frozenset[Kind], *, pace: float = 1.0, limit: float = 0.0
) -> Action:
    """An action that only waits."""
    return Action(f"wait/{id}", sentence, done, reads=reads, pace=pace, limit=limit)


def routing_certificate(ground: Ground) -> Action:
    """The certificate without which an activator with TLS does not start."""
    ref = ObjectRef(SECRET, ROUTING_CERTIFICATE, ground.namespace)
    return wait(
        "routing-certificate",
        f"See {ref} issued",
        lambda observation: issued(observation, (ref,)),
        frozenset({SECRET}),
        pace=0.5,
    )


def issued(observation: Observation, refs: tuple[ObjectRef, ...]) -> Progress:
    """Whether each of these Secrets holds a certificate with its key."""
    found = {ref: material_of(observation, ref) for ref in refs}
    return Progress.of({f"{ref} issued": bool(one and one.chain and one.key_matches) for ref, one in found.items()})


def user_secrets(namespaces: tuple[str, ...]) -> tuple[ObjectRef, ...]:
    """The queue-proxies' Secrets."""
    return tuple(ObjectRef(SECRET, USER_CERTIFICATE, space) for space in namespaces)


def revisions(id: str, *, encrypted: bool) -> Action:
    """Every Revision's pods are of that mode."""
    return wait(
        id,
        f"See every Revision's pods {'with' if encrypted else 'without'} a certificate",
        lambda observation: rollout.revisions_rolled(observation, encrypted=encrypted),
        frozenset({DEPLOYMENT, REVISION}),
        pace=0.5,
    )


def templates(id: str, *, limit: float, pace: float) -> Action:
    """Knative has written the certificate into every Revision's Deployment."""
    return wait(
        id,
        "See the certificate in every Revision's Deployment",
        lambda observation: rollout.templates(observation, encrypted=True),
        frozenset({DEPLOYMENT, REVISION}),
        pace=pace,
        limit=limit,
    )


def endpoints(id: str, installation: Installation, *, limit: float = 0.0, pace: float = 0.5) -> Action:
    """Nothing that is ending is left among the endpoints."""
    return wait(
        id,
        "See only live activators and Revision pods among the endpoints",
        lambda observation: rollout.endpoints_current(observation, installation),
        frozenset({POD, SERVICE, ENDPOINT_SLICE, REVISION}),
        pace=pace,
        limit=limit,
    )


def port(id: str, installation: Installation, number: int, *, limit: float = 0.0, pace: float = 0.5) -> Action:
    """Knative tells Envoy that port."""
    return wait(
        id,
        f"See every KIngress at port {number}",
        lambda observation: rollout.ports(observation, installation, number),
        frozenset({KINGRESS}),
        pace=pace,
        limit=limit,
    )


def ingresses(id: str, installation: Installation) -> Action:
    """Envoy was probed with its present configuration."""
    return wait(
        id,
        "See every KIngress Ready with what it says now",
        lambda observation: rollout.ingresses_ready(observation, installation),
        frozenset({KINGRESS}),
        pace=0.5,
    )


def addresses(surface: Surface, scheme: str, id: str = "") -> Action:
    """Every Route says that scheme."""
    judge = rollout.local_addresses if surface == Surface.CLUSTER_LOCAL else rollout.external_addresses
    return wait(
        f"{surface}/{scheme}{id}",
        f"See every Route's {surface} address with {scheme}",
        lambda observation: judge(observation, scheme),
        frozenset({ROUTE}),
    )


def served(installation: Installation) -> Action:
    """The proof: handshakes with every server."""
    return Action(
        "wait/handshakes",
        "See every server present its certificate in a handshake",
        lambda observation: rollout.serving_leaves(observation, installation),
        reads=frozenset({POD, SECRET, KCERT, CONFIG_MAP, HANDSHAKES}),
    )


def switched(surfaces: tuple[Surface, ...], *, on: bool) -> Callable[[Observation, Ground], Settings]:
    """The flags that still have to be set so that these surfaces are on or off."""

    def settings(observation: Observation, ground: Ground) -> Settings:
        now = ground.network(observation)
        return {surface.flag: ENABLED if on else DISABLED for surface in surfaces if now.on(surface) != on}

    return settings


def flags(ground: Ground, surfaces: tuple[Surface, ...]) -> Action:
    """Turn surfaces on."""
    wanted = switched(surfaces, on=True)
    return setting(
        ground,
        f"flag/{'-'.join(surfaces)}",
        f"Turn on {' and '.join(surfaces)}",
        CONFIG_NETWORK,
        lambda observation: wanted(observation, ground),
    )
