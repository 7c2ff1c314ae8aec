"""Which mTLS mode a port has, by which policy.

Source: istio `pilot/pkg/security/authn/policy_applier.go` ComposePeerAuthentication (inheritance; a policy with a
selector in the root namespace is ignored), `pilot/pkg/model/config.go` sortConfigByCreationTime (the oldest wins).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kntls.mesh.authz.model import MtlsMode, PeerAuthentication, Workload
from kntls.mesh.authz.selection import applying


@dataclass(frozen=True)
class PortMode:
    """A mode and the policy it comes from; None is Istio's default."""

    mode: MtlsMode
    policy: PeerAuthentication | None = None

    def __str__(self) -> str:
        return f"{self.mode} by {self.policy}" if self.policy else f"{self.mode} by default"


@dataclass(frozen=True)
class PeerModes:
    """The modes of one workload."""

    mode: PortMode
    """Of every port that has none of its own."""
    namespace: PortMode
    """Without workload policies: what a client's auto-mTLS goes by."""
    ports: dict[int, PortMode] = field(default_factory=dict)

    def of(self, port: int) -> PortMode:
        """The mode of a container port."""
        return self.ports.get(port, self.mode)


DEFAULT = PortMode(MtlsMode.PERMISSIVE)


def peer_modes(policies: Sequence[PeerAuthentication], workload: Workload, root_namespace: str) -> PeerModes:
    """Compose the policies of the mesh, the namespace and the workload."""
    mine = sorted(applying(policies, workload, root_namespace), key=lambda found: found.age)
    mesh = [found for found in mine if found.namespace == root_namespace and not found.scope.labels]
    wide = [found for found in mine if found.namespace != root_namespace and not found.scope.labels]
    own = [found for found in mine if found.namespace != root_namespace and found.scope.labels]
    namespace = _over(_over(DEFAULT, mesh), wide)
    mode = _over(namespace, own)
    ports = own[0].ports if own else {}
    return PeerModes(
        mode,
        namespace,
        {port: PortMode(found, own[0]) if found else mode for port, found in ports.items()},
    )


def _over(parent: PortMode, policies: Sequence[PeerAuthentication]) -> PortMode:
    """The oldest policy's mode, or the parent's where it says nothing."""
    if not policies or policies[0].mode is None:
        return parent
    return PortMode(policies[0].mode, policies[0])
