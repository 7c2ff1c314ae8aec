"""What to know before surfaces are turned on: whom it interrupts, who must trust the CA, what stays plain."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.engine.run import some
from kntls.knative.names import Surface
from kntls.model.observation import Observation
from kntls.surfaces import bundle, issuers
from kntls.surfaces.order import is_hitless, is_needed, services, why_not_hitless
from kntls.surfaces.overview import PLAIN, client_namespaces, support_level
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import activators, ailing
from kntls.trust.bundles import published

INTERRUPTION = "13 to 21 s"
"""How long the documented order answered 503 where it was measured."""
DRAINING = "45 s"
"""How long an activator that is ending goes on serving (`DefaultDrainTimeout` in knative.dev/pkg `network`)."""


def interruptions(observation: Observation, ground: Ground) -> Iterator[str]:
    """Who is interrupted, for about how long, and why there is no way around it."""
    turning_on = ground.wants(Surface.SYSTEM_INTERNAL) and not ground.network(observation).on(Surface.SYSTEM_INTERNAL)
    named = services(observation)
    if turning_on and named and not is_hitless(observation, ground):
        yield f"requests to {some(named)} fail with 503 for about {INTERRUPTION}: {why_not_hitless(ground)}"


def notes(observation: Observation, ground: Ground) -> Iterator[str]:
    """Support, what stays plain, who must trust the CA first and who lacks it, who is not waited for."""
    yield f"support level: {support_level(ground.installation)}"
    yield f"not encrypted by any surface: {PLAIN}"
    yield from _freeze_note(observation, ground)
    if ground.wants(Surface.CLUSTER_LOCAL):
        yield from _trust_note(observation, ground)
    if ground.wants(Surface.EXTERNAL_DOMAIN):
        yield f"clients outside must trust {issuers.chosen(observation, ground)[Surface.EXTERNAL_DOMAIN]}'s CA"
    sick = [f"{space}/{name}" for space, name in sorted(ailing(observation))]
    if sick:
        yield f"not waited for, because their own container fails: Revisions {some(sick)}"


def _freeze_note(observation: Observation, ground: Ground) -> Iterator[str]:
    turning_on = ground.wants(Surface.SYSTEM_INTERNAL) and not ground.network(observation).on(Surface.SYSTEM_INTERNAL)
    if turning_on and is_needed(observation, ground):
        number = sum(1 for _ in activators(observation, ground.installation))
        behind = "the activator restarts" if number == 1 else f"{number} activators restart"
        yield f"Envoy's configuration is frozen twice for some seconds; {behind} behind the second freeze"
        yield f"requests may fail if that restart takes longer than {DRAINING}: old activators are gone by then"


def _trust_note(observation: Observation, ground: Ground) -> Iterator[str]:
    name = issuers.chosen(observation, ground)[Surface.CLUSTER_LOCAL]
    wanted = set(bundle.anchors(observation, ground, (name,)))
    have = {one.ref.namespace for one in published(observation) if wanted and wanted <= set(one.certificates)}
    clients = client_namespaces(observation)
    lacking = [space for space in clients if space not in have]
    if clients:
        yield f"clients of the https addresses must trust the CA of {name}: workloads in {', '.join(clients)}"
    if lacking:
        yield f"not published there yet: {', '.join(lacking)} (kntls trust publish --namespace {lacking[0]})"
