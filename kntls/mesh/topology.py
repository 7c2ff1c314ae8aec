"""Who and what a question names: `NS/SA`, a pod, `NS/SVC:PORT`, found among the workloads and Services of the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kntls.errors import KntlsError, NotFound, UsageError
from kntls.mesh.authz.model import Mesh, Workload
from kntls.mesh.authz.selection import is_gateway
from kntls.mesh.control import get
from kntls.mesh.inventory import TEMPLATES, Member, ServicePort, container_port, inventory, selects, service_ports
from kntls.mesh.resources import Resource, Resources
from kntls.mesh.routing import KNATIVE_PREFIX, PRIVATE_SUFFIX, Landscape, is_activator

QUEUE_PROXY = 8012
"""Where queue-proxy takes HTTP/1 (knative `pkg/networking/constants.go`); the activator listens there too."""
SERVING_GROUP = "serving.knative.dev"
_SERVING = "knative-serving"
_ANNOTATION = "autoscaling.knative.dev/"
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Place:
    """Where a request goes: the workload, its container port, and what the Service says about it."""

    workload: Workload
    port: int
    host: str
    """The Host a client sends who does not choose one."""
    tcp: bool = False
    service_port: int | None = None
    activated: bool | None = None
    """Whether the activator is in the path; None where it depends on load."""
    assumed: str = ""
    """What is assumed of a target that the input does not hold."""


@dataclass(frozen=True)
class Topology:
    """The workloads of the input, and the proxies of the mesh, which are assumed where the input lacks them."""

    resources: Resources
    members: tuple[Member, ...]
    mesh: Mesh
    scene: Landscape
    assumed: tuple[tuple[Workload, str], ...] = ()
    """Proxies the input does not hold, and what is assumed of them."""
    gateway_port: int = 8081
    """The port of the local gateway's listener, as net-istio ships it."""
    gateway_known: bool = False
    """Whether the input holds the local gateway's Gateway."""
    complete: bool = True
    """Whether what is not in the input does not exist: so with a cluster, not with files of policies."""

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Every workload, by the name it has in output."""
        return tuple(_workload(member) for member in self.members)

    @property
    def names(self) -> frozenset[str]:
        """The names of all workloads of the input."""
        return frozenset(workload.name for workload in self.workloads)

    def lacks(self, what: str, where: str, fix: str = "") -> KntlsError:
        """The error for what was named and is not there: in a cluster an object, in files a mistake of the caller's."""
        return (NotFound if self.complete else UsageError)(what, where=where, fix=fix)

    @property
    def unsure(self) -> frozenset[str]:
        """The names of those of which the input does not say whether they have a sidecar."""
        return frozenset(_workload(member).name for member in self.members if member.sidecar is None)


def topology(resources: Resources, mesh: Mesh, *, complete: bool = True) -> Topology:
    """Find the workloads, the gateway and the activator."""
    members = inventory(resources)
    found = [_workload(member) for member in members]
    namespaces = {workload.namespace for workload in found} | {item.namespace for item in resources.objects}
    assumed = []
    gateway = next((workload for workload in found if is_gateway(workload)), None)
    activator = next((workload for workload in found if is_activator(workload)), None)
    if gateway is None:
        gateway = _default_gateway(mesh)
        assumed.append((gateway, f"no gateway in the input: {_described(gateway)} is assumed"))
    if activator is None:
        activator = _default_activator()
        assumed.append((activator, f"no activator in the input: {_described(activator)} is assumed"))
    scene = Landscape(gateway, activator, frozenset(namespaces), mesh.cluster_domain)
    local = next((found for found in resources.all("Gateway") if found.name == "knative-local-gateway"), None)
    base = Topology(resources, members, mesh, scene, tuple(assumed), complete=complete)
    return replace(base, gateway_port=_listener_port(local) or base.gateway_port, gateway_known=True) if local else base


def _listener_port(gateway: Resource) -> int:
    """The port of a Gateway's first server, or 0."""
    servers = gateway.spec.get("servers") or ()
    return next((int(server["port"]["number"]) for server in servers if (server.get("port") or {}).get("number")), 0)


def _workload(member: Member) -> Workload:
    workload = member.workload
    return replace(workload, name=f"{workload.namespace}/{workload.name}")


def _described(workload: Workload) -> str:
    return f"{workload.name} with service account {workload.service_account}"


def _default_gateway(mesh: Mesh) -> Workload:
    namespace, labels = mesh.root_namespace, {"app": "istio-ingressgateway", "istio": "ingressgateway"}
    account = "istio-ingressgateway-service-account"
    return Workload(f"{namespace}/istio-ingressgateway", namespace, account, labels | {"knative": "ingressgateway"})


def _default_activator() -> Workload:
    labels = {"app": "activator", "app.kubernetes.io/component": "activator"}
    return Workload("knative-serving/activator", "knative-serving", "activator", labels)


def find_source(scene: Topology, text: str, *, sidecar: bool | None = None) -> Workload:
    """The caller a `NS/SA`, `NS/POD`, `NS/DEPLOYMENT` or `POD` names; a service account need not be in the input.

    `sidecar` overrides whether it has one. Raises `UsageError` or `NotFound`.
    """
    namespace, _, name = text.rpartition("/")
    if not name or "/" in namespace:
        raise UsageError(
            f"not a caller: {text!r}", where="--from", fix="write NAMESPACE/SERVICEACCOUNT or a pod's name"
        )
    found = _of_name(scene, namespace, name)
    if found is None and namespace:
        # of several with one account, those without a sidecar are asked for by saying so
        same = [each for each in scene.workloads if (each.namespace, each.service_account) == (namespace, name)]
        found = max(same, key=lambda each: each.mesh, default=Workload(text, namespace, name))
    if found is None:
        raise scene.lacks(f"no workload {name!r} in the input", "--from", fix="write NAMESPACE/SERVICEACCOUNT")
    return found if sidecar is None else replace(found, mesh=sidecar)


def _of_name(scene: Topology, namespace: str, name: str) -> Workload | None:
    """The workload of that name, or the pods of a Deployment of that name; any namespace's if none is given."""
    near = [each for each in scene.members if not namespace or each.namespace == namespace]
    labels = [
        (found.namespace, _template_labels(found))
        for found in scene.resources.all(*TEMPLATES)
        if found.name == name and (not namespace or found.namespace == namespace)
    ]
    made = (
        each
        for each in near
        for home, wanted in labels
        if each.namespace == home and wanted and wanted.items() <= each.labels.items()
    )
    found = next((each for each in near if each.name == name), None) or next(made, None)
    return _workload(found) if found else None


def _template_labels(found: Resource) -> Mapping[str, str]:
    return get(found.spec, "template", "metadata", "labels") or {}


def find_target(scene: Topology, text: str) -> Place:
    """The place a `NS/SVC:PORT` (or `NS/WORKLOAD:PORT`) names. Raises `UsageError` or `NotFound`."""
    head, colon, port = text.rpartition(":")
    namespace, slash, name = (head if colon else text).partition("/")
    if not slash or not namespace or not name or (colon and not port.isdigit()):
        raise UsageError(f"not a target: {text!r}", where="--to", fix="write NAMESPACE/SERVICE:PORT")
    number = int(port) if colon else None
    if number is not None and not 1 <= number <= _HIGHEST_PORT:
        raise UsageError(f"no port: {port}", where="--to", fix=f"1 to {_HIGHEST_PORT}")
    for find in (_knative, _service, _named, _assumed):
        if (found := find(scene, namespace, name, number)) is not None:
            return found
    raise scene.lacks(f"no Service or workload {namespace}/{name} in the input", "--to")


def _full(name: str, namespace: str, scene: Topology) -> str:
    return f"{name}.{namespace}.svc.{scene.mesh.cluster_domain}"


def _knative(scene: Topology, namespace: str, name: str, port: int | None) -> Place | None:
    """A Knative Service, or the private Service of one of its revisions."""
    for service in scene.resources.in_group("Service", SERVING_GROUP):
        private = name.startswith(f"{service.name}-") and name.endswith(PRIVATE_SUFFIX)
        if service.namespace == namespace and (service.name == name or private):
            workload = knative_workload(scene, service)
            # 80 is the Service's; any other number is one of the pod's own
            target = QUEUE_PROXY if port in (None, 80, 443) else port
            return Place(workload, target, _full(name, namespace, scene), activated=activated(service))
    return None


def knative_workload(scene: Topology, service: Resource) -> Workload:
    """The pods of a Knative Service."""
    member = next(
        (
            each
            for each in scene.members
            if each.namespace == service.namespace and each.labels.get(f"{KNATIVE_PREFIX}service") == service.name
        ),
        None,
    )
    if member is None:
        labels = {f"{KNATIVE_PREFIX}{key}": service.name for key in ("service", "configuration")}
        return Workload(f"{service.namespace}/{service.name}", service.namespace, labels=labels)
    workload = _workload(member)
    return replace(workload, labels={**workload.labels, f"{KNATIVE_PREFIX}configuration": service.name})


def activated(service: Resource) -> bool | None:
    """Whether requests pass the activator: by target-burst-capacity and min-scale; None where load decides.

    Source: serving `pkg/reconciler/autoscaling/kpa` and `pkg/apis/autoscaling/register.go`.
    """
    annotations = _scaling(service)
    burst = annotations.get("target-burst-capacity", annotations.get("targetBurstCapacity"))
    least = annotations.get("min-scale", annotations.get("minScale", "0"))
    if burst == "-1":
        return True
    if burst is not None and _is_zero(burst) and least.isdigit() and int(least) > 0:
        return False
    return None


def _is_zero(text: str) -> bool:
    return text.strip("0.") == "" and text != ""


def _scaling(service: Resource) -> Mapping[str, str]:
    template = (service.spec.get("template") or {}).get("metadata") or {}
    annotations = template.get("annotations") or {}
    return {
        key.removeprefix(_ANNOTATION): str(value) for key, value in annotations.items() if key.startswith(_ANNOTATION)
    }


def _service(scene: Topology, namespace: str, name: str, port: int | None) -> Place | None:
    for service in scene.resources.in_group("Service", ""):
        if (service.namespace, service.name) != (namespace, name):
            continue
        member = next((each for each in scene.members if selects(service, each)), None)
        if member is None:
            raise scene.lacks(f"Service {namespace}/{name} selects no workload in the input", "--to")
        found = _service_port(service, port)
        target = container_port(found, member) if found else _own_port(service, member, port)
        if target is None:
            raise scene.lacks(f"Service {namespace}/{name} has no port that leads anywhere", "--to")
        host = _full(name, namespace, scene)
        tcp = found is not None and found.protocol == "tcp"
        return Place(_workload(member), target, host, tcp, found.port if found else None)
    return None


def _own_port(service: Resource, member: Member, port: int | None) -> int | None:
    """A number that is no port of the Service: one of the pod's own. Raises `UsageError` for one that is neither."""
    ports = service_ports(service)
    own = {number for _, number in member.ports} | {container_port(each, member) for each in ports}
    if port is None or port in own or service.spec.get("clusterIP") == "None":
        return port
    known = ", ".join(str(each.port) for each in ports) or "no port"
    raise UsageError(
        f"Service {service.namespace}/{service.name} has no port {port}", where="--to", fix=f"it has {known}"
    )


def _service_port(service: Resource, port: int | None) -> ServicePort | None:
    ports = service_ports(service)
    if port is None:
        return ports[0] if ports else None
    return next((found for found in ports if found.port == port), None)


def _named(scene: Topology, namespace: str, name: str, port: int | None) -> Place | None:
    found = _of_name(scene, namespace, name)
    if found is None:
        return None
    if port is None:
        raise UsageError(f"{namespace}/{name} is a workload: which of its ports?", where="--to", fix="append :PORT")
    return Place(found, port, _full(name, namespace, scene))


def _assumed(scene: Topology, namespace: str, name: str, port: int | None) -> Place | None:
    """A target in a namespace of which the files hold policies only: by convention labelled `app=NAME`."""
    known = any(found.namespace == namespace for found in scene.resources.in_group("Service", ""))
    if scene.complete or port is None or known or any(each.namespace == namespace for each in scene.members):
        return None
    knative = _SERVING in scene.scene.namespaces and port in (80, 443)
    own = {f"{KNATIVE_PREFIX}{key}": name for key in ("service", "configuration")} if knative else {}
    target = QUEUE_PROXY if knative else port
    kind = "Knative Service" if knative else "workload"
    text = f"{namespace}/{name} is not in the input: it is assumed to be a {kind} with a sidecar, labelled app={name}"
    workload = Workload(f"{namespace}/{name}", namespace, labels={"app": name, **own})
    return Place(workload, target, _full(name, namespace, scene), assumed=text)
