"""Gateways and the Services in front of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kntls.mesh.authz import MtlsMode, Workload
from kntls.mesh.inventory import service_ports
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.resources import Resource
from kntls.model.findings import Severity

LOCAL = "knative-local-gateway"
UNTRANSLATED = "experimental.istio.io/disable-gateway-port-translation"
FORBIDDEN = (
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "credentialName",
    "credentialNames",
    "tlsCertificates",
)


def servers(gateway: Resource) -> Iterator[Mapping[str, Any]]:
    """The servers of a Gateway."""
    yield from gateway.spec.get("servers") or ()


def number(server: Mapping[str, Any]) -> int:
    """The port a server listens on; 0 where none is given."""
    return int((server.get("port") or {}).get("number") or 0)


def mode(server: Mapping[str, Any]) -> str:
    """`tls.mode`."""
    return str((server.get("tls") or {}).get("mode") or "")


def _gateway_services(world: World) -> list[Resource]:
    """Services that stand in front of gateways: named or labelled as such."""
    return [
        found
        for found in world.resources.in_group("Service", "")
        if found.name == LOCAL or UNTRANSLATED in found.labels or "ingressgateway" in str(found.spec.get("selector"))
    ]


def _same_pods(service: Resource, gateway: Resource) -> bool:
    """Whether a gateway's selector and a Service's may mean the same pods: neither contradicts the other."""
    one = service.spec.get("selector") or {}
    other = gateway.spec.get("selector") or {}
    return bool(one and other) and all(other.get(key, value) == value for key, value in one.items())


@rule(
    "MESH-GW-001",
    Severity.ERROR,
    "Nothing listens behind a gateway's Service",
    fix="make the Gateway's server port the Service's targetPort (knative-local-gateway: 8081)",
)
def nothing_listens(world: World) -> Iterator[Hit]:
    """The Service leads to its targetPort on the gateway's pods; a Gateway that listens on another port leaves the
    Service without an answer."""
    gateways = list(world.resources.all("Gateway"))
    for service in _gateway_services(world):
        if service.name != LOCAL and service.labels.get(UNTRANSLATED) != "true":
            continue
        listening = {
            number(server) for each in gateways if each.name == service.name or _same_pods(service, each)
            for server in servers(each)
        }  # fmt: skip
        if not listening:
            continue
        for port in service_ports(service):
            if isinstance(port.target, int) and port.target not in listening:
                ports = ", ".join(map(str, sorted(listening)))
                yield Hit(service, f"targetPort {port.target}, but its gateways listen on {ports}")


def _root_is_strict(world: World) -> bool:
    return world.modes(Workload("*", "knative-serving")).namespace.mode is MtlsMode.STRICT


@rule(
    "MESH-GW-002",
    Severity.WARNING,
    "knative-local-gateway takes plaintext",
    fix="kntls mesh generate mtls --local-gateway",
)
def local_gateway_plaintext(world: World) -> Iterator[Hit]:
    """A client without a sidecar can call any tenant through a plaintext local gateway: the gateway's own identity,
    which every tenant admits, hides who called."""
    for gateway in world.resources.all("Gateway"):
        for server in servers(gateway):
            if gateway.name == LOCAL and mode(server) != "ISTIO_MUTUAL" and _root_is_strict(world):
                yield Hit(gateway, f"port {number(server)} has tls mode {mode(server) or 'none'} in a STRICT mesh")


@rule(
    "MESH-GW-003",
    Severity.ERROR,
    "ISTIO_MUTUAL with certificates of its own",
    fix="remove the certificate fields, or use MUTUAL",
)
def mutual_with_certificates(world: World) -> Iterator[Hit]:
    """ISTIO_MUTUAL uses the mesh's certificates; Istio rejects the Gateway if others are named."""
    for gateway in world.resources.all("Gateway"):
        for server in servers(gateway):
            extra = [key for key in FORBIDDEN if (server.get("tls") or {}).get(key)]
            if mode(server) == "ISTIO_MUTUAL" and extra:
                yield Hit(gateway, f"port {number(server)}: ISTIO_MUTUAL with {extra[0]}")


@rule(
    "MESH-GW-004",
    Severity.ERROR,
    "A gateway's certificate Secret is missing",
    fix="kubectl create secret tls NAME -n NAMESPACE --cert=FILE --key=FILE",
)
def missing_secret(world: World) -> Iterator[Hit]:
    """A server whose Secret is not in the gateway pods' namespace gets no certificate, and its listener is not made.
    Judged where Secrets or cert-manager Certificates of the root namespace are in the input."""
    root = world.mesh.root_namespace
    secrets = {found.name for found in world.resources.in_group("Secret", "") if found.namespace == root}
    secrets |= {
        str(found.spec.get("secretName"))
        for found in world.resources.in_group("Certificate", "cert-manager.io")
        if found.namespace == root
    }
    for gateway in world.resources.all("Gateway"):
        for server in servers(gateway):
            name = str((server.get("tls") or {}).get("credentialName") or "")
            if name and secrets and name not in secrets:
                yield Hit(gateway, f"port {number(server)}: no Secret {root}/{name}")
