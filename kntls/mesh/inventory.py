"""Workloads and their sidecars, from pods or from what makes pods, and the Services in front of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kntls.mesh.authz.model import Workload
from kntls.mesh.control import get
from kntls.mesh.resources import Resource, Resources

PROXY = "istio-proxy"
INJECT = "sidecar.istio.io/inject"
TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
HTTP = ("http", "http2", "grpc", "grpc-web")
"""Port-name prefixes and appProtocols that make a port HTTP (istio pkg/config/protocol)."""
TCP = ("tcp", "tls", "https", "mongo", "mysql", "redis", "udp")


@dataclass(frozen=True)
class Member:
    """One workload, as a pod or as the template of pods."""

    found: Resource
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str
    ports: tuple[tuple[str, int], ...]
    """Name and number of its containers' ports."""
    sidecar: bool | None
    """None where the input does not tell."""
    injected: bool | None
    """Whether a pod made now would get a sidecar."""
    texts: tuple[str, ...] = field(default=(), repr=False)
    """Environment values, arguments and commands of its containers: what it may call."""

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.found.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.found.name

    @property
    def workload(self) -> Workload:
        """What authorization sees of it; one whose sidecar is unknown counts as in the mesh."""
        return Workload(self.name, self.namespace, self.service_account, self.labels, self.sidecar is not False)

    def __str__(self) -> str:
        return f"{self.found.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Membership:
    """Which namespaces are in the mesh and how pods there get their sidecar."""

    labels: Mapping[str, Mapping[str, str]]
    """Namespace → its labels, of the Namespaces in the input."""
    rolls: tuple[Resource, ...] = ()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Namespace → control planes whose roll (or ServiceMeshMember) holds it."""
    ossm2: bool = False
    """Whether a member roll or SMCP rules membership, not namespace labels."""

    @property
    def told(self) -> bool:
        """Whether the input says who the members are."""
        return bool(self.rolls or self.members)

    def injects(self, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool | None:
        """Whether a pod with these labels and annotations gets a sidecar there; None where the input does not tell.

        Istio: the namespace's label, which a pod's own `sidecar.istio.io/inject` overrides (istio
        pkg/kube/inject/inject.go injectRequired). OSSM 2: members only, and only pods that ask for it.
        """
        asked = labels.get(INJECT, annotations.get(INJECT, ""))
        if asked == "false":
            return False
        if self.ossm2 and asked == "true" and not self.told:
            return None
        if self.ossm2:
            return asked == "true" and bool(self.members.get(namespace))
        if namespace not in self.labels:
            return True if labels.get(INJECT) == "true" else None
        own = self.labels[namespace]
        if own.get("istio-injection") == "disabled":
            return False
        return own.get("istio-injection") == "enabled" or "istio.io/rev" in own or labels.get(INJECT) == "true"


def membership(resources: Resources) -> Membership:
    """Who is in the mesh, by Namespaces, member rolls and ServiceMeshMembers of the input."""
    rolls = tuple(resources.all("ServiceMeshMemberRoll"))
    members: dict[str, list[str]] = {}
    for roll in rolls:
        for namespace in roll.spec.get("members") or ():
            members.setdefault(str(namespace), []).append(roll.namespace)
    for single in resources.all("ServiceMeshMember"):
        plane = str(get(single.spec, "controlPlaneRef", "namespace") or "")
        if plane not in members.get(single.namespace, ()):
            members.setdefault(single.namespace, []).append(plane)
    labels = {found.name: found.labels for found in resources.in_group("Namespace", "")}
    ossm2 = bool(rolls or members or list(resources.all("ServiceMeshControlPlane")))
    return Membership(labels, rolls, {name: tuple(planes) for name, planes in members.items()}, ossm2)


def inventory(resources: Resources) -> tuple[Member, ...]:
    """Every workload; a template whose pods are in the input is left to them."""
    rules = membership(resources)
    pods = [_pod(found, rules) for found in resources.in_group("Pod", "")]
    templates = [
        *(_template(found, rules) for found in resources.all(*TEMPLATES)),
        *(_template(found, rules) for found in resources.in_group("Service", "serving.knative.dev")),
    ]
    near: dict[str, list[Member]] = {}
    for pod in pods:
        near.setdefault(pod.namespace, []).append(pod)
    return (*pods, *(made for made in templates if not _represented(made, near.get(made.namespace, ()))))


def _represented(template: Member, pods: Sequence[Member]) -> bool:
    """Whether one of the pods of its namespace is made from the template."""
    wanted = template.labels.items()
    return bool(wanted) and any(all(pod.labels.get(key) == value for key, value in wanted) for pod in pods)


def _pod(found: Resource, rules: Membership) -> Member:
    containers = [*(found.spec.get("containers") or ()), *(found.spec.get("initContainers") or ())]
    sidecar = any(each.get("name") == PROXY for each in containers)
    injected = rules.injects(found.namespace, found.labels, found.annotations)
    running = bool(found.body.get("status"))
    return _member(found, found.metadata, found.spec, sidecar or (False if running else injected), injected)


def _template(found: Resource, rules: Membership) -> Member:
    template = found.spec.get("template") or {}
    metadata = template.get("metadata") or {}
    knative = found.group == "serving.knative.dev"
    own = {"serving.knative.dev/service": found.name} if knative else {}
    metadata = {**metadata, "labels": {**(metadata.get("labels") or {}), **own}}
    spec = template.get("spec") or {}
    injected = rules.injects(found.namespace, metadata["labels"], metadata.get("annotations") or {})
    sidecar = any(each.get("name") == PROXY for each in spec.get("containers") or ())
    return _member(found, metadata, spec, sidecar or injected, injected)


def _member(
    found: Resource, metadata: Mapping[str, Any], spec: Mapping[str, Any], sidecar: bool | None, injected: bool | None
) -> Member:
    host_network = bool(spec.get("hostNetwork"))
    containers = [each for each in spec.get("containers") or () if each.get("name") != PROXY]
    ports = tuple(
        (str(port.get("name") or ""), int(port["containerPort"]))
        for each in containers
        for port in each.get("ports") or ()
        if isinstance(port.get("containerPort"), int)
    )
    return Member(
        found,
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        str(spec.get("serviceAccountName") or "default"),
        ports,
        False if host_network else sidecar,
        False if host_network else injected,
        tuple(text for each in containers for text in _texts(each)),
    )


def _texts(container: Mapping[str, Any]) -> Iterator[str]:
    yield from map(str, container.get("command") or ())
    yield from map(str, container.get("args") or ())
    yield from (str(entry.get("value") or "") for entry in container.get("env") or ())


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service, as the pods behind it see it."""

    service: Resource
    name: str
    port: int
    target: int | str
    protocol: str
    """`http`, `tcp`, or `auto` where Istio looks at the bytes."""


def service_ports(service: Resource) -> tuple[ServicePort, ...]:
    """The ports of a core Service."""
    return tuple(
        ServicePort(
            service,
            str(entry.get("name") or ""),
            int(entry.get("port") or 0),
            entry.get("targetPort", entry.get("port") or 0),
            protocol_of(str(entry.get("name") or ""), str(entry.get("appProtocol") or "")),
        )
        for entry in service.spec.get("ports") or ()
    )


def protocol_of(name: str, app_protocol: str = "") -> str:
    """`http`, `tcp` or `auto`, as Istio reads a port's appProtocol, else its name up to the first dash."""
    word = (app_protocol.rpartition("/")[2] or name.partition("-")[0]).lower()
    whole = (app_protocol or name).lower()
    if word in HTTP or whole in HTTP or whole.startswith("grpc-web"):
        return "http"
    return "tcp" if word in TCP else "auto"


def selects(service: Resource, member: Member) -> bool:
    """Whether a core Service's selector takes the workload."""
    wanted = service.spec.get("selector") or {}
    same = service.namespace == member.namespace
    return same and bool(wanted) and all(member.labels.get(key) == value for key, value in wanted.items())


def container_port(port: ServicePort, member: Member) -> int | None:
    """The container port a Service's port leads to, or None where a named one is not declared."""
    if isinstance(port.target, int):
        return port.target
    if str(port.target).isdigit():
        return int(port.target)
    return next((number for name, number in member.ports if name == port.target), None)


def ports_by_protocol(services: Iterable[Resource], member: Member) -> dict[int, str]:
    """Container port → protocol, of every port some of these core Services leads to."""
    found = {}
    for service in services:
        if selects(service, member):
            for port in service_ports(service):
                number = container_port(port, member)
                if number is not None:
                    found[number] = port.protocol
    return found
