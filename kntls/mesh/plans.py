"""Generated manifests as a plan: one server-side apply an object, judged and shown before it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kntls.engine.predict import before_and_after
from kntls.model.kinds import Kind, by_manifest
from kntls.model.objects import Object, ObjectRef, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb


def kind_of(manifest: Object) -> Kind:
    """The manifest's kind in the manifest's own version (OSSM 2 serves Istio's kinds as v1beta1 only)."""
    version = str(manifest["apiVersion"])
    known = by_manifest(version, str(manifest["kind"]))
    if known is None:
        raise ValueError(f"unknown kind {version} {manifest['kind']}")
    return replace(known, version=version.rpartition("/")[2])


def reference(manifest: Object) -> ObjectRef:
    """The object a manifest stands for."""
    return ObjectRef(kind_of(manifest), name_of(manifest), namespace_of(manifest))


def _action(manifest: Mapping[str, Any]) -> Action:
    ref = reference(manifest)
    change = Change(Verb.APPLY, ref, manifest)

    def done(observation: Observation) -> Progress:
        current = observation.find(ref)
        if current is None:
            return Progress(0, 1)
        before, after = before_and_after(current, change)
        return Progress(int(before == after), 1)

    return Action(
        id=f"apply/{ref.kind.resource}/{ref.namespace}/{ref.name}",
        sentence=f"Apply {ref}",
        done=done,
        changes=lambda _: (change,),
        reads=frozenset({ref.kind}),
    )


def apply_plan(title: str, manifests: Iterable[Mapping[str, Any]], *, notes: Iterable[str] = ()) -> Plan:
    """A plan that applies these manifests in order."""
    return Plan(title, tuple(map(_action, manifests)), notes=tuple(notes))


def kinds_of(plan: Plan) -> frozenset[Kind]:
    """The kinds a plan reads."""
    return frozenset(kind for action in plan.actions for kind in action.reads)
