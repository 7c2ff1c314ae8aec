"""What surfaces that are off leave behind, and deleting it: KCerts first, then the Secrets that outlive them."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.knative.names import CERTIFICATE_TYPE_LABEL, USER_CERTIFICATE, Surface
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, DEPLOYMENT, KCERT, SECRET
from kntls.model.objects import Object, ObjectRef, annotations_of, labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import has_certificate, revision_deployments

ROUTE_PREFIX = "route-"
MADE_BY = "cert-manager.io/certificate-name"


def _is_left(kcert: Object, off: frozenset[Surface]) -> bool:
    """Knative never deletes these by itself; the static routing certificate is needed to turn anything on again."""
    kind = labels_of(kcert).get(CERTIFICATE_TYPE_LABEL)
    if kind == Surface.SYSTEM_INTERNAL.certificate_type:
        return Surface.SYSTEM_INTERNAL in off and name_of(kcert) == USER_CERTIFICATE
    return name_of(kcert).startswith(ROUTE_PREFIX) and any(kind == surface.certificate_type for surface in off)


def left(observation: Observation, ground: Ground) -> tuple[Object, ...]:
    """The KCerts that surfaces which are off left behind."""
    off = frozenset(Surface) - frozenset(ground.network(observation).surfaces)
    return tuple(obj for obj in observation.all(KCERT) if _is_left(obj, off))


def actions(observation: Observation, ground: Ground, off: frozenset[Surface]) -> Iterator[Action]:
    """Delete the KCerts of surfaces that are, or will be, off; then their Secrets."""
    found = tuple(obj for obj in observation.all(KCERT) if _is_left(obj, off))
    secrets = tuple(ObjectRef(SECRET, name_of(obj), namespace_of(obj)) for obj in found)
    if found:
        yield _kcerts(ground)
        yield _secrets(secrets)


def _kcerts(ground: Ground) -> Action:
    def changes(observation: Observation) -> tuple[Change, ...]:
        refs = [ObjectRef(KCERT, name_of(obj), namespace_of(obj)) for obj in left(observation, ground)]
        return tuple(Change(Verb.DELETE, ref) for ref in refs)

    def done(observation: Observation) -> Progress:
        return Progress.of({f"the end of KCert {namespace_of(obj)}/{name_of(obj)}": False
                            for obj in left(observation, ground)})  # fmt: skip

    def guard(observation: Observation) -> str:
        mounted = any(has_certificate(obj) for obj in revision_deployments(observation))
        on = ground.network(observation).on(Surface.SYSTEM_INTERNAL)
        return "Revisions still mount their certificate" if mounted and not on else ""

    return Action(
        "clean/kcerts",
        "Delete the KCerts that nothing uses any more",
        done,
        changes,
        guard,
        reads=frozenset({KCERT, CONFIG_MAP, DEPLOYMENT}),
    )


def _secrets(refs: tuple[ObjectRef, ...]) -> Action:
    """cert-manager leaves Secrets behind; they go once their Certificate is gone, or it would issue them again."""

    def present(observation: Observation) -> list[ObjectRef]:
        found = [(ref, observation.find(ref)) for ref in refs]
        return [ref for ref, obj in found if obj is not None and annotations_of(obj).get(MADE_BY) == ref.name]

    def changes(observation: Observation) -> tuple[Change, ...]:
        free = [ref for ref in present(observation) if observation.get(CERTIFICATE, ref.name, ref.namespace) is None]
        return tuple(Change(Verb.DELETE, ref) for ref in free)

    return Action(
        "clean/secrets",
        "Delete their Secrets once cert-manager has let go of them",
        lambda observation: Progress.of({f"the end of {ref}": False for ref in present(observation)}),
        changes,
        reads=frozenset({CERTIFICATE, SECRET}),
    )
