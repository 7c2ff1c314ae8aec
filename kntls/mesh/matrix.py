"""Tenant isolation as a matrix: who reaches whom, on which path, and whether that is as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kntls.mesh.authz.model import Workload
from kntls.mesh.resources import Resource
from kntls.mesh.routing import is_knative, routes
from kntls.mesh.topology import QUEUE_PROXY, SERVING_GROUP, Topology, activated, knative_workload
from kntls.mesh.walk import Call, Verdict, World
from kntls.mesh.why import sentence

_ANSWERED = "200"
_SYSTEM = frozenset({"knative-serving", "knative-serving-ingress", "knative-eventing"})


@dataclass(frozen=True)
class Path:
    """One way to call a tenant's service."""

    name: str
    activated: bool
    private: bool = False
    """By the private Service of a revision, which points at the pods."""


PATHS = (
    Path("direct", activated=False, private=True),
    Path("activator", activated=True),
    Path("gateway", activated=False),
    Path("gateway+activator", activated=True),
)
"""Each within a tenant and across tenants: eight. The gateway ones dial the local gateway with the service's Host."""


@dataclass(frozen=True)
class Cell:
    """One caller, one target, one path."""

    source: str
    target: str
    path: str
    codes: tuple[str, ...]
    """More than one where the route is not certain."""
    expected: str
    denied_at: str
    reason: str

    @property
    def right(self) -> bool:
        """Whether it is as isolation demands: own services answer, others' do not."""
        return all((code == _ANSWERED) == (self.expected == _ANSWERED) for code in self.codes)

    @property
    def mark(self) -> str:
        """A word for the table."""
        if self.right:
            return "ok"
        return "LEAK" if self.expected != _ANSWERED else "BLOCKED"


@dataclass(frozen=True)
class Matrix:
    """All cells."""

    cells: tuple[Cell, ...]

    @property
    def isolated(self) -> bool:
        """Whether every cell is right."""
        return all(cell.right for cell in self.cells)


@dataclass(frozen=True)
class _Tenant:
    name: str
    client: Workload
    services: tuple[Resource, ...]
    namespace: str


def matrix(world: World, scene: Topology, tenants: Mapping[str, tuple[str, ...]], *, sidecar: bool = True) -> Matrix:
    """Every tenant against every tenant. Without `tenants`, each namespace with a Knative Service is one.

    Where the input holds no Knative Service at all, each namespace with policies is one, save those of the mesh and of
    Knative. Raises `NotFound` or `UsageError` where there is none.
    """
    found = [_tenant(scene, name, spaces, sidecar) for name, spaces in (tenants or derived_tenants(scene)).items()]
    if not found:
        raise scene.lacks(
            "the input has neither Knative Services nor policies", "no tenant", fix="--tenant NAME=NAMESPACE"
        )
    return Matrix(tuple(_cell(world, scene, a, b, path) for a in found for b in found for path in PATHS))


def derived_tenants(scene: Topology) -> dict[str, tuple[str, ...]]:
    """Who the tenants are where nobody says so: name → namespaces."""
    services = scene.resources.in_group("Service", SERVING_GROUP)
    namespaces = {service.namespace for service in services}
    if not namespaces:
        policies = {found.namespace for found in scene.resources.all("AuthorizationPolicy")}
        namespaces = policies - _SYSTEM - {scene.mesh.root_namespace}
    return {namespace: (namespace,) for namespace in sorted(namespaces)}


def _tenant(scene: Topology, name: str, namespaces: tuple[str, ...], sidecar: bool) -> _Tenant:
    home = namespaces[0]
    callers = [each for each in scene.workloads if each.namespace in namespaces and not is_knative(each)]
    client = callers[0] if callers else Workload(f"{home}/default", home)
    services = tuple(
        each for each in scene.resources.in_group("Service", SERVING_GROUP) if each.namespace in namespaces
    )
    client = Workload(client.name, client.namespace, client.service_account, client.labels, client.mesh and sidecar)
    return _Tenant(name, client, services, home)


def _cell(world: World, scene: Topology, source: _Tenant, target: _Tenant, path: Path) -> Cell:
    verdicts = tuple(_verdicts(world, scene, source, target, path))
    expected = _ANSWERED if source is target else "403"
    wrong = (each for each in verdicts if (each.code == _ANSWERED) != (expected == _ANSWERED))
    telling = next(wrong, verdicts[0])
    denied_at = telling.denied_at.name if telling.denied_at else ""
    codes = tuple(dict.fromkeys(each.code for each in verdicts))
    reason = f"at {telling.last.server.name}: {sentence(telling.last)}"
    return Cell(source.name, target.name, path.name, codes, expected, denied_at, reason)


def _verdicts(world: World, scene: Topology, source: _Tenant, target: _Tenant, path: Path) -> Iterator[Verdict]:
    service = _fitting(target, path)
    name = service.name if service else "service"
    namespace = service.namespace if service else target.namespace
    server = (
        knative_workload(scene, service)
        if service
        else Workload(f"{namespace}/{name}", namespace, labels={"serving.knative.dev/service": name})
    )
    front = f"{name}-00001-private" if path.private else name
    host = f"{front}.{namespace}.svc.{scene.mesh.cluster_domain}"
    headers = {} if path.private else {"Knative-Serving-Namespace": namespace}
    call = Call(QUEUE_PROXY, host=host, headers=headers, gateway_port=scene.gateway_port)
    found = routes(source.client, server, host, scene.scene, activated=path.activated)
    # by name, a client without sidecar reaches the local gateway, and not the pod
    by_name = [route for route in found if path.private or len(route.chain) > 2] or found
    for route in by_name if not source.client.mesh else found:
        yield world.walk(route.chain, call)


def _fitting(tenant: _Tenant, path: Path) -> Resource | None:
    """A service that really takes the path, else any."""
    fitting = [each for each in tenant.services if activated(each) is path.activated]
    return next(iter((*fitting, *tenant.services)), None)
