"""Control planes in the input: where they live, and reading their nested settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kntls.mesh.resources import Resource, Resources

SMCP, ISTIO = "ServiceMeshControlPlane", "Istio"


def get(found: Mapping[str, Any], *path: str) -> Any:
    """The value at a path of keys, or None where a step is missing or no mapping."""
    value: Any = found
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def control_planes(resources: Resources) -> tuple[Resource, ...]:
    """Every SMCP and Istio CR."""
    return tuple(resources.all(SMCP, ISTIO))


def home(control_plane: Resource) -> str:
    """The namespace of a control plane's istiod: an SMCP's own, an Istio CR's `spec.namespace`."""
    if control_plane.kind == SMCP:
        return control_plane.namespace
    return str(control_plane.spec.get("namespace") or "istio-system")
