"""The part of each object that checks look at: what a cluster has thousands of is kept small while it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kntls.model.kinds import CERTIFICATE, KCERT, KINGRESS, KSERVICE, NAMESPACE, REVISION, ROUTE, Kind
from kntls.observe.slim import slim

_NAMED = ("metadata.name", "metadata.namespace")
_MARKED = (*_NAMED, "metadata.labels", "metadata.ownerReferences", "metadata.uid")
FIELDS: dict[Kind, tuple[str, ...]] = {
    NAMESPACE: _NAMED,
    KSERVICE: (*_NAMED, "spec.template.spec.containers", "status.conditions"),
    REVISION: (*_NAMED, "status.conditions"),
    ROUTE: (*_NAMED, "status.url", "status.address", "status.conditions"),
    KINGRESS: (*_NAMED, "spec.tls"),
    KCERT: (*_MARKED, "spec", "status.conditions"),
    CERTIFICATE: (*_MARKED, "metadata.generation", "metadata.annotations", "spec", "status"),
}
"""Of these kinds only these fields are kept; of all others everything that `kntls.observe` keeps."""
CONDITIONS = {REVISION: {"Ready"}, KSERVICE: {"Ready"}, KCERT: {"Ready"}, ROUTE: {"Ready", "CertificateProvisioned"}}


def _put(kept: dict[str, Any], obj: Mapping[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    source: Any = obj
    for step in parents:
        source = source.get(step) if isinstance(source, Mapping) else None
    if isinstance(source, Mapping) and last in source:
        for step in parents:
            kept = kept.setdefault(step, {})
        kept[last] = source[last]


def essence(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object as checks see it."""
    if kind not in FIELDS:
        return slim(kind, obj)
    kept: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.manifest_kind}
    for path in FIELDS[kind]:
        _put(kept, obj, path)
    if kind in CONDITIONS and "conditions" in kept.get("status", {}):
        wanted = [entry for entry in kept["status"]["conditions"] if entry.get("type") in CONDITIONS[kind]]
        kept["status"]["conditions"] = wanted
    return slim(kind, kept)
