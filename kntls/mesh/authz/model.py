"""What authorization is judged on: policies, workloads, one request as one proxy sees it, the settings of the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What an AuthorizationPolicy does with a request that matches."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    AUDIT = "AUDIT"
    CUSTOM = "CUSTOM"


class MtlsMode(StrEnum):
    """What a server port accepts."""

    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


class Normalization(StrEnum):
    """`meshConfig.pathNormalization` (istio `pilot/pkg/networking/core/listener_builder.go`)."""

    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


@dataclass(frozen=True)
class Terms:
    """One field of a source or an operation, or one `when` condition: its values and its negated values."""

    attribute: str
    """Istio's name for what is looked at: `source.principal`, `request.headers[X-Tenant]`."""
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()
    path: str = ""
    """Where it stands in the rule: `from[0].source.principals`, `when[1]`."""


def _origin(location: str) -> str:
    """Where an object comes from that nobody wrote: a control plane's operator makes it."""
    return f" ({location})" if location.startswith("implied") else ""


Selection = tuple[Terms, ...]
"""One `source` or `operation`: all of its terms must hold."""


@dataclass(frozen=True)
class Rule:
    """One rule: one of the sources, one of the operations, and every condition."""

    sources: tuple[Selection, ...] = ()
    operations: tuple[Selection, ...] = ()
    when: Selection = ()


@dataclass(frozen=True)
class Target:
    """A `targetRef`: the object a policy is attached to instead of selecting pods."""

    group: str
    kind: str
    name: str


@dataclass(frozen=True)
class Scope:
    """Which workloads a policy applies to, within its namespace (or everywhere, from the root namespace)."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """The selector's `matchLabels`; empty selects every workload."""
    targets: tuple[Target, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether every selector label is on the workload (istio `pkg/config/labels/instance.go` SubsetOf)."""
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True)
class AuthorizationPolicy:
    """`security.istio.io/AuthorizationPolicy`."""

    namespace: str
    name: str
    action: Action = Action.ALLOW
    rules: tuple[Rule, ...] = ()
    scope: Scope = field(default_factory=Scope)
    dry_run: bool = False
    """The annotation `istio.io/dry-run`: the policy is only observed."""
    provider: str = ""
    """The extension provider of a CUSTOM policy."""
    location: str = ""

    def __str__(self) -> str:
        return f"AuthorizationPolicy {self.namespace}/{self.name}"


@dataclass(frozen=True)
class PeerAuthentication:
    """`security.istio.io/PeerAuthentication`; a mode of None inherits from the wider scope."""

    namespace: str
    name: str
    mode: MtlsMode | None = None
    ports: Mapping[int, MtlsMode | None] = field(default_factory=dict)
    """Container port → mode."""
    scope: Scope = field(default_factory=Scope)
    created: str = ""
    """RFC 3339; empty for what was never applied. The oldest of one scope wins."""
    location: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """What sorts the oldest first, and then by name; what is still to be applied will be the newest."""
        return (self.created or "~", self.name, self.namespace)

    def __str__(self) -> str:
        return f"PeerAuthentication {self.namespace}/{self.name}{_origin(self.location)}"


@dataclass(frozen=True)
class JwtRule:
    """One issuer whose tokens a RequestAuthentication accepts."""

    issuer: str
    audiences: tuple[str, ...] = ()
    space_delimited: tuple[str, ...] = ()
    """Claims split on spaces, besides `permission` and `scope`."""
    headers: tuple[tuple[str, str], ...] = (("authorization", "Bearer "),)
    """Where a token may be: header, and what stands before the token."""
    params: tuple[str, ...] = ("access_token",)
    """Query parameters that may hold it."""
    cookies: tuple[str, ...] = ()
    forward: bool = False
    """Whether the token goes on to the workload; otherwise this proxy takes it away."""


@dataclass(frozen=True)
class RequestAuthentication:
    """`security.istio.io/RequestAuthentication`: which tokens are valid; it demands none."""

    namespace: str
    name: str
    rules: tuple[JwtRule, ...] = ()
    scope: Scope = field(default_factory=Scope)
    location: str = ""

    def __str__(self) -> str:
        return f"RequestAuthentication {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Workload:
    """A pod (or all pods of one kind): who it is and whether it has a sidecar."""

    name: str
    namespace: str
    service_account: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    mesh: bool = True

    def principal(self, trust_domain: str) -> str:
        """Its SPIFFE identity: the URI SAN of its certificate."""
        return f"spiffe://{trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


@dataclass(frozen=True)
class Request:
    """One HTTP request or TCP connection, as the proxy of the workload that receives it sees it."""

    port: int
    """The port the destination's proxy listens on for it: the container port, not the Service's."""
    tcp: bool = False
    peer: str | None = None
    """The URI SAN of the client's certificate; None for plaintext."""
    method: str = "GET"
    path: str = "/"
    """With the query, after normalization."""
    authority: str = ""
    """The Host header, with its port if it has one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    source_ip: str = ""
    """The connection's remote address."""
    remote_ip: str = ""
    """The original client, from X-Forwarded-For or the PROXY protocol; the connection's address where neither is."""
    destination_ip: str = ""
    sni: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Envoy's dynamic metadata: filter name → struct. A verified token stands here."""


class ClientTls(StrEnum):
    """The `tls.mode` of a DestinationRule."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"


@dataclass(frozen=True)
class DestinationRule:
    """`networking.istio.io/DestinationRule`, as far as it decides how a client connects."""

    namespace: str
    name: str
    host: str
    """Fully qualified, or a wildcard."""
    tls: ClientTls | None = None
    ports: Mapping[int, ClientTls] = field(default_factory=dict)
    """Service port → mode."""
    location: str = ""
    clients: Mapping[str, str] = field(default_factory=dict)
    """`workloadSelector`: only pods of its own namespace with these labels go by it."""

    def binds(self, client: Workload) -> bool:
        """Whether a client goes by it at all."""
        return not self.clients or (
            client.namespace == self.namespace and self.clients.items() <= client.labels.items()
        )

    def __str__(self) -> str:
        return f"DestinationRule {self.namespace}/{self.name}{_origin(self.location)}"


@dataclass(frozen=True)
class Mesh:
    """What the mesh's configuration says about authorization."""

    root_namespace: str = "istio-system"
    trust_domain: str = "cluster.local"
    aliases: tuple[str, ...] = ()
    auto_mtls: bool = True
    normalization: Normalization = Normalization.BASE
    providers: tuple[Mapping[str, Any], ...] = ()
    """`meshConfig.extensionProviders`, as written there."""
    cluster_domain: str = "cluster.local"

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """The trust domain, then its aliases."""
        return (self.trust_domain, *self.aliases) if self.trust_domain else self.aliases
