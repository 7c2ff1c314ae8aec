"""Plans that add a CA to, or remove one from, the bundles that are read."""

from __future__ import annotations

from collections.abc import Callable

from kntls.engine.run import some
from kntls.knative.installation import Installation
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress
from kntls.pki.certificate import Certificate
from kntls.trust.bundles import Owner, TrustBundle, bundles, published
from kntls.trust.edit import adding, bundle_ref, obstacle, removing
from kntls.trust.impact import impact


def add_action(
    ref: ObjectRef, anchors: tuple[Certificate, ...], adopted: tuple[ObjectRef, ...] = (), stage: str = ""
) -> Action:
    """Make one bundle hold these anchors beside what it holds."""

    def changes(observation: Observation) -> tuple[Change, ...]:
        return adding(observation, ref, anchors)

    return Action(
        f"trust/{ref.namespace}/{ref.name}",
        f"Add {some(cert.common_name for cert in anchors)} to {ref}",
        lambda observation: Progress.of({str(ref): not changes(observation)}),
        changes,
        lambda observation: obstacle(observation, ref, adopted),
        reads=frozenset({CONFIG_MAP}),
        stage=stage,
    )


def add_plan(
    observation: Observation,
    installation: Installation,
    anchors: tuple[Certificate, ...],
    name: str,
    adopted: tuple[ObjectRef, ...],
) -> Plan:
    """Add to the bundle kntls keeps in each namespace that is read."""
    refs = [bundle_ref(space, name) for space in installation.trust_namespaces]
    actions = tuple(add_action(ref, anchors, adopted) for ref in refs)
    refusals = tuple(reason for ref in refs if (reason := obstacle(observation, ref, adopted)))
    return Plan("Add to the trust bundles", actions, refusals=refusals)


REMEDY = "`kntls rotate-ca --new-secret NAME` replaces a CA in use first; --accept-impact removes it all the same"


def _holders(observation: Observation, certificate: Certificate) -> list[TrustBundle]:
    found = (*bundles(observation), *published(observation))
    return [bundle for bundle in found if certificate in bundle.certificates]


def remove_plan(
    observation: Observation,
    installation: Installation,
    certificate: Certificate,
    adopted: tuple[ObjectRef, ...],
    *,
    accept_impact: bool,
) -> Plan:
    """Remove from every bundle we keep or were told to take over; refused while something needs it."""

    def broken(now: Observation) -> tuple[str, ...]:
        found = impact(now, installation, certificate)
        return tuple(dict.fromkeys(f"{entry.consumer} would refuse {entry.leaf}" for entry in found))

    def objection(now: Observation) -> str:
        return "" if accept_impact else some(broken(now))

    holders = _holders(observation, certificate)
    refs = [bundle.ref for bundle in holders if bundle.owner == Owner.KNTLS or bundle.ref in adopted]
    others = [reason for bundle in holders if (reason := obstacle(observation, bundle.ref, adopted))]
    actions = tuple(_remove_action(ref, certificate, objection) for ref in refs)
    needed = broken(observation)
    title = f"Remove {certificate.common_name} ({certificate.fingerprint[:12]}…) from trust"
    if accept_impact:
        return Plan(title, actions, interruptions=needed, refusals=tuple(others))
    return Plan(title, actions, refusals=(*needed, *others), remedy=REMEDY if needed else "")


def _remove_action(ref: ObjectRef, certificate: Certificate, objection: Callable[[Observation], str]) -> Action:
    def changes(observation: Observation) -> tuple[Change, ...]:
        return removing(observation, ref, [certificate])

    return Action(
        f"trust/{ref.namespace}/{ref.name}",
        f"Remove it from {ref}",
        lambda observation: Progress.of({str(ref): not changes(observation)}),
        changes,
        objection,
        reads=frozenset({CONFIG_MAP, SECRET, CERTIFICATE}),
    )
