"""What is measured: each tenant's client against each tenant's services, on every path, with the verdicts to expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kntls.mesh.authz.model import Workload
from kntls.mesh.control import get
from kntls.mesh.matrix import PATHS, Path
from kntls.mesh.resources import Resource
from kntls.mesh.routing import Route, is_knative, routes
from kntls.mesh.topology import QUEUE_PROXY, SERVING_GROUP, Topology, activated, knative_workload
from kntls.mesh.walk import Call, Verdict, World

EXTERNAL = Path("external", activated=True)
"""By the service's public URL: in at the ingress gateway, which every tenant admits."""


@dataclass(frozen=True)
class Probe:
    """One request to make, and every way it can go."""

    id: str
    client: Workload
    target: Workload
    url: str
    host: str
    """The Host header, where it is not the URL's own."""
    call: Call
    routes: tuple[Route, ...]
    tls: bool = False
    """Whether the certificate is not to be verified (`curl -k`)."""

    def verdicts(self, world: World) -> tuple[Verdict, ...]:
        """What the policies say, on every route."""
        return tuple(world.walk(route.chain, self.call) for route in self.routes)


@dataclass(frozen=True)
class Tenant:
    """A tenant: its client and its Knative services."""

    name: str
    client: Workload
    services: tuple[Resource, ...]


def tenants(scene: Topology, wanted: Mapping[str, tuple[str, ...]]) -> tuple[Tenant, ...]:
    """The tenants by name; without any given, each namespace with a Knative service is one.

    Raises `NotFound` or `UsageError` for a tenant without services.
    """
    services = list(scene.resources.in_group("Service", SERVING_GROUP))
    spaces = dict(wanted) or {each.namespace: (each.namespace,) for each in services}
    found = tuple(_tenant(scene, name, names, services) for name, names in sorted(spaces.items()))
    if not found:
        raise scene.lacks("no namespace has a Knative service", "no tenant", fix="--tenant NAME=NAMESPACE, or --deploy")
    return found


def _tenant(scene: Topology, name: str, spaces: tuple[str, ...], services: list[Resource]) -> Tenant:
    mine = tuple(each for each in services if each.namespace in spaces)
    if not mine:
        raise scene.lacks(f"no Knative service in {', '.join(spaces)}", f"tenant {name}", fix="--deploy makes some")
    callers = [each for each in scene.workloads if each.namespace in spaces and not is_knative(each)]
    curl = next((each for each in callers if each.labels.get("app") == "curl"), None)
    client = curl or next(iter(callers), None) or Workload(f"{spaces[0]}/default", spaces[0])
    return Tenant(name, client, mine)


def probes(scene: Topology, found: tuple[Tenant, ...]) -> tuple[Probe, ...]:
    """Every client against every tenant, on each path that some service of the tenant really takes."""
    return tuple(
        probe
        for one in found
        for other in found
        for path in (*PATHS, EXTERNAL)
        for probe in _of(scene, one, other, path)
    )


def _of(scene: Topology, one: Tenant, other: Tenant, path: Path) -> Iterator[Probe]:
    service = _fitting(other, path)
    if service is None:
        return
    name = f"{one.name} → {other.name}, {path.name}"
    if path is EXTERNAL:
        yield from _external(scene, name, one, service)
        return
    server = knative_workload(scene, service)
    front = f"{revision(service)}-private" if path.private else service.name
    host = f"{front}.{service.namespace}.svc.{scene.mesh.cluster_domain}"
    headers = {} if path.private else {"Knative-Serving-Namespace": service.namespace}
    call = Call(QUEUE_PROXY, path="/", host=host, headers=headers, gateway_port=scene.gateway_port)
    found = routes(one.client, server, host, scene.scene, activated=path.activated)
    gateway = path.name.startswith("gateway")
    address = f"knative-local-gateway.{scene.mesh.root_namespace}.svc.{scene.mesh.cluster_domain}" if gateway else host
    yield Probe(name, one.client, server, f"http://{address}/", host if gateway else "", call, found)


def _external(scene: Topology, name: str, one: Tenant, service: Resource) -> Iterator[Probe]:
    url = str(get(service.body, "status", "url") or "")
    gateway = scene.scene.gateway
    if not url or ".svc" in url or gateway is None:
        return
    server = knative_workload(scene, service)
    host = url.partition("://")[2].rstrip("/")
    call = Call(QUEUE_PROXY, host=host, headers={"Knative-Serving-Namespace": service.namespace})
    # the client's own sidecar passes a name it does not know; the first proxy that judges is behind the gateway
    found = [Route((gateway, server), "an outside name enters at the gateway")]
    if activator := scene.scene.activator:
        found.append(Route((gateway, activator, server), "an outside name enters at the gateway, then the activator"))
    yield Probe(name, one.client, server, f"{url.rstrip('/')}/", "", call, tuple(found), tls=True)


def _fitting(tenant: Tenant, path: Path) -> Resource | None:
    """A service that takes the path for certain; for the outside name one that has a public URL."""
    if path is EXTERNAL:
        public = (each for each in tenant.services if ".svc" not in str(get(each.body, "status", "url") or ".svc"))
        return next(public, None)
    return next((each for each in tenant.services if activated(each) is path.activated), None)


def revision(service: Resource) -> str:
    """The revision that serves: as its status says, else the first."""
    return str(get(service.body, "status", "latestReadyRevisionName") or f"{service.name}-00001")
