"""The mesh's objects from a cluster: kinds that are not installed or not readable are left out, and said so."""

from __future__ import annotations

from typing import Any

from kntls.cluster.client import Cluster
from kntls.errors import Forbidden, NotFound
from kntls.mesh.resources import Resource, Resources
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, KSERVICE, NAMESPACE, POD, SERVICE, Kind
from kntls.model.objects import ObjectRef

AUTHORIZATION_POLICY = Kind("AuthorizationPolicy", "security.istio.io", "v1", "authorizationpolicies")
PEER_AUTHENTICATION = Kind("PeerAuthentication", "security.istio.io", "v1", "peerauthentications")
REQUEST_AUTHENTICATION = Kind("RequestAuthentication", "security.istio.io", "v1", "requestauthentications")
DESTINATION_RULE = Kind("DestinationRule", "networking.istio.io", "v1", "destinationrules")
GATEWAY = Kind("Gateway", "networking.istio.io", "v1", "gateways")
VIRTUAL_SERVICE = Kind("VirtualService", "networking.istio.io", "v1", "virtualservices")
CONTROL_PLANE = Kind("ServiceMeshControlPlane", "maistra.io", "v2", "servicemeshcontrolplanes")
MEMBER_ROLL = Kind("ServiceMeshMemberRoll", "maistra.io", "v1", "servicemeshmemberrolls")
MEMBER = Kind("ServiceMeshMember", "maistra.io", "v1", "servicemeshmembers")
ISTIO = Kind("Istio", "sailoperator.io", "v1", "istios", namespaced=False)
STATEFUL_SET = Kind("StatefulSet", "apps", "v1", "statefulsets")
DAEMON_SET = Kind("DaemonSet", "apps", "v1", "daemonsets")

MESH_KINDS: tuple[Kind, ...] = (
    AUTHORIZATION_POLICY,
    PEER_AUTHENTICATION,
    REQUEST_AUTHENTICATION,
    DESTINATION_RULE,
    GATEWAY,
    VIRTUAL_SERVICE,
    CONTROL_PLANE,
    MEMBER_ROLL,
    MEMBER,
    ISTIO,
    NAMESPACE,
    POD,
    SERVICE,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    KSERVICE,
)
"""Everything the mesh commands look at; Secrets are not among it."""


def read_cluster(cluster: Cluster, kinds: tuple[Kind, ...] = MESH_KINDS) -> Resources:
    """Read these kinds from every namespace. Raises `Forbidden` for one that exists and may not be listed."""
    found: list[Resource] = []
    for kind in kinds:
        try:
            found += (_resource(kind, item) for item in cluster.list(kind))
        except NotFound:
            continue
    return Resources((*found, *_mesh_config(cluster)))


def _resource(kind: Kind, item: dict[str, Any]) -> Resource:
    """An item of a list, which the API server sends without its type."""
    return Resource({"apiVersion": kind.api_version, "kind": kind.manifest_kind, **item}, "cluster")


def _mesh_config(cluster: Cluster) -> list[Resource]:
    """Istio's own configuration, where it lies by default."""
    try:
        config = cluster.get(ObjectRef(CONFIG_MAP, "istio", "istio-system"))
    except Forbidden:
        return []
    return [_resource(CONFIG_MAP, config)] if config else []
