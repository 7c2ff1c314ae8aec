"""The part of each object that checks look at: what a cluster has thousands of is kept small while it is read."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any

from kntls.model.kinds import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    ENDPOINT_SLICE,
    KCERT,
    KINGRESS,
    KSERVICE,
    NAMESPACE,
    POD,
    REVISION,
    ROUTE,
    SERVICE,
    Kind,
)
from kntls.observe.live import EVERYTHING
from kntls.observe.slim import shared, slim

Shape = Mapping[str, "Shape"] | EllipsisType
"""Which keys of a mapping, or of each mapping in a list, are kept; `...` keeps a value whole."""

_NAMED: dict[str, Shape] = {"name": ..., "namespace": ...}
_MARKED: dict[str, Shape] = {**_NAMED, "labels": ..., "ownerReferences": ..., "uid": ...}
_CONDITIONED: dict[str, Shape] = {"conditions": {"type": ..., "status": ..., "reason": ..., "message": ...}}
_STARTED: dict[str, Shape] = {
    "name": ...,
    "env": {"valueFrom": ...},
    "envFrom": ...,
    "volumeMounts": {"name": ..., "subPath": ...},
}
FIELDS: dict[Kind, Mapping[str, Shape]] = {
    NAMESPACE: {"metadata": _NAMED},
    KSERVICE: {
        "metadata": _NAMED,
        "spec": {"template": {"spec": {"containers": {"image": ...}}}},
        "status": _CONDITIONED,
    },
    REVISION: {"metadata": _NAMED, "status": _CONDITIONED},
    ROUTE: {"metadata": {**_NAMED, "annotations": ...}, "status": {**_CONDITIONED, "url": ..., "address": ...}},
    KINGRESS: {"metadata": _NAMED, "spec": {"tls": {"secretName": ..., "secretNamespace": ...}}},
    KCERT: {"metadata": _MARKED, "spec": ..., "status": _CONDITIONED},
    CERTIFICATE: {"metadata": {**_MARKED, "generation": ..., "annotations": ...}, "spec": ..., "status": ...},
    CERTIFICATE_REQUEST: {
        "metadata": {**_NAMED, "ownerReferences": {"uid": ...}, "creationTimestamp": ...},
        "status": _CONDITIONED,
    },
    POD: {
        "metadata": {**_NAMED, "labels": ..., "deletionTimestamp": ..., "creationTimestamp": ...},
        "spec": {"containers": _STARTED, "volumes": ...},
        "status": {**_CONDITIONED, "podIP": ..., "startTime": ..., "containerStatuses": ...},
    },
}
"""Of these kinds only these fields are kept; of all others everything that `kntls.observe` keeps."""
CONDITIONS = {
    REVISION: {"Ready"},
    KSERVICE: {"Ready"},
    KCERT: {"Ready"},
    ROUTE: {"Ready", "CertificateProvisioned"},
    POD: {"Ready"},
    CERTIFICATE_REQUEST: {"Approved", "Denied"},
}
"""Of these kinds only these conditions are kept."""
SEEN = EVERYTHING - {SERVICE, ENDPOINT_SLICE}
"""The kinds that checks look at."""


def _part(value: Any, shape: Shape) -> Any:
    if isinstance(shape, EllipsisType):
        return value
    if isinstance(value, list):
        return [_part(entry, shape) for entry in value]
    if isinstance(value, dict):
        return {key: _part(value[key], part) for key, part in shape.items() if key in value}
    return value


def essence(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object as checks see it."""
    if kind not in FIELDS:
        return slim(kind, obj)
    kept = {"apiVersion": kind.api_version, "kind": kind.manifest_kind, **_part(obj, FIELDS[kind])}
    if kind in CONDITIONS and (kept.get("status") or {}).get("conditions"):
        wanted = [entry for entry in kept["status"]["conditions"] if entry.get("type") in CONDITIONS[kind]]
        kept["status"]["conditions"] = wanted
    found: dict[str, Any] = shared(kept, mappings=True)
    return found
