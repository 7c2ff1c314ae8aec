"""Field managers: who owns which field of an object, and what server-side apply makes of it.

The rules are those of structured-merge-diff's `merge.Updater` and apimachinery's `managedfields`: an update takes the
fields it changes; an apply owns what it states, conflicts with others unless forced, drops what it no longer states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kntls.lab import fieldsets
from kntls.lab.answers import ApiError, Cause, apply_conflict
from kntls.lab.fieldsets import NONE, Comparison, Fields, Path
from kntls.lab.shapes import Shape

IDENTITY: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)
"""What nobody owns."""


@dataclass(frozen=True)
class Manager:
    """Who writes: one identity in `managedFields`."""

    name: str
    operation: str
    """`Apply` or `Update`."""
    api_version: str
    subresource: str = ""


@dataclass(frozen=True)
class Share:
    """What one manager owns, and since when (RFC 3339; empty if all it ever applied was there already)."""

    fields: Fields
    time: str


Shares = dict[Manager, Share]


def read(obj: Mapping[str, Any]) -> Shares:
    """The managers an object names."""
    found: Shares = {}
    for entry in obj.get("metadata", {}).get("managedFields") or ():
        manager = Manager(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        found[manager] = Share(fieldsets.decode(entry.get("fieldsV1") or {}), entry.get("time", ""))
    return found


def write(shares: Shares) -> list[dict[str, Any]]:
    """The entries of `managedFields`: applies first, then by time and name."""

    def order(item: tuple[Manager, Share]) -> tuple[str, ...]:
        manager, share = item
        return (manager.operation, share.time, manager.name, manager.api_version, manager.subresource)

    return [_entry(manager, share) for manager, share in sorted(shares.items(), key=order)]


def _entry(manager: Manager, share: Share) -> dict[str, Any]:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.encode(share.fields),
    }
    time = {"time": share.time} if share.time else {}
    return entry | time | ({"subresource": manager.subresource} if manager.subresource else {})


def owns_metadata(obj: Mapping[str, Any], manager: Manager) -> bool:
    """Whether a manager owns a label, say; its next apply must then name the object, or the name is dropped with it."""
    share = read(obj).get(manager)
    return share is not None and any(path[0] == "f:metadata" for path in share.fields)


def outside(fields: Fields, subresource: str) -> Fields:
    """The fields without identity, and without those a write through this door never changes."""
    kept = frozenset(path for path in fields if path not in IDENTITY)
    if subresource == "status":
        return frozenset(path for path in kept if path[0] == "f:status")
    return frozenset(path for path in kept if path[0] != "f:status")


def after_update(shares: Shares, manager: Manager, change: Comparison, now: str) -> Shares:
    """The shares after a write that is no apply: the writer owns what it changed or added."""
    taken = outside(change.modified | change.added, manager.subresource)
    lost = change.modified | change.added | change.removed
    result = {other: replace(share, fields=share.fields - lost) for other, share in shares.items()}
    own = result.get(manager, Share(NONE, now)).fields | taken
    if taken:
        result[manager] = Share(own, now)
    return {other: share for other, share in result.items() if share.fields}


def prune(merged: Any, shape: Shape, shares: Shares, dropped: Fields) -> Any:
    """The merged object without what the applier no longer states and nobody else owns."""
    owned = fieldsets.with_ancestors(path for share in shares.values() for path in share.fields)
    gone = dropped - owned
    return fieldsets.without(merged, shape, gone.__contains__) if gone else merged


def conflicts(shares: Shares, applier: Manager, change: Comparison) -> dict[Manager, list[Path]]:
    """What other managers own of what would change."""
    touched = change.modified | change.added
    found = {other: sorted(share.fields & touched) for other, share in shares.items() if other != applier}
    return {other: paths for other, paths in found.items() if paths}


def refusal(found: Mapping[Manager, list[Path]]) -> ApiError:
    """The 409 that names every conflict."""
    named = {other: _words(other) for other in found}
    causes = [
        Cause("FieldManagerConflict", f"conflict with {named[other]}", fieldsets.text(path))
        for other, paths in found.items()
        for path in paths
    ]
    return apply_conflict(causes, _message(found, named))


def _message(found: Mapping[Manager, list[Path]], named: Mapping[Manager, str]) -> str:
    count = sum(map(len, found.values()))
    if count == 1:
        other, paths = next(iter(found.items()))
        return f"Apply failed with 1 conflict: conflict with {named[other]}: {fieldsets.text(paths[0])}"
    lines = []
    for other in sorted(found, key=lambda other: named[other]):
        lines.append(f"conflicts with {named[other]}:")
        lines.extend(f"- {fieldsets.text(path)}" for path in found[other])
    return f"Apply failed with {count} conflicts: " + "\n".join(lines)


def _words(manager: Manager) -> str:
    words = f'"{manager.name}"' + (f' with subresource "{manager.subresource}"' if manager.subresource else "")
    if manager.operation == "Apply":
        return words
    return f"{words} using {manager.api_version}"


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """The applied configuration laid over the live object: atomic values replaced, all else merged."""
    if isinstance(live, dict) and isinstance(config, dict) and not shape.is_atomic:
        return live | {key: merge(live.get(key), value, shape.field(key)) for key, value in config.items()}
    if isinstance(live, list) and isinstance(config, list) and shape.list_type != "atomic":
        return _merge_items(live, config, shape)
    return config


def _merge_items(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """The configuration's items in its order; those only the live list has keep their place before the next shared."""
    known = {key: item for key, (item, _) in (fieldsets.children(live, shape) or {}).items()}
    stated = {key: item for key, (item, _) in (fieldsets.children(config, shape) or {}).items()}
    shared = [key for key in stated if key in known]
    waiting = list(known)
    result: list[Any] = []
    for key, item in stated.items():
        while waiting and waiting[0] != key and not (shared and waiting[0] == shared[0]):
            other = waiting.pop(0)
            if other not in stated:
                result.append(known[other])
        result.append(merge(known.get(key), item, shape.items))
        waiting = [other for other in waiting if other != key]
        shared = [other for other in shared if other != key]
    return result + [known[other] for other in waiting if other not in stated]


def apply(
    live: dict[str, Any], config: dict[str, Any], shape: Shape, manager: Manager, *, force: bool, now: str
) -> tuple[dict[str, Any], Shares]:
    """Server-side apply: the new object and who owns what.

    `live` is the stored object, or a bare one for a name that does not exist yet.
    Raises `ApiError` 409 if others own what would change and `force` is not given.
    """
    shares = read(live)
    stated = outside(frozenset(fieldsets.members(config, shape)), manager.subresource)
    before = shares.get(manager)
    merged = merge(live, config, shape)
    claims = shares | {manager: Share(stated, now)}
    if before is not None:
        merged = prune(merged, shape, claims, before.fields - stated)
    change = fieldsets.compare(live, merged, shape)
    taken = conflicts(shares, manager, change)
    if taken and not force:
        raise refusal(taken)
    lost = change.modified | change.added | change.removed
    result = {other: replace(share, fields=share.fields - lost) for other, share in shares.items() if other != manager}
    since = before.time if before is not None else ""
    result[manager] = Share(stated, since if change.same else now)
    return merged, {other: share for other, share in result.items() if share.fields}
