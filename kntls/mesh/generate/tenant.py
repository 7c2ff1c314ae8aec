"""One tenant's policies: what Red Hat's knative-istio-authz chart 1.36 renders, with its traps refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.errors import Refused
from kntls.mesh.generate.baseline import COMPONENT, EVENTING, SERVING, allow, eventing_principal
from kntls.mesh.generate.model import (
    Generated,
    Manifest,
    Target,
    check_label,
    check_namespaces,
    refuse_wildcard_trap,
)

RECEIVERS: Mapping[str, str] = {
    "imc-dispatcher": "imc",
    "kafka-broker-receiver": "ekb",
    "kafka-channel-receiver": "ekc",
    "kafka-sink-receiver": "eks",
    "broker-ingress": "broker-ingress",
    "job-sink": "job-sink",
}
"""Eventing component → the short name its policy carries (chart values `eventing.receivers`)."""

SENDERS: tuple[str, ...] = (
    "pingsource-mt-adapter",
    "imc-dispatcher",
    "mt-broker-filter",
    "knative-kafka-source-data-plane",
    "knative-kafka-broker-data-plane",
    "knative-kafka-channel-data-plane",
)
"""Service accounts of `knative-eventing` that deliver events (chart values `eventing.sendersServiceAccounts`)."""

REPLIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "kafka-broker-reply": ("kafka-broker-receiver", ("knative-kafka-broker-data-plane",)),
    "mt-channel-based-broker-reply": (
        "broker-ingress",
        ("imc-dispatcher", "mt-broker-filter", "knative-kafka-channel-data-plane"),
    ),
}
"""Policy suffix → the component that takes replies, and who sends them."""

HEADER = "request.headers[Knative-Serving-Namespace]"

BYPASS_NOTE = (
    "the activator trusts the Knative-Serving-Namespace and -Revision headers before Host, and the rule for it checks "
    "Host only: a tenant that reaches the activator directly may name another tenant's revision; --harden checks the "
    "header as well"
)


@dataclass(frozen=True)
class Tenant:
    """A tenant: its name (part of policy names), its namespaces, and which Knative halves it uses."""

    name: str
    namespaces: tuple[str, ...]
    serving: bool = True
    eventing: bool = True
    harden: bool = False
    """Also match the Knative-Serving-Namespace header at the activator."""


def _source(**fields: Sequence[str]) -> dict[str, Any]:
    return {"from": [{"source": {key: list(values) for key, values in fields.items()}}]}


def _to(*operations: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"to": [{"operation": {key: list(values) for key, values in each.items()}} for each in operations]}


@dataclass(frozen=True)
class _Shapes:
    """The sources, operations and conditions that the tenant's rules are made of."""

    tenant: Tenant
    target: Target

    @property
    def hosts(self) -> dict[str, list[str]]:
        domain = self.target.cluster_domain
        forms = [[f"*.{ns}", f"*.{ns}.svc", f"*.{ns}.svc.{domain}"] for ns in self.tenant.namespaces]
        return {"hosts": [host for group in forms for host in group]}

    @property
    def paths(self) -> dict[str, list[str]]:
        return {"paths": [f"/{ns}/*" for ns in self.tenant.namespaces]}

    @property
    def own(self) -> dict[str, Any]:
        return _source(namespaces=self.tenant.namespaces)

    def senders(self, accounts: Sequence[str] = SENDERS) -> dict[str, Any]:
        return _source(namespaces=[EVENTING], principals=[eventing_principal(each) for each in accounts])

    @property
    def on_behalf(self) -> dict[str, Any]:
        return {"when": [{"key": "request.headers[Kn-Namespace]", "values": list(self.tenant.namespaces)}]}


def _check(tenant: Tenant, target: Target) -> None:
    check_label(tenant.name, "tenant name")
    check_namespaces(tenant.namespaces)
    refuse_wildcard_trap((*tenant.namespaces, tenant.name), target.cluster_domain)
    if not (tenant.serving or tenant.eventing):
        raise Refused(
            "without Serving and Eventing the tenant's policies allow nothing and deny every request to its namespaces",
            fix="keep --serving or --eventing on",
        )
    system = {SERVING, EVENTING, "knative-serving-ingress", target.root_namespace} & set(tenant.namespaces)
    if system:
        raise Refused(f"{min(system)} belongs to the platform; a tenant's policies there would open it to that tenant")


def _into_namespace(shapes: _Shapes, namespace: str) -> Manifest:
    tenant, target = shapes.tenant, shapes.target
    rules = []
    if tenant.serving:
        platform = (SERVING, "knative-serving-ingress", target.root_namespace)
        rules.append(_source(namespaces=[*tenant.namespaces, *platform]))
    if tenant.eventing:
        rules.append({**_source(namespaces=[EVENTING]), **shapes.on_behalf})
    return allow(target, "allow-from-knative-and-istio", namespace, None, rules)


def _by_header(shapes: _Shapes, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """The rule, or with `harden` two that look at the header the activator goes by."""
    if not shapes.tenant.harden:
        return [rule]
    # legitimate calls carry the header (the VirtualService sets it) or none at all (a revision's own Service)
    conditions = ({"values": list(shapes.tenant.namespaces)}, {"notValues": ["*"]})
    return [{**rule, "when": [*rule.get("when", ()), {"key": HEADER, **each}]} for each in conditions]


def _through_activator(shapes: _Shapes) -> Manifest:
    rules = _by_header(shapes, {**shapes.own, **_to(shapes.hosts)}) if shapes.tenant.serving else []
    if shapes.tenant.eventing:
        # a channel passes `Knative-` headers of an event on, so that a sender's header may be a tenant's
        rules += _by_header(shapes, {**shapes.senders(), **_to(shapes.hosts), **shapes.on_behalf})
    name = f"allow-{shapes.tenant.name}-to-activator"
    return allow(shapes.target, name, SERVING, {COMPONENT: "activator"}, rules)


def _reply(shapes: _Shapes, suffix: str, component: str, accounts: Sequence[str]) -> Manifest:
    rule = {**shapes.senders(accounts), **_to(shapes.paths), **shapes.on_behalf}
    return allow(shapes.target, f"allow-{shapes.tenant.name}-{suffix}", EVENTING, {COMPONENT: component}, [rule])


def _receiver(shapes: _Shapes, component: str, short: str) -> Manifest:
    rules = [
        {**shapes.own, **_to(shapes.paths, shapes.hosts)},
        {**shapes.senders(), **_to(shapes.hosts), **shapes.on_behalf},
        {**shapes.senders(), **_to(shapes.paths), **shapes.on_behalf},
    ]
    return allow(shapes.target, f"allow-{shapes.tenant.name}-to-{short}", EVENTING, {COMPONENT: component}, rules)


def _drain(target: Target, namespace: str) -> Manifest:
    return allow(target, "allow-wait-for-drain", namespace, None, [_to({"ports": ["8022"]})])


def _eventing(shapes: _Shapes) -> list[Manifest]:
    replies = [_reply(shapes, suffix, *who) for suffix, who in REPLIES.items()]
    return replies + [_receiver(shapes, component, short) for component, short in RECEIVERS.items()]


def tenant(wanted: Tenant, target: Target) -> Generated:
    """The tenant's policies: 2n + 9 for n namespaces with both halves.

    Raises `Refused` for names that would open other namespaces, and for a tenant with both halves off.
    """
    _check(wanted, target)
    shapes = _Shapes(wanted, target)
    objects = [_into_namespace(shapes, namespace) for namespace in wanted.namespaces]
    objects.append(_through_activator(shapes))
    if wanted.eventing:
        objects += _eventing(shapes)
    if wanted.serving:
        objects += [_drain(target, namespace) for namespace in wanted.namespaces]
    return Generated(tuple(objects), _notes(wanted))


def _notes(wanted: Tenant) -> tuple[str, ...]:
    notes = []
    if wanted.serving and not wanted.harden:
        notes.append(BYPASS_NOTE)
    if wanted.serving:
        notes.append(
            "allow-wait-for-drain opens 8022 in the policy only: under STRICT the kubelet's plaintext needs "
            "`kntls mesh generate mtls --prestop` as well"
        )
    return tuple(notes)
