"""AuthorizationPolicies for the everyday questions: one entry a template, at mesh, namespace or workload scope."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kntls.errors import Refused, UsageError
from kntls.mesh.authz.methods import METHODS
from kntls.mesh.generate.model import Generated, Target, check_label, check_name, check_port, selector
from kntls.model.kinds import AUTHORIZATION_POLICY


@dataclass(frozen=True)
class Request:
    """What the policy is for; each template reads what it needs and refuses what it does not know."""

    template: str
    action: str = "ALLOW"
    namespace: str = ""
    """Where the policy lies; empty = the root namespace, so the whole mesh."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Workload selector; empty = every workload of the scope."""
    name: str = ""
    source_namespaces: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    original_address: bool = False
    """Match the client's address from X-Forwarded-For or the PROXY protocol, not the peer's."""
    service_accounts: tuple[str, ...] = ()
    """`namespace/name`."""
    methods: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Template:
    """One kind of policy: what it says, which fields it takes and how its spec is built."""

    summary: str
    build: Callable[[Request, Target], tuple[dict[str, Any], tuple[str, ...]]]
    """Request and target → spec without selector, and notes."""
    takes: tuple[str, ...] = ()


TCP_NOTE = (
    "HTTP fields do not exist on TCP ports: there ALLOW drops the rule and DENY matches everything; name the HTTP "
    "ports with --port"
)
PLAINTEXT_NOTE = "a plaintext caller has no identity, so notNamespaces matches it too"
MTLS_NOTE = "identities need mTLS: where PERMISSIVE is possible, a plaintext caller never matches"


def _from(source: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"from": [{"source": {key: list(values) for key, values in source.items()}}]}


def _operation(request: Request) -> dict[str, Any]:
    fields = {"methods": _methods(request.methods), "ports": _ports(request.ports)}
    operation = {key: values for key, values in fields.items() if values}
    return {"to": [{"operation": operation}]} if operation else {}


def _methods(methods: Sequence[str]) -> list[str]:
    for method in methods:
        if method not in METHODS:
            raise UsageError(f"{method!r} is no HTTP method", fix="methods are upper-case: GET, POST, …")
    return list(methods)


def _ports(ports: Sequence[str]) -> list[str]:
    return [check_port(port) for port in ports]


def _allow_all(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    if request.action == "DENY":
        raise UsageError("allow-all with DENY would deny everything", fix="use the template deny-all")
    return {"action": "ALLOW", "rules": [{}]}, ()


def _deny_all(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    if request.action == "DENY":
        return {"action": "DENY", "rules": [{}]}, ("DENY wins: no ALLOW policy can open anything under this one",)
    return {}, ("this closes what no other ALLOW policy opens",)


def _outside(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    inside = request.source_namespaces or ((request.namespace,) if request.namespace else ())
    if not inside:
        raise UsageError("outside of which namespace?", fix="add --source-namespace")
    inside = tuple(check_label(each, "namespace") for each in inside)
    rule = {**_from({"notNamespaces": inside}), **_operation(request)}
    return {"action": request.action, "rules": [rule]}, (PLAINTEXT_NOTE,)


def _ip_blocks(blocks: Sequence[str]) -> list[str]:
    for block in blocks:
        try:
            ipaddress.ip_network(block, strict=False)
        except ValueError as error:
            raise UsageError(f"{block!r} is no address or CIDR block") from error
    return list(blocks)


def _ingress(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    if not request.ip_blocks:
        raise UsageError("ingress needs at least one address", fix="add --ip-block 203.0.113.0/24")
    key = "remoteIpBlocks" if request.original_address else "ipBlocks"
    note = (
        "remoteIpBlocks reads X-Forwarded-For: set numTrustedProxies to the proxies in front of the gateway"
        if request.original_address
        else "ipBlocks sees the peer's address: the gateway's Service needs externalTrafficPolicy: Local to see clients"
    )
    rule = {**_from({key: _ip_blocks(request.ip_blocks)}), **_operation(request)}
    return {"action": request.action, "rules": [rule]}, (note,)


def _principal(account: str, target: Target) -> str:
    namespace, slash, name = account.partition("/")
    if not slash or not name:
        raise UsageError(f"{account!r} is no service account", fix="write NAMESPACE/NAME")
    check_label(namespace, "namespace")
    check_name(name, "service account")
    return f"{target.trust_domain}/ns/{namespace}/sa/{name}"


def _caller(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    if not request.service_accounts:
        raise UsageError("caller needs a service account", fix="add --service-account NAMESPACE/NAME")
    principals = [_principal(account, target) for account in request.service_accounts]
    rule = {**_from({"principals": principals}), **_operation(request)}
    mixed = (TCP_NOTE,) if request.methods and not request.ports else ()
    return {"action": request.action, "rules": [rule]}, (MTLS_NOTE, *mixed)


def _tcp_ports(request: Request, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    if not request.ports:
        raise UsageError("tcp-ports needs at least one port", fix="add --port 9000")
    note = "ports are the container's own, not the Service's; ports no Service declares are covered too"
    return {"action": request.action, "rules": [_operation(request)]}, (note,)


TEMPLATES: Mapping[str, Template] = {
    "allow-all": Template("every request", _allow_all),
    "deny-all": Template("no request", _deny_all),
    "outside-namespace": Template(
        "requests from outside the namespace", _outside, ("source_namespaces", "methods", "ports")
    ),
    "ingress": Template(
        "requests to the ingress gateway from these addresses",
        _ingress,
        ("ip_blocks", "original_address", "methods", "ports"),
    ),
    "caller": Template("requests of these service accounts", _caller, ("service_accounts", "methods", "ports")),
    "tcp-ports": Template("connections to these ports", _tcp_ports, ("ports",)),
}
"""Template → what it does. Every policy is written for ALLOW and, where it makes sense, DENY."""

_OPTIONS = ("source_namespaces", "ip_blocks", "original_address", "service_accounts", "methods", "ports")


def _check(request: Request) -> Template:
    template = TEMPLATES.get(request.template)
    if template is None:
        raise UsageError(f"no template {request.template!r}", fix=f"one of {', '.join(TEMPLATES)}")
    if request.action not in ("ALLOW", "DENY"):
        raise UsageError(f"action {request.action!r} is neither ALLOW nor DENY")
    unread = [each for each in _OPTIONS if getattr(request, each) and each not in template.takes]
    if unread:
        flag = unread[0].removesuffix("s").replace("_", "-")
        raise UsageError(f"{request.template} does not take --{flag}")
    return template


def _scope(request: Request, target: Target) -> tuple[str, dict[str, str]]:
    if request.template == "ingress":
        labels = dict(request.labels) or {"app": "istio-ingressgateway"}
        return request.namespace or target.root_namespace, labels
    return request.namespace or target.root_namespace, dict(request.labels)


def policy(request: Request, target: Target) -> Generated:
    """One AuthorizationPolicy from a template.

    Raises `UsageError` for values the template does not take, `Refused` where the policy would close the mesh's own
    namespace.
    """
    template = _check(request)
    namespace, labels = _scope(request, target)
    if (
        request.template == "deny-all"
        and request.action == "DENY"
        and namespace == target.root_namespace
        and not labels
    ):
        raise Refused(
            "DENY of everything in the root namespace stops the whole mesh, ingress gateways included",
            fix="add --namespace or --selector, or use --action ALLOW, which only closes what nothing opens",
        )
    body, notes = template.build(request, target)
    name = request.name or f"{request.action.lower()}-{request.template}".replace("allow-allow-", "allow-")
    manifest = target.manifest(AUTHORIZATION_POLICY, _plain(name), namespace, spec={**selector(labels), **body})
    wide = () if request.namespace or request.template == "ingress" else (_wide_note(target, labels),)
    return Generated((manifest,), (*wide, *notes))


def _plain(name: str) -> str:
    return {"allow-deny-all": "deny-all", "deny-deny-all": "deny-all"}.get(name, name)


def _wide_note(target: Target, labels: Mapping[str, str]) -> str:
    whom = "these workloads in every namespace" if labels else "every workload of the mesh, gateways included"
    return f"in {target.root_namespace} the policy covers {whom}"
