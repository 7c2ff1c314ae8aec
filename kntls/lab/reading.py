"""Small readers and writers of objects that the simulated controllers share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from kntls.lab.objects import Object, condition, meta


def labels_of(obj: Mapping[str, Any] | None) -> dict[str, str]:
    """`metadata.labels`, never None."""
    return meta(obj or {}).get("labels") or {}


def annotations_of(obj: Mapping[str, Any] | None) -> dict[str, str]:
    """`metadata.annotations`, never None."""
    return meta(obj or {}).get("annotations") or {}


def status_of(obj: Mapping[str, Any]) -> dict[str, Any]:
    """`status`, never None."""
    return obj.get("status") or {}


def is_true(obj: Mapping[str, Any], kind: str) -> bool:
    """Whether the condition of a type is there and True."""
    return condition(obj, kind).get("status") == "True"


def with_condition(conditions: list[Object], fresh: Object, now: str) -> list[Object]:
    """The conditions with one replaced or added; its transition time moves only when its status does."""
    old = next((one for one in conditions if one["type"] == fresh["type"]), None)
    same = old is not None and old.get("status") == fresh["status"]
    since = (old.get("lastTransitionTime") if same and old else None) or now
    stamped = {"lastTransitionTime": since, **fresh}
    if old is None:
        return [*conditions, stamped]
    return [stamped if one["type"] == fresh["type"] else one for one in conditions]


def data_of(obj: Mapping[str, Any] | None) -> dict[str, bytes]:
    """A Secret's decoded `data`; empty for None. A value that is not base64 counts as empty."""
    return {key: _decoded(value or "") for key, value in ((obj or {}).get("data") or {}).items()}


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except binascii.Error:
        return b""


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """Bytes as a Secret's `data`."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def owned_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether `owner` (by UID) is the controller of an object."""
    references = meta(obj).get("ownerReferences") or []
    return any(one.get("controller") and one.get("uid") == meta(owner).get("uid") for one in references)


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether equality-based labels all hold; an empty selector matches nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())
