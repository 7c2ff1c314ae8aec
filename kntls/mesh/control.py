"""What control planes in the input say about the mesh, and what their operator makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from kntls.mesh.authz.model import Mesh
from kntls.mesh.resources import Resource, Resources
from kntls.mesh.settings import mesh_settings

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


def settings(resources: Resources, root_namespace: str = "") -> Mesh:
    """The mesh's settings as the input configures them; Istio's defaults where it holds no control plane."""
    found = mesh_settings(resources)
    return replace(found, root_namespace=root_namespace) if root_namespace else found


def implied(resources: Resources) -> tuple[Resource, ...]:
    """What the OSSM 2 operator creates from each SMCP, marked by its location.

    Source: maistra istio-operator resources/helm/v2.4/mesh-config/templates/enable-mesh-mtls.yaml.
    """
    return tuple(made for plane in resources.all(SMCP) for made in _of_smcp(plane))


def with_implied(resources: Resources) -> Resources:
    """The input with the implied objects that it does not hold itself."""
    held = {(found.kind, found.namespace, found.name) for found in resources.objects}
    extra = (found for found in implied(resources) if (found.kind, found.namespace, found.name) not in held)
    return Resources((*resources.objects, *extra), resources.bundles)


def _of_smcp(plane: Resource) -> Iterator[Resource]:
    mtls = get(plane.spec, "security", "dataPlane", "mtls")
    if mtls is None:
        return
    where = f"implied by {plane.where}"
    mode = "STRICT" if mtls else "PERMISSIVE"
    yield _object("security.istio.io/v1", "PeerAuthentication", "default", plane, {"mtls": {"mode": mode}}, where)
    if mtls:
        for name, host, tls in (
            ("default", "*.cluster.local", "ISTIO_MUTUAL"),
            ("api-server", "kubernetes.default.svc.cluster.local", "DISABLE"),
        ):
            spec = {"host": host, "trafficPolicy": {"tls": {"mode": tls}}}
            yield _object("networking.istio.io/v1", "DestinationRule", name, plane, spec, where)


def _object(version: str, kind: str, name: str, plane: Resource, spec: dict[str, Any], where: str) -> Resource:
    metadata = {"name": name, "namespace": plane.namespace}
    metadata |= {"creationTimestamp": plane.created} if plane.created else {}
    return Resource({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}, where)
