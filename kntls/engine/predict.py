"""What an object will look like after a change: for diffs, from the same change that is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kntls.model.kinds import Kind
from kntls.model.objects import Object, ObjectRef, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Change, Verb


def merged(base: Any, patch: Any) -> Any:
    """RFC 7396: mappings merge, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def with_condition(obj: Object, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The object with that status condition set, in place of one of its type."""
    status = dict(obj.get("status") or {})
    others = [entry for entry in status.get("conditions", []) if entry.get("type") != wanted["type"]]
    return {**obj, "status": {**status, "conditions": [*others, dict(wanted)]}}


def after(obj: Object | None, change: Change) -> dict[str, Any] | None:
    """The object once the change is written; None once it is deleted."""
    if change.verb == Verb.DELETE:
        return None
    if change.verb == Verb.CONDITION:
        return with_condition(obj or {}, change.body)
    if change.verb in (Verb.HOLD, Verb.RELEASE):
        return merged(obj or {}, _lease(change))  # type: ignore[no-any-return]  # merged() of two mappings is one
    result: dict[str, Any] = merged(obj or {}, change.body)
    return result


def predicted(observation: Observation, changes: Iterable[Change]) -> Observation:
    """What would be seen right after these changes, before anybody has reacted to them."""
    fresh: dict[Kind, dict[ObjectRef, Object]] = {}
    for change in changes:
        ref = change.ref
        known = fresh.setdefault(ref.kind, _by_reference(observation, ref.kind))
        found = after(known.pop(ref, None), change) if change.verb == Verb.APPLY or ref in known else None
        if found is not None:
            known[ref] = found
    return observation.with_objects({kind: found.values() for kind, found in fresh.items()}) if fresh else observation


def _by_reference(observation: Observation, kind: Kind) -> dict[ObjectRef, Object]:
    return {ObjectRef(kind, name_of(obj), namespace_of(obj)): obj for obj in observation.all(kind)}


def _lease(change: Change) -> dict[str, Any]:
    return {"spec": {"holderIdentity": change.body["holder"] if change.verb == Verb.HOLD else ""}}


def _touched(obj: Any, shape: Any) -> Any:
    if not isinstance(obj, Mapping) or not isinstance(shape, Mapping):
        return obj
    return {key: _touched(obj[key], shape[key]) for key in shape if key in obj}


def before_and_after(obj: Object | None, change: Change) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The part of the object that the change touches, as it is and as it will be."""
    if change.verb == Verb.DELETE or obj is None:
        return (dict(obj) if obj else None), after(obj, change)
    if change.verb == Verb.CONDITION:
        kind = change.body["type"]
        now = [entry for entry in (obj.get("status") or {}).get("conditions", []) if entry.get("type") == kind]
        return {"status": {"conditions": now}}, {"status": {"conditions": [dict(change.body)]}}
    if change.verb in (Verb.HOLD, Verb.RELEASE):
        return _touched(obj, _lease(change)), _lease(change)
    return _touched(obj, change.body), _touched(after(obj, change), change.body)
