"""What an object is reduced to on its way in: no keys of Secrets, no bookkeeping nobody judges by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kntls.model.kinds import CLUSTER_ISSUER, CONFIG_MAP, KNATIVE_SERVING, SECRET, Kind
from kntls.observe.secrets import scrub

MANAGED = frozenset({CONFIG_MAP, KNATIVE_SERVING, CLUSTER_ISSUER})
"""Kinds whose field managers matter: they are written together with others."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def slim(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object as judgement sees it."""
    if kind == SECRET:
        return scrub(obj)
    metadata = dict(obj.get("metadata") or {})
    if kind not in MANAGED:
        metadata.pop("managedFields", None)
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != LAST_APPLIED}
    return {**obj, "metadata": metadata}
