"""Who breaks when a mesh goes STRICT: callers that have no certificate, and servers that clients must no longer greet
with one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.mesh.authz.model import MtlsMode, PeerAuthentication
from kntls.mesh.authz.model import Scope as Selection
from kntls.mesh.authz.parse import peer_authentication
from kntls.mesh.authz.peer import PeerModes, peer_modes
from kntls.mesh.authz.validation import problems
from kntls.mesh.control import get
from kntls.mesh.inventory import Member, container_port, inventory, selects, service_ports
from kntls.mesh.resources import Resource, Resources

GATEWAYS = ("istio", "knative")


@dataclass(frozen=True)
class Scope:
    """What is to become STRICT."""

    namespaces: tuple[str, ...] = ()
    """Empty: the whole mesh."""
    labels: tuple[tuple[str, str], ...] = ()
    root_namespace: str = "istio-system"
    mutual_rule: bool = False
    """Whether clients get a DestinationRule ISTIO_MUTUAL for everything as well (an SMCP with dataPlane.mtls)."""
    open_ports: tuple[int, ...] = ()
    """Container ports that go on taking plaintext."""
    plain_hosts: tuple[str, ...] = ()
    """Hosts that clients are told to reach in plaintext at the same time."""

    def holds(self, member: Member) -> bool:
        """Whether a workload is in it."""
        place = not self.namespaces or member.namespace in self.namespaces
        return place and all(member.labels.get(key) == value for key, value in self.labels)

    def peers(self) -> tuple[PeerAuthentication, ...]:
        """The PeerAuthentications that make it STRICT; the newest there are, so that others of one scope win."""
        ports = dict.fromkeys(self.open_ports, MtlsMode.PERMISSIVE)
        selection = Selection(dict(self.labels))
        return tuple(
            PeerAuthentication(namespace, "~", MtlsMode.STRICT, ports, selection)
            for namespace in self.namespaces or (self.root_namespace,)
        )


@dataclass(frozen=True)
class Outsider:
    """One caller or server outside the mesh that would break."""

    role: str
    """`caller` or `server`."""
    namespace: str
    """Empty for what is cluster-scoped."""
    name: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.role} {place}: {self.reason}"

    def named(self, accepted: Sequence[str]) -> bool:
        """Whether it is among the accepted: by `NS/NAME`, by `NS`, or by name where it has no namespace."""
        return bool(
            {self.namespace, self.name if not self.namespace else "", f"{self.namespace}/{self.name}"}
            & {*accepted} - {""}
        )


def outsiders(resources: Resources, scope: Scope) -> tuple[Outsider, ...]:
    """Everything outside the mesh that is seen to call, or to be called by, what becomes STRICT."""
    members, peers = inventory(resources), _peers_after(resources, scope)
    judged = [
        (member, peer_modes(peers, member.workload, scope.root_namespace))
        for member in members
        if scope.holds(member) and member.sidecar is not False
    ]
    strict = [(member, modes) for member, modes in judged if _becomes_strict(modes)]
    inside = [member for member, _ in strict]
    services = [
        each
        for each in resources.in_group("Service", "")
        if any(_leads_to_strict(each, member, modes) for member, modes in strict)
    ]
    found = [
        *_pods(members, services, inside),
        *_entrances(resources, services),
        *_servers(resources, members, scope),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.role, each.namespace, each.name)))


def _peers_after(resources: Resources, scope: Scope) -> list[PeerAuthentication]:
    """The PeerAuthentications there are, those of the same scope replaced by what makes it STRICT."""
    made = scope.peers()
    replaced = {(each.namespace, frozenset(each.scope.labels.items())) for each in made}
    found = [
        peer_authentication(each) for each in resources.all("PeerAuthentication") if not next(problems(each), None)
    ]
    kept = [each for each in found if (each.namespace, frozenset(each.scope.labels.items())) not in replaced]
    return [*kept, *made]


def _becomes_strict(modes: PeerModes) -> bool:
    return any(each.mode is MtlsMode.STRICT for each in (modes.mode, *modes.ports.values()))


def _leads_to_strict(service: Resource, member: Member, modes: PeerModes) -> bool:
    if not selects(service, member) or _is_gateway(member):
        return False
    ports = [container_port(port, member) for port in service_ports(service)] or [None]
    return any((modes.of(port) if port else modes.mode).mode is MtlsMode.STRICT for port in ports)


def unseen(resources: Resources, found: Sequence[Outsider]) -> tuple[str, ...]:
    """Namespaces with pods outside the mesh that are not seen to call anything, but may."""
    named = {each.namespace for each in found}
    return tuple(sorted({each.namespace for each in inventory(resources) if each.sidecar is False} - named))


def _is_gateway(member: Member) -> bool:
    return any("gateway" in member.labels.get(key, "") for key in GATEWAYS)


def _pods(members: Sequence[Member], services: Sequence[Resource], inside: Sequence[Member]) -> Iterator[Outsider]:
    spaces = {member.namespace for member in inside}
    for member in members:
        if member.sidecar is not False:
            continue
        called = next((each for each in services if _mentions(member, each)), None)
        if called is not None:
            reason = f"without sidecar, and its settings name {called.name}.{called.namespace}"
            yield Outsider("caller", member.namespace, member.name, reason)
        elif member.namespace in spaces:
            yield Outsider(
                "caller", member.namespace, member.name, "without sidecar, in a namespace that becomes STRICT"
            )


def _mentions(member: Member, service: Resource) -> bool:
    """Whether an argument or environment value names the Service as a host: full, or short in its own namespace."""
    full = re.compile(rf"(?<![\w.-]){re.escape(service.name)}\.{re.escape(service.namespace)}(?![\w-])")
    short = re.compile(rf"//{re.escape(service.name)}(?![\w.-])")
    same = member.namespace == service.namespace
    return any(full.search(text) or (same and short.search(text)) for text in member.texts)


def _entrances(resources: Resources, services: Sequence[Resource]) -> Iterator[Outsider]:
    places = {(each.namespace, each.name): each for each in services}
    for each in services:
        kind = str(each.spec.get("type") or "")
        if kind in ("NodePort", "LoadBalancer"):
            yield Outsider(
                "caller", each.namespace, each.name, f"Service of type {kind}: whoever calls it from outside"
            )
    for hook in resources.all("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        for entry in hook.body.get("webhooks") or ():
            target = get(entry, "clientConfig", "service") or {}
            if (target.get("namespace"), target.get("name")) in places:
                where = f"{target['namespace']}/{target['name']}"
                yield Outsider("caller", "", hook.name, f"the API server calls its webhook {where}")
    for found, backends in _front_doors(resources):
        for name in backends:
            if (found.namespace, name) in places:
                yield Outsider("caller", found.namespace, found.name, f"{found.kind} leads to {found.namespace}/{name}")


def _front_doors(resources: Resources) -> Iterator[tuple[Resource, tuple[str, ...]]]:
    for found in resources.in_group("Ingress", "networking.k8s.io"):
        paths = [path for each in found.spec.get("rules") or () for path in get(each, "http", "paths") or ()]
        names: list[Any] = [get(path, "backend", "service", "name") for path in paths]
        names.append(get(found.spec, "defaultBackend", "service", "name"))
        yield found, tuple(str(name) for name in names if name)
    for found in resources.in_group("Route", "route.openshift.io"):
        yield found, (str(get(found.spec, "to", "name") or ""),)


def _servers(resources: Resources, members: Sequence[Member], scope: Scope) -> Iterator[Outsider]:
    """Services without sidecars that mesh clients reach, where a rule for everything would demand mTLS of them."""
    if not scope.mutual_rule:
        return
    plain = {
        _place(str(each.spec.get("host") or ""), each.namespace)
        for each in resources.all("DestinationRule")
        if get(each.spec, "trafficPolicy", "tls", "mode") in ("DISABLE", "SIMPLE")
    }
    plain |= {_place(host, "") for host in scope.plain_hosts}
    spaces = {each.namespace for each in members if each.sidecar}
    for service in resources.in_group("Service", ""):
        behind = [each for each in members if selects(service, each)]
        covered = (service.name, service.namespace) in plain
        if behind and spaces and not covered and all(each.sidecar is False for each in behind):
            reason = "its pods have no sidecar, and clients would insist on mTLS"
            yield Outsider("server", service.namespace, service.name, reason)


def _place(host: str, namespace: str) -> tuple[str, str]:
    """The Service and namespace of a host; a short one is of the rule's own namespace."""
    name, _, rest = host.partition(".")
    return name, rest.partition(".")[0] or namespace
