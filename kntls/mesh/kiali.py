"""What Kiali shows for mTLS, computed as Kiali computes it, quirks included, to be set beside what servers accept.

Source: kiali util/mtls/status.go, business/tls.go, kubernetes/istio.go, frontend MeshMTLSStatus.tsx (August 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kntls.mesh.control import get
from kntls.mesh.resources import Resource

MUTUAL = ("ISTIO_MUTUAL", "MUTUAL")


class State(StrEnum):
    """Kiali's word for a mesh or a namespace."""

    ENABLED = "MTLS_ENABLED"
    PARTIALLY = "MTLS_PARTIALLY_ENABLED"
    NOT_ENABLED = "MTLS_NOT_ENABLED"
    DISABLED = "MTLS_DISABLED"


class Icon(StrEnum):
    """The lock in the masthead."""

    FULL = "full lock"
    HOLLOW = "hollow lock"
    NONE = "no lock"


@dataclass(frozen=True)
class Lock:
    """What the masthead shows."""

    icon: Icon
    state: State
    tooltip: str = ""


def _global(found: Resource) -> bool:
    """Whether Kiali counts a PeerAuthentication as having no selector: any selector, also an empty one, is one."""
    return found.spec.get("selector") is None


def _mode(found: Resource) -> str:
    return str(get(found.spec, "mtls", "mode") or "")


def _tls(found: Resource) -> str:
    return str(get(found.spec, "trafficPolicy", "tls", "mode") or "")


def state(peers: Sequence[str], rules: Sequence[str], *, auto: bool) -> State:
    """The state from the modes of the selector-less PeerAuthentications and of the DestinationRules for the scope."""
    alone = auto and not rules
    if "STRICT" in peers and (alone or set(rules) & set(MUTUAL)):
        return State.ENABLED
    if "DISABLE" in peers and (alone or "DISABLE" in rules):
        return State.DISABLED
    return State.PARTIALLY if peers or rules else State.NOT_ENABLED


def _modes(
    peers: Sequence[Resource], rules: Sequence[Resource], namespace: str, host: str
) -> tuple[list[str], list[str]]:
    mine = [_mode(found) for found in peers if found.namespace == namespace and _global(found)]
    return mine, [_tls(found) for found in rules if found.spec.get("host") == host and _tls(found)]


def lock(peers: Sequence[Resource], rules: Sequence[Resource], root_namespace: str, *, auto: bool) -> Lock:
    """The masthead's lock. With auto-mTLS it is full for every state but a partial one, also with no policy at all."""
    found = state(*_modes(peers, rules, root_namespace, "*.local"), auto=auto)
    if found is State.PARTIALLY:
        return Lock(Icon.HOLLOW, found, "Mesh-wide mTLS is partially enabled")
    if auto and found is not State.ENABLED:
        return Lock(Icon.FULL, found, "Automatic Mesh-wide mTLS is enabled")
    if found is State.ENABLED:
        return Lock(Icon.FULL, found, "Mesh-wide mTLS is enabled" + (", configured by default" if auto else ""))
    return Lock(Icon.NONE, found)


WORDS = {State.ENABLED: "Strict", State.PARTIALLY: "Permissive", State.DISABLED: "Disabled"}
"""Kiali's words in the namespace column."""


def namespace_column(
    peers: Sequence[Resource],
    rules: Sequence[Resource],
    namespace: str,
    root_namespace: str,
    *,
    auto: bool,
    domain: str,
) -> str:
    """The word in the namespace column, `inherited …` where the namespace says nothing."""
    host = f"*.{namespace}.svc.{domain}"
    own = state(*_modes(peers, rules, namespace, host), auto=auto)
    if own is not State.NOT_ENABLED and namespace != root_namespace:
        return WORDS[own]
    mesh = state(*_modes(peers, rules, root_namespace, "*.local"), auto=auto)
    word = WORDS.get(mesh, "Unset")
    return word if namespace == root_namespace else f"inherited {word}"
