"""Which proxies a request passes: gateway or not, activator or not. By the Host header, not by the address dialled.

Source: net-istio `pkg/reconciler/ingress/resources/virtual_service.go` (every cluster-local host is also routed inside
the mesh, so a client with a sidecar never passes the local gateway); serving `pkg/activator/handler/`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from kntls.mesh.authz.model import Workload
from kntls.mesh.authz.selection import is_gateway

KNATIVE_PREFIX = "serving.knative.dev/"
PRIVATE_SUFFIX = "-private"


@dataclass(frozen=True)
class Route:
    """One way a request can take."""

    chain: tuple[Workload, ...]
    reason: str

    @property
    def names(self) -> tuple[str, ...]:
        """The workloads' names."""
        return tuple(workload.name for workload in self.chain)


@dataclass(frozen=True)
class Landscape:
    """The proxies a request may pass on its way."""

    gateway: Workload | None = None
    """The ingress gateway, which in most installations is the local gateway too."""
    activator: Workload | None = None
    namespaces: frozenset[str] = frozenset()
    cluster_domain: str = "cluster.local"


def landscape(workloads: Iterable[Workload], cluster_domain: str = "cluster.local") -> Landscape:
    """Find gateway and activator among the workloads by their labels."""
    known = tuple(workloads)
    return Landscape(
        next((found for found in known if is_gateway(found)), None),
        next((found for found in known if is_activator(found)), None),
        frozenset(found.namespace for found in known),
        cluster_domain,
    )


def is_activator(workload: Workload) -> bool:
    """Whether it is Knative's activator."""
    return "activator" in (workload.labels.get("app"), workload.labels.get("app.kubernetes.io/component"))


def is_knative(workload: Workload) -> bool:
    """Whether it serves a Knative Service."""
    return any(label.startswith(KNATIVE_PREFIX) for label in workload.labels)


def local_name(host: str, scene: Landscape) -> tuple[str, str] | None:
    """A Host as (Service, namespace) if it is one of the cluster's; None for an address or an outside name."""
    parts = host.partition(":")[0].split(".")
    if len(parts) < 2 or (len(parts) == 2 and parts[1] not in scene.namespaces):
        return None
    rest = parts[2:]
    if not rest or rest == ["svc"] or rest == ["svc", *scene.cluster_domain.split(".")]:
        return parts[0], parts[1]
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]") if host.startswith("[") else host.partition(":")[0])
    except ValueError:
        return False
    return True


def routes(
    client: Workload,
    server: Workload,
    host: str,
    scene: Landscape,
    *,
    tcp: bool = False,
    plaintext: bool = False,
    activated: bool | None = None,
) -> tuple[Route, ...]:
    """Every way the request can take; more than one where what decides (is the service scaled up?) is unknown.

    `activated` says whether the activator is in the path; `plaintext` that the client's sidecar is passed by.
    """
    if tcp or not is_knative(server):
        return (Route((client, server), "straight to the workload"),)
    if plaintext or _is_address(host) or not host:
        return (Route((client, server), "the pod is dialled directly"),)
    name = local_name(host, scene)
    if name is not None and name[0].endswith(PRIVATE_SUFFIX):
        return (Route((client, server), "a private Service points at the pods"),)
    if name is not None and name[1] != server.namespace:
        return _foreign_host(client, server, scene)
    if name is None:
        head = (scene.gateway,) if scene.gateway else ()
        return _through(head, server, scene, activated, "an outside name enters at the gateway") if head else ()
    if client.mesh:
        return _through((client,), server, scene, activated, "the client's sidecar routes by Host")
    direct = Route((client, server), "a client without sidecar dials the pod")
    if scene.gateway is None:
        return (direct,)
    through = _through((client, scene.gateway), server, scene, activated, "without sidecar, by the local gateway")
    return (*through, direct)


def _through(
    head: tuple[Workload, ...], server: Workload, scene: Landscape, activated: bool | None, reason: str
) -> tuple[Route, ...]:
    found = []
    if activated is not True or scene.activator is None:
        found.append(Route((*head, server), reason))
    if activated is not False and scene.activator is not None:
        found.append(Route((*head, scene.activator, server), f"{reason}, then by the activator"))
    return tuple(found)


def _foreign_host(client: Workload, server: Workload, scene: Landscape) -> tuple[Route, ...]:
    """A Host of another namespace only gets there through the activator, which goes by the Knative-Serving headers."""
    if scene.activator is None:
        return ()
    chain = (client, scene.activator, server)
    return (Route(chain, "the activator goes by the Knative-Serving headers, not by Host"),)
