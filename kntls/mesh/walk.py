"""A request along its hops: one decision per proxy, each with the one before it as its peer, until one refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from kntls.mesh.authz.client import Connection, Wire, connect
from kntls.mesh.authz.engine import Cause, Decision, Engine
from kntls.mesh.authz.jwt import Token
from kntls.mesh.authz.model import DestinationRule, MtlsMode, Request, Workload
from kntls.mesh.authz.selection import is_gateway


@dataclass(frozen=True)
class Call:
    """What the client asks for, before any proxy has seen it."""

    port: int
    tcp: bool = False
    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    token: Token | None = None
    source_ip: str = ""
    remote_ip: str = ""
    plaintext: bool = False
    """The client's sidecar is passed by: pod IP from the proxy's own container, a kubelet probe."""
    service_port: int | None = None
    gateway_port: int | None = None
    """The port of the gateway's listener, where a gateway is on the way."""


@dataclass(frozen=True)
class Arrow:
    """What goes from a peer to a workload's proxy."""

    client: Workload
    server: Workload
    connection: Connection
    request: Request
    token: Token | None


@dataclass(frozen=True)
class Hop(Arrow):
    """An arrow, and what the proxy does with it."""

    decision: Decision


@dataclass(frozen=True)
class Verdict:
    """The end of the walk."""

    hops: tuple[Hop, ...]

    @property
    def last(self) -> Hop:
        """Where it ended."""
        return self.hops[-1]

    @property
    def code(self) -> str:
        """What the client sees."""
        return self.last.decision.code

    @property
    def denied_at(self) -> Workload | None:
        """Whose proxy refused."""
        return None if self.last.decision.allowed else self.last.server


class World:
    """Policies and DestinationRules together: everything a walk depends on."""

    def __init__(
        self, engine: Engine, rules: Sequence[DestinationRule] = (), mutual: Mapping[int, str] | None = None
    ) -> None:
        self.engine = engine
        self.rules = tuple(rules)
        self.mutual = mutual or {}
        """Port of a gateway's listener that demands Istio's mTLS → the Gateway that says so."""

    def walk(self, chain: Sequence[Workload], call: Call, *, now: float | None = None) -> Verdict:
        """Follow the call along the chain (at least two workloads) up to the first refusal."""
        hops: list[Hop] = []
        for arrow in self.arrows(chain, call):
            decision = self._decide(arrow, now)
            hops.append(Hop(arrow.client, arrow.server, arrow.connection, arrow.request, arrow.token, decision))
            if not decision.allowed:
                break
        return Verdict(tuple(hops))

    def arrows(self, chain: Sequence[Workload], call: Call) -> Iterator[Arrow]:
        """What each proxy of the chain gets, if those before it let it pass."""
        token = call.token
        for index, (client, server) in enumerate(pairwise(chain)):
            on_the_way = index < len(chain) - 2
            here = call if on_the_way else replace(call, gateway_port=None)
            yield self._arrow(client, server, here, token, first=index == 0)
            token = self._forwarded(server, token)

    def _arrow(self, client: Workload, server: Workload, call: Call, token: Token | None, *, first: bool) -> Arrow:
        connection = self._connection(client, server, call, plaintext=first and call.plaintext)
        source = call.source_ip if first else ""
        request = Request(
            (call.gateway_port or call.port) if is_gateway(server) else call.port,
            call.tcp,
            client.principal(self.engine.mesh.trust_domain) if connection.wire is Wire.MTLS else None,
            call.method,
            call.path,
            call.host,
            {name.lower(): value for name, value in call.headers.items()},
            source_ip=source,
            remote_ip=call.remote_ip or source,
        )
        return Arrow(client, server, connection, request, token)

    def _connection(self, client: Workload, server: Workload, call: Call, *, plaintext: bool) -> Connection:
        if plaintext:
            return Connection(Wire.PLAINTEXT, "sent in plaintext, past any sidecar", by_sidecar=False)
        modes = self.engine.enforcement(server, tcp=call.tcp).modes
        host = qualified(call.host, client.namespace, self.engine.mesh.cluster_domain)
        return connect(
            client, server, modes, call.port, self.engine.mesh,
            host=host, service_port=call.service_port, rules=self.rules,
        )  # fmt: skip

    def _decide(self, arrow: Arrow, now: float | None) -> Decision:
        server, request = arrow.server, arrow.request
        mode = self.engine.enforcement(server, tcp=request.tcp).modes.of(request.port)
        if disagreement := self.disagreement(arrow):
            return Decision(Cause.NO_TLS, "503", mode, detail=disagreement)
        if not server.mesh:
            return Decision(Cause.NO_SIDECAR, f"hello port {request.port}" if request.tcp else "200", mode)
        if request.peer is None and is_gateway(server) and (gateway := self.mutual.get(request.port)):
            return Decision(Cause.PLAINTEXT, seen_by_client(arrow, "000"), mode, detail=f"{gateway} is ISTIO_MUTUAL")
        decision = self.engine.decide(server, request, arrow.token, now=now)
        if decision.refused:
            return replace(decision, code=seen_by_client(arrow, decision.code), detail=arrow.connection.reason)
        return decision

    def disagreement(self, arrow: Arrow) -> str:
        """Why client and server cannot speak at all: one expects a TLS that the other does not offer."""
        wire = arrow.connection.wire
        modes = self.engine.enforcement(arrow.server, tcp=arrow.request.tcp).modes
        offered = arrow.server.mesh and modes.of(arrow.request.port).mode is not MtlsMode.DISABLE
        if wire is Wire.TLS or (wire is Wire.MTLS and not offered):
            return f"{arrow.connection.reason}, but {arrow.server.name} does not take {wire}"
        return ""

    def _forwarded(self, server: Workload, token: Token | None) -> Token | None:
        """The token as the next hop gets it: the rule that verifies one takes it away unless told to forward it."""
        issuer = None if token is None or isinstance(token, str) else token.get("iss")
        rules = self.engine.enforcement(server).tokens
        verifying = next((rule for rule in rules if rule.issuer in ("", issuer)), None)
        return token if verifying is None or verifying.forward else None


def seen_by_client(arrow: Arrow, code: str) -> str:
    """A failed connection as the application sees it: its own sidecar turns it into a 503."""
    return "503" if code == "000" and arrow.connection.by_sidecar and not arrow.request.tcp else code


def qualified(host: str, namespace: str, cluster_domain: str) -> str:
    """A Host as the full name of a Service, as far as it can be one: `a`, `a.ns`, `a.ns.svc`, without port."""
    name = host.partition(":")[0]
    parts = name.split(".")
    if len(parts) == 1 and name:
        return f"{name}.{namespace}.svc.{cluster_domain}"
    if len(parts) == 2:
        return f"{name}.svc.{cluster_domain}"
    return f"{name}.{cluster_domain}" if len(parts) == 3 and parts[2] == "svc" else name
