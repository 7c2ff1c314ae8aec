"""mTLS between workloads: PeerAuthentications, DestinationRules, the local gateway, and the PreStop hook's port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.baseline import SERVING
from kntls.mesh.generate.model import Generated, Manifest, Target, check_label, check_name, selector
from kntls.mesh.outsiders import Scope
from kntls.model.kinds import DESTINATION_RULE, GATEWAY, PEER_AUTHENTICATION

PRESTOP_PORT = 8022
"""queue-proxy's admin port: the kubelet calls `/wait-for-drain` there, in plaintext."""

LOCAL_GATEWAY_PORT = 8081
"""targetPort of the Service `knative-local-gateway` (net-istio config/203-local-gateway.yaml)."""


class Mode(StrEnum):
    """What a server accepts: mTLS only, both, or plaintext only."""

    STRICT = "STRICT"
    PERMISSIVE = "PERMISSIVE"
    DISABLE = "DISABLE"


@dataclass(frozen=True)
class Mtls:
    """What to encrypt, and where."""

    mode: Mode = Mode.STRICT
    namespaces: tuple[str, ...] = ()
    """Empty = the whole mesh."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Workload selector; needs exactly one namespace."""
    name: str = ""
    ports: Mapping[int, Mode] = field(default_factory=dict)
    """Container port → its own mode; only for a selected workload."""
    hosts: tuple[str, ...] = ()
    """Hosts that clients reach with the mesh's own certificates (DestinationRule ISTIO_MUTUAL)."""
    plaintext_hosts: tuple[str, ...] = ()
    """Hosts outside the mesh that clients reach in plaintext (DestinationRule DISABLE)."""
    local_gateway: bool = False
    prestop_services: tuple[str, ...] = ()
    """Knative services of the namespace whose PreStop port stays open to the kubelet."""


def parse_ports(entries: tuple[str, ...]) -> dict[int, Mode]:
    """`8022=PERMISSIVE` entries, as port → mode."""
    ports: dict[int, Mode] = {}
    for entry in entries:
        port, _, mode = entry.partition("=")
        if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535) or mode not in Mode.__members__:
            raise UsageError(f"{entry!r} is no port mode", fix="write PORT=STRICT, PORT=PERMISSIVE or PORT=DISABLE")
        if int(port) in ports:
            raise UsageError(f"port {port} is given twice", where="--port")
        ports[int(port)] = Mode(mode)
    return ports


def _check(wanted: Mtls, target: Target) -> None:
    if wanted.labels and len(wanted.namespaces) != 1:
        raise UsageError("a selector needs exactly one --namespace", fix="name the workload's namespace")
    if wanted.labels and target.root_namespace in wanted.namespaces:
        raise Refused(
            f"Istio ignores a PeerAuthentication with a selector in the root namespace {target.root_namespace}",
            fix="put it into the workload's own namespace",
        )
    if wanted.ports and not wanted.labels:
        raise UsageError("port modes need a selector", fix="add --selector key=value")
    if wanted.prestop_services and len(wanted.namespaces) != 1:
        raise UsageError("--prestop needs exactly one --namespace", fix="name the Knative services' namespace")


def _authentication(target: Target, name: str, namespace: str, **spec: Any) -> Manifest:
    return target.manifest(PEER_AUTHENTICATION, name, namespace, spec=spec)


def _peers(wanted: Mtls, target: Target) -> list[Manifest]:
    mtls = {"mtls": {"mode": wanted.mode.value}}
    if wanted.labels:
        name = wanted.name or "-".join(wanted.labels.values()).lower().replace("_", "-")
        modes = {str(port): {"mode": mode.value} for port, mode in wanted.ports.items()}
        levels = {"portLevelMtls": modes} if modes else {}
        return [_authentication(target, name, wanted.namespaces[0], **selector(wanted.labels), **mtls, **levels)]
    namespaces = wanted.namespaces or (target.root_namespace,)
    return [_authentication(target, wanted.name or "default", each, **mtls) for each in namespaces]


def prestop(target: Target, namespace: str, service: str) -> Manifest:
    """Port 8022 of a Knative service in plaintext too; the rest of the workload keeps the inherited mode."""
    labels = {"serving.knative.dev/service": check_label(service, "Knative service")}
    port = {"portLevelMtls": {str(PRESTOP_PORT): {"mode": "PERMISSIVE"}}}
    return _authentication(target, f"{service}-wait-for-drain", namespace, **selector(labels), **port)


def _host_place(host: str, target: Target) -> tuple[str, str]:
    """A rule's name and namespace: that of the host's own namespace where it has one, else the root namespace."""
    parts = host.removeprefix("*.").split(".")
    service = len(parts) > 2 and parts[2] == "svc" and not host.startswith("*.")
    namespace = parts[1] if service else target.root_namespace
    name = check_name(host.replace("*.", "all-").replace("*", "all").rstrip("."), "host")
    if "." not in host and host != "*":
        raise UsageError(
            f"{host!r} is a short name, which means another Service in every namespace",
            fix=f"write it in full: {host}.NAMESPACE.svc.{target.cluster_domain}",
        )
    return name, namespace


def destination_rule(target: Target, host: str, mode: str) -> Manifest:
    """How mesh clients reach a host."""
    name, namespace = _host_place(host, target)
    spec = {"host": host, "trafficPolicy": {"tls": {"mode": mode}}}
    return target.manifest(DESTINATION_RULE, name, namespace, spec=spec)


def local_gateway(target: Target) -> Manifest:
    """`knative-local-gateway`, reachable with mesh certificates only."""
    server = {
        "port": {"number": LOCAL_GATEWAY_PORT, "name": "https", "protocol": "HTTPS"},
        "tls": {"mode": "ISTIO_MUTUAL"},
        "hosts": ["*"],
    }
    spec = {"selector": target.gateway_selector, "servers": [server]}
    return target.manifest(GATEWAY, "knative-local-gateway", SERVING, spec=spec)


def mtls(wanted: Mtls, target: Target) -> Generated:
    """PeerAuthentications for the mode and level asked for, then what goes with them.

    Raises `UsageError` for combinations Istio's validation refuses, `Refused` for those it silently ignores.
    """
    _check(wanted, target)
    objects = [] if wanted.prestop_services else _peers(wanted, target)
    objects += [prestop(target, wanted.namespaces[0], each) for each in wanted.prestop_services]
    objects += [destination_rule(target, host, "ISTIO_MUTUAL") for host in wanted.hosts]
    objects += [destination_rule(target, host, "DISABLE") for host in wanted.plaintext_hosts]
    if wanted.local_gateway:
        objects.append(local_gateway(target))
    return Generated(tuple(objects), tuple(_notes(wanted, target)), strict=_strict(wanted, target))


def _strict(wanted: Mtls, target: Target) -> Scope | None:
    mutual = any(host.startswith("*") for host in wanted.hosts)
    if wanted.prestop_services or (wanted.mode is not Mode.STRICT and not mutual):
        return None
    labels = tuple(wanted.labels.items())
    open_ports = tuple(port for port, mode in wanted.ports.items() if mode is not Mode.STRICT)
    return Scope(wanted.namespaces, labels, target.root_namespace, mutual, open_ports, wanted.plaintext_hosts)


def _notes(wanted: Mtls, target: Target) -> list[str]:
    notes = []
    mesh_wide = not (wanted.namespaces or wanted.prestop_services)
    if mesh_wide and target.flavour.value == "ossm2":
        notes.append(
            "with an SMCP, security.dataPlane.mtls makes this same object (kntls mesh generate control-plane --mtls); "
            "do not keep both"
        )
    if wanted.mode is Mode.STRICT and not wanted.prestop_services:
        notes.append(
            f"port {PRESTOP_PORT}: the kubelet's PreStop call is plaintext and dies at STRICT unless Istio is 1.25 or "
            "later, the port is excluded from the sidecar, or --prestop SERVICE opens it"
        )
    if wanted.local_gateway:
        notes.append("clients without a sidecar can no longer use knative-local-gateway")
    return notes
