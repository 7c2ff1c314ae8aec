"""Stage 2, distribute: every bundle that is read holds the old and the new CA."""

from __future__ import annotations

from dataclasses import replace

from kntls.model.kinds import CONFIG_MAP, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.pki.certificate import Certificate
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.stage import Stage
from kntls.trust.bundles import bundle_of, readings
from kntls.trust.edit import adding, bundle_ref, expecting, obstacle


def both(now: Situation) -> tuple[Certificate, ...]:
    """The anchors everybody must trust while leaves of either CA are about."""
    cas = [*now.olds, *([now.current] if now.current else []), *([now.new] if now.new else [])]
    return tuple(dict.fromkeys(ca.anchor for ca in cas))


def destinations(now: Situation) -> tuple[tuple[ObjectRef, bool], ...]:
    """The bundles to write: ours in each namespace that is read, and whatever was published to workloads."""
    own = [(bundle_ref(space, now.target.bundle_name), False) for space in now.installation.trust_namespaces]
    return (*own, *((bundle.ref, True) for bundle in now.published))


def holds(observation: Observation, ref: ObjectRef, anchors: tuple[Certificate, ...]) -> bool:
    """Whether both consumers, each with its own parser, find these anchors in that object."""
    obj = observation.find(ref)
    if obj is None or not anchors:
        return False
    read = [readings(text) for text in bundle_of(obj).data.values()]
    return all(set(anchors) <= {cert for reading in read for cert in reading[consumer].accepted} for consumer in (0, 1))


def _action(target: Target, ref: ObjectRef, is_published: bool) -> Action:
    def changes(observation: Observation) -> tuple[Change, ...]:
        now = situation(observation, target)
        found = adding(observation, ref, both(now), published=is_published)
        note = "" if now.new else f"and the CA that prepare makes in {now.new_ref}"
        return tuple(replace(change, note=note) for change in found)

    def done(observation: Observation) -> Progress:
        now = situation(observation, target)
        ready = now.new is not None and holds(observation, ref, both(now)) and not changes(observation)
        return Progress.of({f"{ref} with both CAs": ready})

    def preview(observation: Observation) -> tuple[Change, ...]:
        now = situation(observation, target)
        what = f"the CA that prepare makes in {now.new_ref}"
        return () if now.new else expecting(observation, ref, what, published=is_published)

    return Action(
        f"distribute/{ref.namespace}/{ref.name}",
        f"Add the {target.ca} to {ref}" + (" (published to workloads)" if is_published else ""),
        done,
        changes,
        guard=lambda observation: obstacle(observation, ref, target.adopted),
        reads=frozenset({CONFIG_MAP, SECRET}),
        stage="distribute",
        preview=preview,
    )


def _actions(now: Situation, target: Target) -> tuple[Action, ...]:
    return tuple(_action(target, ref, is_published) for ref, is_published in destinations(now))


STAGE = Stage("distribute", "every bundle that is read holds old and new", _actions)
