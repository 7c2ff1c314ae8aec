"""How a client's proxy connects to a workload: mTLS, plaintext or plain TLS, and by whose decision.

Source: istio `pilot/pkg/networking/core/cluster_tls.go` (a DestinationRule wins),
`pilot/pkg/xds/endpoints/mtls_checker.go` (auto-mTLS per endpoint), `pilot/pkg/model/push_context.go` (the hint of a
whole cluster looks at mesh and namespace only).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kntls.mesh.authz.model import ClientTls, DestinationRule, Mesh, MtlsMode, Workload
from kntls.mesh.authz.peer import PeerModes


class Wire(StrEnum):
    """What goes over the wire."""

    PLAINTEXT = "plaintext"
    MTLS = "mTLS"
    TLS = "TLS without a client certificate"


@dataclass(frozen=True)
class Connection:
    """What the client's side does, and why."""

    wire: Wire
    reason: str
    by_sidecar: bool = True
    """Whether a sidecar speaks for the client: a failure then reaches the application as 503."""


_MODES = {
    ClientTls.DISABLE: Wire.PLAINTEXT,
    ClientTls.SIMPLE: Wire.TLS,
    ClientTls.MUTUAL: Wire.MTLS,
    ClientTls.ISTIO_MUTUAL: Wire.MTLS,
}


def connect(
    client: Workload,
    server: Workload,
    modes: PeerModes,
    port: int,
    mesh: Mesh,
    *,
    host: str = "",
    service_port: int | None = None,
    rules: Sequence[DestinationRule] = (),
) -> Connection:
    """How the client reaches a container port; `host` is the service's name, fully qualified, where it is known."""
    if not client.mesh:
        return Connection(Wire.PLAINTEXT, f"{client.name} has no sidecar", by_sidecar=False)
    binding = [rule for rule in rules if rule.binds(client)]
    rule = find_rule(binding, host, client.namespace, server.namespace, mesh.root_namespace)
    tls = (rule.ports.get(service_port or 0) or rule.tls) if rule else None
    if rule and tls:
        return Connection(_MODES[tls], f"{rule} says {tls}")
    if not mesh.auto_mtls:
        return Connection(Wire.PLAINTEXT, "auto-mTLS is off and no DestinationRule says otherwise")
    if not server.mesh:
        return Connection(Wire.PLAINTEXT, f"{server.name} has no sidecar")
    for mode in (modes.namespace, modes.of(port)):
        if mode.mode is MtlsMode.DISABLE:
            return Connection(Wire.PLAINTEXT, f"auto-mTLS follows {mode}")
    return Connection(Wire.MTLS, "auto-mTLS")


def find_rule(
    rules: Iterable[DestinationRule], host: str, client: str, server: str, root: str
) -> DestinationRule | None:
    """The DestinationRule for a host: of the client's namespace, else the service's, else the root; narrowest first."""
    found = [rule for rule in rules if host and _covers(rule.host, host)]
    for namespace in dict.fromkeys((client, server, root)):
        near = [rule for rule in found if rule.namespace == namespace]
        if near:
            return max(near, key=lambda rule: (not rule.host.startswith("*"), len(rule.host)))
    return None


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern
