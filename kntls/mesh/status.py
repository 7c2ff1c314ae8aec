"""The mesh at a glance: what each port really accepts, what Kiali says about it, and what Knative still misses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kntls.mesh.authz import MtlsMode, Workload
from kntls.mesh.control import control_planes, get
from kntls.mesh.inventory import Member
from kntls.mesh.kiali import Icon, Lock, lock, namespace_column
from kntls.mesh.lint.model import World
from kntls.mesh.lint.rules.gateways import LOCAL, mode, number, servers

HASHES = frozenset({"pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/pod-name"})
"""Labels that tell pods of one workload apart."""
SERVING, EVENTING = "knative-serving", "knative-eventing"


@dataclass(frozen=True)
class PortRow:
    """The mode of one workload's ports."""

    workload: str
    namespace: str
    port: str
    """A number, or `*` for every other port."""
    mode: str
    """`STRICT`, `PERMISSIVE`, `DISABLE`, or `no sidecar`."""
    by: str
    """The policy it comes from, or `default`."""
    pods: int = 1


@dataclass(frozen=True)
class Part:
    """One part of the integration of Knative Serving with the mesh."""

    name: str
    there: bool | None
    """None where the input does not tell."""
    fix: str


@dataclass(frozen=True)
class MeshStatus:
    """Everything `kntls mesh status` shows."""

    mesh_mode: str
    lock: Lock
    columns: tuple[tuple[str, str, str], ...]
    """Namespace, what Kiali's column says, what servers there accept by default."""
    ports: tuple[PortRow, ...]
    disagreements: tuple[str, ...]
    parts: tuple[Part, ...]


def status(world: World) -> MeshStatus:
    """Judge the world."""
    peers = [found for found, _ in world.peers]
    auto, root = world.mesh.auto_mtls, world.mesh.root_namespace
    shown = lock(peers, world.destination_rules, root, auto=auto)
    mesh_mode = world.modes(Workload("*", root)).namespace.mode
    rows = tuple(_rows(world))
    columns = tuple(_columns(world))
    return MeshStatus(
        mesh_mode.value,
        shown,
        columns,
        rows,
        tuple(_disagreements(shown, mesh_mode, rows, columns)),
        tuple(Part(name, there(world), fix) for name, there, fix in PARTS),
    )


def _columns(world: World) -> Iterator[tuple[str, str, str]]:
    spaces = {each.namespace for each in world.members} | {peer.namespace for _, peer in world.peers}
    for namespace in sorted(spaces):
        word = namespace_column(
            [found for found, _ in world.peers],
            world.destination_rules,
            namespace,
            world.mesh.root_namespace,
            auto=world.mesh.auto_mtls,
            domain=world.mesh.cluster_domain,
        )
        yield namespace, word, world.modes(Workload("*", namespace)).namespace.mode.value


def _grouped(world: World) -> list[tuple[Member, int]]:
    """One member of every workload, with how many pods are alike."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in world.members:
        labels = frozenset((key, value) for key, value in member.labels.items() if key not in HASHES)
        groups.setdefault((member.namespace, member.service_account, labels, member.sidecar), []).append(member)
    return [(each[0], len(each)) for each in groups.values()]


def _rows(world: World) -> Iterator[PortRow]:
    for member, pods in sorted(_grouped(world), key=lambda pair: (pair[0].namespace, pair[0].name)):
        if member.sidecar is False:
            yield PortRow(member.name, member.namespace, "*", "no sidecar", "", pods)
            continue
        modes = world.modes(member.workload)
        numbers = sorted({*modes.ports, *world.ports(member), *(number for _, number in member.ports)})
        found_modes = {str(port): modes.of(port) for port in numbers} or {"*": modes.mode}
        for port, found in found_modes.items():
            by = f"{found.policy.namespace}/{found.policy.name}" if found.policy else "default"
            yield PortRow(member.name, member.namespace, port, found.mode.value, by, pods)


def _disagreements(
    shown: Lock, mesh_mode: MtlsMode, rows: tuple[PortRow, ...], columns: tuple[tuple[str, str, str], ...]
) -> Iterator[str]:
    if shown.icon is Icon.FULL and mesh_mode is not MtlsMode.STRICT:
        yield f"Kiali shows a full lock, but the mesh is {mesh_mode.value} by default: plaintext is accepted"
    loose = [row for row in rows if row.mode not in ("STRICT", "no sidecar")]
    if shown.icon is Icon.FULL and mesh_mode is MtlsMode.STRICT and loose:
        first = f"{loose[0].namespace}/{loose[0].workload} port {loose[0].port} is {loose[0].mode}"
        yield f"Kiali shows a full lock, but {first}" + (f" (and {len(loose) - 1} more)" if len(loose) > 1 else "")
    if shown.icon is not Icon.FULL and mesh_mode is MtlsMode.STRICT:
        yield f"Kiali shows {shown.icon}, but the mesh is STRICT by default"
    words = {"Strict": "STRICT", "Permissive": "PERMISSIVE", "Disabled": "DISABLE", "Unset": "PERMISSIVE"}
    for namespace, word, real in columns:
        if words[word.removeprefix("inherited ")] != real:
            yield f"Kiali's column says {word} for {namespace}, but servers there are {real} by default"


def _serving_integrated(world: World) -> bool | None:
    found = list(world.resources.in_group("KnativeServing", "operator.knative.dev"))
    return any(get(each.spec, "ingress", "istio", "enabled") for each in found) if found else None


def _sidecar(name: str) -> Callable[[World], bool | None]:
    def there(world: World) -> bool | None:
        for member in world.members:
            if member.namespace == SERVING and member.labels.get("app") == name:
                return member.sidecar
        for each in world.resources.in_group("KnativeServing", "operator.knative.dev"):
            parts = [*(each.spec.get("workloads") or ()), *(each.spec.get("deployments") or ())]
            return any(
                part.get("name") == name
                and "true" in (get(part, kind, "sidecar.istio.io/inject") for kind in ("annotations", "labels"))
                for part in parts
            )
        return None

    return there


def _gateway(name: str, wanted: Callable[[World], bool] | None = None) -> Callable[[World], bool | None]:
    def there(world: World) -> bool | None:
        found = [each for each in world.resources.all("Gateway") if each.name == name]
        return (
            bool(found) and (wanted is None or wanted(world)) if found or list(world.resources.all("Gateway")) else None
        )

    return there


def _local_is_mutual(world: World) -> bool:
    gateways = [each for each in world.resources.all("Gateway") if each.name == LOCAL]
    return all(mode(server) == "ISTIO_MUTUAL" for each in gateways for server in servers(each))


def _local_service(world: World) -> bool | None:
    services = [each for each in world.resources.in_group("Service", "") if each.name == LOCAL]
    if not services:
        return False if list(world.resources.in_group("Service", "")) else None
    targets = {entry.get("targetPort") for each in services for entry in each.spec.get("ports") or ()}
    ports = {number(s) for each in world.resources.all("Gateway") if each.name == LOCAL for s in servers(each)}
    return not ports or bool(targets & ports)


def _member(namespace: str) -> Callable[[World], bool | None]:
    def there(world: World) -> bool | None:
        if world.membership.ossm2:
            return bool(world.membership.members.get(namespace)) if world.membership.members else None
        labels = world.membership.labels.get(namespace)
        if labels is None:
            return None
        injected = labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels
        return injected or any(each.sidecar for each in world.members if each.namespace == namespace)

    return there


def _drain(world: World) -> bool | None:
    services = list(world.resources.in_group("Service", "serving.knative.dev"))
    for plane in control_planes(world.resources):
        ports = get(plane.spec, "proxy", "networking", "trafficControl", "inbound", "excludedPorts") or ()
        text = str(get(plane.spec, "values", "global", "proxy", "excludeInboundPorts") or "")
        if 8022 in ports or "8022" in text.split(","):
            return True
    if not services:
        return None
    modes = [
        world.modes(Workload(each.name, each.namespace, labels={"serving.knative.dev/service": each.name})).of(8022)
        for each in services
    ]
    return all(each.mode is not MtlsMode.STRICT for each in modes)


def _certificate(world: World) -> bool | None:
    wanted = {
        str(name)
        for each in world.resources.all("Gateway")
        for server in servers(each)
        if (name := get(server, "tls", "credentialName"))
    }
    root = world.mesh.root_namespace
    held = {each.name for each in world.resources.in_group("Secret", "") if each.namespace == root}
    held |= {str(each.spec.get("secretName")) for each in world.resources.in_group("Certificate", "cert-manager.io")}
    return wanted <= held if wanted and held else None


GENERATE = "kntls mesh generate integration"
PARTS: tuple[tuple[str, Callable[[World], bool | None], str], ...] = (
    ("KnativeServing uses Istio", _serving_integrated, GENERATE),
    ("the activator has a sidecar", _sidecar("activator"), GENERATE),
    ("the autoscaler has a sidecar", _sidecar("autoscaler"), GENERATE),
    (f"{SERVING} is in the mesh", _member(SERVING), "kntls mesh generate member-roll"),
    (f"{EVENTING} is in the mesh", _member(EVENTING), "kntls mesh generate member-roll"),
    ("Gateway knative-ingress-gateway", _gateway("knative-ingress-gateway"), GENERATE),
    ("its certificate's Secret", _certificate, "kubectl create secret tls, or --issuer"),
    (f"Gateway {LOCAL} takes mTLS only", _gateway(LOCAL, _local_is_mutual), "kntls mesh generate mtls --local-gateway"),
    (f"Service {LOCAL} leads to it", _local_service, GENERATE),
    ("the kubelet can drain Knative services (8022)", _drain, "kntls mesh generate mtls --prestop"),
)
"""Part, whether it is there, and what mends it."""
