"""Trust first: the internal surfaces' CAs lie in every bundle that is read before anything is signed with them."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.knative.names import Surface
from kntls.model.kinds import CERTIFICATE_REQUEST, CLUSTER_ISSUER, CONFIG_MAP, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.pki.certificate import Certificate
from kntls.surfaces import probe
from kntls.surfaces.issuers import authority_of, chosen
from kntls.surfaces.request import Ground
from kntls.trust.edit import adding, bundle_ref, expecting, obstacle


def _issuers(observation: Observation, ground: Ground) -> dict[str, None]:
    names = chosen(observation, ground)
    return dict.fromkeys(name for surface, name in names.items() if surface != Surface.EXTERNAL_DOMAIN)


def anchors(observation: Observation, ground: Ground, names: tuple[str, ...]) -> tuple[Certificate, ...]:
    """What must be trusted for leaves of these issuers, as far as known: a CA's anchor, or what a probe showed."""
    found: dict[Certificate, None] = {}
    for name in names:
        authority = authority_of(observation, ground, name)
        shown = [authority.anchor] if authority else probe.anchors(observation, ground, name)
        found |= dict.fromkeys(shown)
    return tuple(found)


def destinations(ground: Ground) -> tuple[ObjectRef, ...]:
    """The bundle kntls keeps in each namespace that is read."""
    return tuple(bundle_ref(space, ground.request.bundle_name) for space in ground.installation.trust_namespaces)


def refusals(observation: Observation, ground: Ground) -> Iterator[str]:
    """Bundles in the way that are not ours."""
    for ref in destinations(ground):
        if reason := obstacle(observation, ref, ground.request.adopted):
            yield reason


def actions(observation: Observation, ground: Ground) -> tuple[Action, ...]:
    """One action a namespace; none where only external domains were asked for."""
    names = tuple(_issuers(observation, ground))
    return tuple(_action(ground, ref, names) for ref in destinations(ground)) if names else ()


def _action(ground: Ground, ref: ObjectRef, names: tuple[str, ...]) -> Action:
    def changes(observation: Observation) -> tuple[Change, ...]:
        found = anchors(observation, ground, names)
        return adding(observation, ref, found) if found else ()

    def done(observation: Observation) -> Progress:
        found = anchors(observation, ground, names)
        return Progress.of({f"{ref} with the CA of {', '.join(names)}": bool(found) and not changes(observation)})

    def preview(observation: Observation) -> tuple[Change, ...]:
        unknown = [name for name in names if not anchors(observation, ground, (name,))]
        return expecting(observation, ref, f"the CA of {', '.join(unknown)}, once it is made") if unknown else ()

    return Action(
        f"trust/{ref.namespace}/{ref.name}",
        f"Trust the CA of {', '.join(names)} in {ref}",
        done,
        changes,
        lambda observation: obstacle(observation, ref, ground.request.adopted),
        reads=frozenset({CONFIG_MAP, SECRET, CLUSTER_ISSUER, CERTIFICATE_REQUEST}),
        preview=preview,
    )
