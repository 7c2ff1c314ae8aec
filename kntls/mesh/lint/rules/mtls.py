"""PeerAuthentications, DestinationRules, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.mesh.authz import MtlsMode, PeerAuthentication, Workload
from kntls.mesh.control import control_planes, get
from kntls.mesh.inventory import Member, selects
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.resources import Resource
from kntls.model.findings import Severity

PRESTOP = 8022
MUTUAL = ("ISTIO_MUTUAL", "MUTUAL")


def tls_mode(destination: Resource) -> str:
    """`spec.trafficPolicy.tls.mode`, empty where a rule says nothing."""
    return str(get(destination.spec, "trafficPolicy", "tls", "mode") or "")


def full_host(destination: Resource, domain: str) -> str:
    """A rule's host as a full name: a short name is one of the rule's own namespace."""
    host = str(destination.spec.get("host") or "")
    if host.startswith("*") or host.endswith(f".{domain}"):
        return host
    parts = host.split(".")
    if len(parts) == 1:
        parts.append(destination.namespace)
    return f"{parts[0]}.{parts[1]}.svc.{domain}" if len(parts) <= 3 else host


def host_matches(pattern: str, host: str) -> bool:
    """Whether a rule's (possibly wildcard) host takes a full host name."""
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def servers(world: World, destination: Resource) -> list[Member]:
    """The known workloads behind the Services a rule is for."""
    domain = world.mesh.cluster_domain
    pattern = full_host(destination, domain)
    services = [
        service
        for service in world.resources.in_group("Service", "")
        if host_matches(pattern, f"{service.name}.{service.namespace}.svc.{domain}")
    ]
    return [member for member in world.members if any(selects(service, member) for service in services)]


def host_namespace(host: str, domain: str) -> str:
    """The namespace a rule's host lies in: `foo` for `*.foo.svc.cluster.local`, empty for `*.local`."""
    parts = host.removesuffix(f".svc.{domain}").split(".")
    return parts[-1] if host.endswith(f".svc.{domain}") and len(parts) == 2 else ""


def _outside(world: World, destination: Resource) -> bool:
    """Whether a rule's host is known to lie outside the mesh: the API server, or a namespace that is no member."""
    domain = world.mesh.cluster_domain
    host = full_host(destination, domain)
    namespace = host_namespace(host, domain)
    members = world.membership.members
    return host == f"kubernetes.default.svc.{domain}" or bool(members and namespace and namespace not in members)


def _server_modes(world: World, destination: Resource) -> dict[str, MtlsMode]:
    """The mode of what a rule leads to: its workloads, or their namespace (or the mesh) where none is known."""
    known = servers(world, destination)
    if known:
        return {str(member): world.modes(member.workload).mode.mode for member in known if member.sidecar is not False}
    host = full_host(destination, world.mesh.cluster_domain)
    namespace = host_namespace(host, world.mesh.cluster_domain)
    place = f"namespace {namespace}" if namespace else "the mesh"
    stand_in = Workload("*", namespace or world.mesh.root_namespace)
    return {place: world.modes(stand_in).mode.mode}


@rule(
    "MESH-MTLS-001",
    Severity.ERROR,
    "Clients send plaintext to STRICT servers",
    fix="set trafficPolicy.tls.mode ISTIO_MUTUAL in the DestinationRule, or drop its tls section",
)
def plaintext_to_strict(world: World) -> Iterator[Hit]:
    """A DestinationRule with tls DISABLE or SIMPLE wins over auto-mTLS; where the servers are STRICT, every call fails
    (503 from the client's own sidecar)."""
    for found in world.destination_rules:
        if tls_mode(found) not in ("DISABLE", "SIMPLE") or _outside(world, found):
            continue
        strict = [place for place, mode in _server_modes(world, found).items() if mode is MtlsMode.STRICT]
        if strict:
            severity = None if servers(world, found) else Severity.WARNING
            doubt = "" if servers(world, found) else ", if its pods have a sidecar"
            yield Hit(found, f"tls mode {tls_mode(found)} towards {strict[0]}, which is STRICT{doubt}", severity)


@rule(
    "MESH-MTLS-002",
    Severity.ERROR,
    "Clients send mTLS to servers that have it disabled",
    fix="set the DestinationRule's tls mode to DISABLE, or the PeerAuthentication to PERMISSIVE or STRICT",
)
def mutual_to_disabled(world: World) -> Iterator[Hit]:
    """A server with mTLS DISABLE passes the client's TLS bytes on to the application, or answers a protocol error."""
    for found in world.destination_rules:
        if tls_mode(found) in MUTUAL:
            off = [place for place, mode in _server_modes(world, found).items() if mode is MtlsMode.DISABLE]
            if off:
                yield Hit(found, f"tls mode {tls_mode(found)} towards {off[0]}, which has mTLS disabled")


def _outside_domains(world: World) -> list[str]:
    """Hosts whose rule turns mTLS off."""
    domain = world.mesh.cluster_domain
    return [full_host(found, domain) for found in world.destination_rules if tls_mode(found) == "DISABLE"]


@rule(
    "MESH-MTLS-003",
    Severity.ERROR,
    "Clients send mTLS to servers without a sidecar",
    fix="add a DestinationRule DISABLE for the Service: kntls mesh generate mtls --plaintext-host HOST",
)
def mutual_to_no_sidecar(world: World) -> Iterator[Hit]:
    """A DestinationRule ISTIO_MUTUAL (an SMCP with dataPlane.mtls makes one for `*.cluster.local`) switches auto-mTLS
    off: the client insists on mTLS with servers that cannot speak it."""
    domain = world.mesh.cluster_domain
    for found in world.destination_rules:
        if tls_mode(found) not in MUTUAL:
            continue
        for service in world.resources.in_group("Service", ""):
            host = f"{service.name}.{service.namespace}.svc.{domain}"
            behind = [m for m in world.members if selects(service, m) and m.sidecar is False]
            narrower = any(host_matches(other, host) for other in _outside_domains(world))
            if behind and host_matches(full_host(found, domain), host) and not narrower:
                yield Hit(found, f"tls mode {tls_mode(found)} towards {host}, but {behind[0]} has no sidecar")


def _has_mutual_rule(world: World, namespace: str) -> bool:
    domain = world.mesh.cluster_domain
    hosts = [full_host(found, domain) for found in world.destination_rules if tls_mode(found) in MUTUAL]
    return any(host_matches(host, f"any.{namespace}.svc.{domain}") or f".{namespace}.svc" in host for host in hosts)


@rule(
    "MESH-MTLS-004",
    Severity.ERROR,
    "The auto-mTLS trap: DISABLE above, STRICT on the workload",
    fix="add a DestinationRule ISTIO_MUTUAL for its host, or raise the namespace to PERMISSIVE",
)
def auto_mtls_trap(world: World) -> Iterator[Hit]:
    """Clients decide on auto-mTLS by the mesh's and the namespace's PeerAuthentication, never by one with a selector.
    Under a namespace with DISABLE they send plaintext to a STRICT workload, which refuses it."""
    for found, peer in world.peers:
        if not peer.scope.labels or _has_mutual_rule(world, peer.namespace):
            continue
        strict = peer.mode is MtlsMode.STRICT or MtlsMode.STRICT in peer.ports.values()
        above = world.modes(Workload("*", peer.namespace, labels=dict(peer.scope.labels))).namespace
        if strict and above.mode is MtlsMode.DISABLE:
            yield Hit(found, f"STRICT on the workload, but clients go by {above.policy}, which is DISABLE")


@rule(
    "MESH-MTLS-005",
    Severity.ERROR,
    "STRICT without auto-mTLS and without a DestinationRule",
    fix="add a DestinationRule ISTIO_MUTUAL for the hosts, or turn auto-mTLS on",
)
def strict_without_rule(world: World) -> Iterator[Hit]:
    """With auto-mTLS off a client sends plaintext unless a DestinationRule says ISTIO_MUTUAL."""
    if world.mesh.auto_mtls:
        return
    for found, peer in world.peers:
        if peer.mode is MtlsMode.STRICT and not _covered(world, peer):
            yield Hit(found, "STRICT, auto-mTLS is off, and no DestinationRule makes clients use mTLS")


def _covered(world: World, peer: PeerAuthentication) -> bool:
    if peer.namespace != world.mesh.root_namespace:
        return _has_mutual_rule(world, peer.namespace)
    return any(
        tls_mode(each) in MUTUAL and str(each.spec.get("host")).startswith("*") for each in world.destination_rules
    )


@rule(
    "MESH-MTLS-006",
    Severity.ERROR,
    "Two PeerAuthentications without a selector in one namespace",
    fix="keep one",
)
def selectorless_twice(world: World) -> Iterator[Hit]:
    """Istio takes the oldest and ignores the others, without a word in their status."""
    first: dict[str, Resource] = {}
    plain = [(found, peer) for found, peer in world.peers if not peer.scope.labels]
    for found, peer in sorted(plain, key=lambda pair: pair[1].age):
        if peer.namespace in first:
            yield Hit(found, f"{first[peer.namespace].where} is older or sorts first and wins")
        first.setdefault(peer.namespace, found)


@rule(
    "MESH-MTLS-007",
    Severity.ERROR,
    "A PeerAuthentication with a selector in the root namespace",
    fix="move it into the workload's own namespace",
)
def root_with_selector(world: World) -> Iterator[Hit]:
    """In the root namespace only the policy without a selector counts; Istio ignores one with a selector."""
    for found, peer in world.peers:
        if peer.namespace == world.mesh.root_namespace and peer.scope.labels:
            yield Hit(found, f"Istio ignores selectors in {peer.namespace}")


@rule(
    "MESH-MTLS-008",
    Severity.WARNING,
    "Two PeerAuthentications select one workload",
    fix="make their selectors exclude each other",
)
def two_for_one(world: World) -> Iterator[Hit]:
    """Per workload Istio takes the oldest policy with a selector and ignores the others, their port modes included."""
    own = [(f, p) for f, p in world.peers if p.scope.labels and p.namespace != world.mesh.root_namespace]
    ordered = sorted(own, key=lambda pair: pair[1].age)
    for index, (found, peer) in enumerate(ordered):
        for _, older in ordered[:index]:
            both = [m for m in world.members if m in world.selected(peer) and m in world.selected(older)]
            if both:
                yield Hit(found, f"{both[0]} is ruled by {older.namespace}/{older.name}, which is older or sorts first")


def _excluded(world: World) -> bool:
    """Whether a control plane keeps the PreStop port out of the sidecar."""
    for plane in control_planes(world.resources):
        ports = get(plane.spec, "proxy", "networking", "trafficControl", "inbound", "excludedPorts") or ()
        text = str(get(plane.spec, "values", "global", "proxy", "excludeInboundPorts") or "")
        if PRESTOP in ports or str(PRESTOP) in text.split(","):
            return True
    return False


@rule(
    "MESH-MTLS-009",
    Severity.WARNING,
    "PreStop's port is STRICT",
    fix="kntls mesh generate mtls --prestop SERVICE, or exclude port 8022 (Istio 1.25 and later rewrite the hook)",
)
def prestop_strict(world: World) -> Iterator[Hit]:
    """The kubelet calls `/wait-for-drain` on 8022 in plaintext. An AuthorizationPolicy for that port does not help:
    under STRICT no filter chain takes the connection, and requests are cut off when a pod stops."""
    if _excluded(world):
        return
    for found in world.resources.in_group("Service", "serving.knative.dev"):
        member = next((m for m in world.members if m.found is found), None)
        labels = member.labels if member else {"serving.knative.dev/service": found.name}
        annotations = member.annotations if member else {}
        out = str(PRESTOP) in annotations.get("traffic.sidecar.istio.io/excludeInboundPorts", "").split(",")
        mode = world.modes(Workload(found.name, found.namespace, labels=labels)).of(PRESTOP)
        if mode.mode is MtlsMode.STRICT and not out and not (member and member.sidecar is False):
            yield Hit(found, f"port {PRESTOP} is {mode}")


@rule(
    "MESH-MTLS-010",
    Severity.WARNING,
    "A narrower DestinationRule without tls",
    fix="repeat trafficPolicy.tls in the narrower rule",
)
def rule_without_tls(world: World) -> Iterator[Hit]:
    """Istio takes the most specific DestinationRule alone and merges nothing: one without a tls section drops the
    ISTIO_MUTUAL of a wider one (auto-mTLS, where it is on, decides again)."""
    domain = world.mesh.cluster_domain
    wide = [
        found for found in world.destination_rules if tls_mode(found) in MUTUAL and full_host(found, domain)[0:1] == "*"
    ]
    for found in world.destination_rules:
        host = full_host(found, domain)
        over = [w for w in wide if w is not found and host_matches(full_host(w, domain), host.removeprefix("*"))]
        if not tls_mode(found) and over and not get(found.spec, "trafficPolicy", "portLevelSettings"):
            severity = Severity.INFO if world.mesh.auto_mtls else None
            yield Hit(found, f"it replaces {over[0].where}, whose tls mode is {tls_mode(over[0])}", severity)
