"""Why surfaces must not be turned on here: layers, components, issuers, bundles, names."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.knative.installation import Flavour
from kntls.knative.names import LONGEST_NAMESPACE, ROUTING_CERTIFICATE, Surface
from kntls.model.kinds import KCERT, REVISION
from kntls.model.objects import ObjectRef, namespace_of
from kntls.model.observation import Observation
from kntls.surfaces import bundle, config, issuers
from kntls.surfaces.request import Ground
from kntls.trust.consumers import consumers, effective_trust


def refusals(observation: Observation, ground: Ground) -> Iterator[str]:
    """Each reason in one line with what to do. Raises `NotFound` for a named issuer that does not exist."""
    yield from _layer(ground)
    yield from _components(observation, ground)
    yield from issuers.refusals(observation, ground)
    yield from bundle.refusals(observation, ground)
    if ground.wants(Surface.SYSTEM_INTERNAL):
        yield from _system_internal(observation, ground)


def _layer(ground: Ground) -> Iterator[str]:
    installation = ground.installation
    layer = installation.layer
    for surface in sorted(ground.request.surfaces):
        if surface == Surface.EXTERNAL_DOMAIN and installation.flavour == Flavour.OPENSHIFT:
            yield "external-domain: OpenShift's router terminates TLS there (fix: set the certificate on its Routes)"
        elif layer is None:
            yield f"{surface}: no ingress layer that kntls knows serves class {installation.ingress_class}"
        elif surface not in layer.surfaces:
            yield f"{surface}: not with {layer.name}; {layer.instead}"
        elif not installation.ingress_namespace:
            yield f"{layer.name} is not installed: there is no Deployment {layer.controller}"


def _components(observation: Observation, ground: Ground) -> Iterator[str]:
    for ref in config.missing(observation, ground.installation):
        yield f"{ref} is missing (fix: apply Knative Serving's manifests again)"
    if ground.wants(Surface.SYSTEM_INTERNAL) and observation.get(KCERT, ROUTING_CERTIFICATE, ground.namespace) is None:
        ref = ObjectRef(KCERT, ROUTING_CERTIFICATE, ground.namespace)
        yield f"{ref} is missing and nothing makes it anew (fix: apply Knative Serving's manifests again)"


def _system_internal(observation: Observation, ground: Ground) -> Iterator[str]:
    spaces = {namespace_of(obj) for obj in observation.all(REVISION)}
    for space in sorted(spaces):
        if len(space) > LONGEST_NAMESPACE:
            yield (
                f"namespace {space} has {len(space)} characters: the name in its certificate would be too long, and "
                f"no Revision there would become Ready (at most {LONGEST_NAMESPACE})"
            )
    for consumer in consumers(ground.installation):
        for source in effective_trust(observation, consumer).crashes:
            fix = f"kubectl delete {source.ref.kubectl} has it issued again"
            yield f"{source} is not PEM: {consumer.name} crashes on it (fix: {fix})"
