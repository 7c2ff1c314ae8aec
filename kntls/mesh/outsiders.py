"""Who breaks when a mesh goes STRICT: callers that have no certificate, and servers that clients must no longer greet
with one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.mesh.control import get
from kntls.mesh.inventory import Member, inventory, selects
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

    def holds(self, member: Member) -> bool:
        """Whether a workload is in it."""
        place = not self.namespaces or member.namespace in self.namespaces
        return place and all(member.labels.get(key) == value for key, value in self.labels)


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
    members = inventory(resources)
    inside = [each for each in members if scope.holds(each) and each.sidecar is not False]
    services = [
        each
        for each in resources.in_group("Service", "")
        if any(selects(each, member) and not _is_gateway(member) for member in inside)
    ]
    found = [
        *_pods(members, services, inside),
        *_entrances(resources, services),
        *_servers(resources, members, scope),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.role, each.namespace, each.name)))


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
        str(each.spec.get("host") or "").partition(".")[0] + "/" + each.namespace
        for each in resources.all("DestinationRule")
        if get(each.spec, "trafficPolicy", "tls", "mode") in ("DISABLE", "SIMPLE")
    }
    spaces = {each.namespace for each in members if each.sidecar}
    for service in resources.in_group("Service", ""):
        behind = [each for each in members if selects(service, each)]
        covered = f"{service.name}/{service.namespace}" in plain
        if behind and spaces and not covered and all(each.sidecar is False for each in behind):
            reason = "its pods have no sidecar, and clients would insist on mTLS"
            yield Outsider("server", service.namespace, service.name, reason)
