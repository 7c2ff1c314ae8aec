"""What an object is reduced to on its way in: no keys of Secrets, no bookkeeping nobody judges by."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kntls.model.kinds import CLUSTER_ISSUER, CONFIG_MAP, KNATIVE_SERVING, SECRET, Kind
from kntls.observe.secrets import scrub

MANAGED = frozenset({CONFIG_MAP, KNATIVE_SERVING, CLUSTER_ISSUER})
"""Kinds whose field managers matter: they are written together with others."""
SHORT = 2048
"""Characters: a CA's PEM is shorter, and lies in every leaf's Secret."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def shared(value: Any, *, mappings: bool = False) -> Any:
    """The same value, its short texts kept once however many objects have them; with `mappings`, those of texts, too.

    Labels, conditions and references repeat themselves. Nobody may change what is shared.
    """
    if isinstance(value, str):
        return sys.intern(value) if len(value) <= SHORT else value
    if isinstance(value, list):
        return [shared(entry, mappings=mappings) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {sys.intern(key): shared(entry, mappings=mappings) for key, entry in value.items()}
    return _once(tuple(found.items())) if mappings and all(type(entry) is str for entry in found.values()) else found


@lru_cache(maxsize=4096)
def _once(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(pairs)


def slim(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object as judgement sees it."""
    found: dict[str, Any] = shared(scrub(obj) if kind == SECRET else _trimmed(kind, obj))
    return found


def _trimmed(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = dict(obj.get("metadata") or {})
    if kind not in MANAGED:
        metadata.pop("managedFields", None)
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    return {**obj, "metadata": metadata}
