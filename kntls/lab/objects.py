"""Small functions on plain objects: copies, times, references."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as plain JSON values."""


def clone(value: Any) -> Any:
    """A deep copy of plain JSON values."""
    if isinstance(value, dict):
        return {key: clone(child) for key, child in value.items()}
    if isinstance(value, list):
        return [clone(child) for child in value]
    return value


def rfc3339(moment: datetime) -> str:
    """A `metav1.Time`: whole seconds, UTC, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The moment a `metav1.Time` or `MicroTime` stands for."""
    return datetime.fromisoformat(text)


def meta(obj: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata`; an empty mapping if absent."""
    found: dict[str, Any] = obj.get("metadata") or {}
    return found


def name_of(obj: Mapping[str, Any]) -> str:
    """`metadata.name`."""
    return str(meta(obj).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """`metadata.namespace`, empty for cluster-scoped objects."""
    return str(meta(obj).get("namespace") or "")


def owner_reference(owner: Mapping[str, Any], *, controller: bool = True) -> Object:
    """The entry of `ownerReferences` that names an owner; a controller also blocks its deletion."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": meta(owner)["uid"],
    }
    return reference | ({"controller": True, "blockOwnerDeletion": True} if controller else {})


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The status condition of that type, or an empty mapping."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((dict(entry) for entry in conditions if entry.get("type") == kind), {})
