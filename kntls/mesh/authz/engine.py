"""The evaluator: which policies a workload enforces, and what becomes of one request at its proxy.

Source: istio `pilot/pkg/networking/core/listener_builder.go` (order CUSTOM, JWT, AUDIT, DENY, ALLOW),
`pilot/pkg/security/authz/builder/builder.go`; envoy `source/extensions/filters/common/rbac/engine_impl.cc`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from kntls.mesh.authz import extauthz
from kntls.mesh.authz.compiler import AnyRule, RuleSet, compile_set
from kntls.mesh.authz.jwt import Token, carried, verify
from kntls.mesh.authz.methods import METHODS
from kntls.mesh.authz.model import (
    Action,
    AuthorizationPolicy,
    JwtRule,
    Mesh,
    MtlsMode,
    PeerAuthentication,
    Request,
    RequestAuthentication,
    Workload,
)
from kntls.mesh.authz.normalize import normalize
from kntls.mesh.authz.peer import PeerModes, PortMode, peer_modes
from kntls.mesh.authz.render import rule_set_filter
from kntls.mesh.authz.selection import Policy, applying, is_gateway


class Cause(StrEnum):
    """Why a request was decided as it was."""

    NO_POLICY = "no enforced ALLOW policy selects the workload"
    ALLOW_RULE = "an ALLOW rule matches"
    DENY_RULE = "a DENY rule matches"
    NO_ALLOW_MATCHES = "no ALLOW rule matches"
    CUSTOM_DENIES = "a CUSTOM rule matches and its provider cannot be used"
    TOKEN = "the token is refused"  # noqa: S105 - a sentence
    PLAINTEXT = "plaintext is refused: the port is STRICT"
    FOREIGN = "the client's trust domain is not trusted"
    BAD_METHOD = "HTTP has no such method"
    BAD_PATH = "the path cannot be normalized"
    NO_SIDECAR = "the workload has no sidecar: nothing is enforced"
    NO_TLS = "client and server do not agree on TLS"


_REFUSED = frozenset({Cause.PLAINTEXT, Cause.FOREIGN, Cause.NO_TLS})
_PASSED = frozenset({Cause.NO_POLICY, Cause.ALLOW_RULE, Cause.NO_SIDECAR})


@dataclass(frozen=True)
class Decision:
    """What one proxy does with one request, and by which rule."""

    cause: Cause
    code: str
    """`200`, `400`, `401`, `403`, `000` (no connection); for TCP `hello port N` or `connection rejected`."""
    mode: PortMode
    """The mTLS mode of the port."""
    rule: AnyRule | None = None
    detail: str = ""
    asks: tuple[str, ...] = ()
    """External authorizers that have to agree."""
    audited: tuple[str, ...] = ()
    """Keys of AUDIT rules that match."""

    @property
    def allowed(self) -> bool:
        """Whether the request goes on."""
        return self.cause in _PASSED

    @property
    def refused(self) -> bool:
        """Whether there is not even a connection."""
        return self.cause in _REFUSED

    @property
    def policy(self) -> AuthorizationPolicy | None:
        """The policy that decided, where one did."""
        return self.rule.policy if self.rule else None


@dataclass(frozen=True)
class Enforcement:
    """What the proxy of one workload enforces, on HTTP or on TCP ports."""

    sets: Mapping[Action, RuleSet]
    """The actions that have a policy."""
    tokens: tuple[JwtRule, ...] = ()
    modes: PeerModes = field(default_factory=lambda: peer_modes((), Workload("", ""), ""))


class Engine:
    """The policies of a mesh, compiled for a workload when it is first asked for."""

    def __init__(
        self,
        policies: Iterable[AuthorizationPolicy] = (),
        peers: Iterable[PeerAuthentication] = (),
        tokens: Iterable[RequestAuthentication] = (),
        mesh: Mesh | None = None,
    ) -> None:
        self.mesh = mesh or Mesh()
        self.policies, self.peers, self.tokens = tuple(policies), tuple(peers), tuple(tokens)
        self._policies = _by_namespace(self.policies)
        self._peers = _by_namespace(self.peers)
        self._tokens = _by_namespace(self.tokens)
        self._compiled: dict[tuple[str, frozenset[tuple[str, str]], bool], Enforcement] = {}

    def replacing(self, old: AuthorizationPolicy, new: AuthorizationPolicy | None) -> Engine:
        """The same mesh with one policy changed, or without it."""
        policies = [new if found is old else found for found in self.policies]
        return Engine([found for found in policies if found is not None], self.peers, self.tokens, self.mesh)

    def adding(self, policy: AuthorizationPolicy) -> Engine:
        """The same mesh with one policy more."""
        return Engine((*self.policies, policy), self.peers, self.tokens, self.mesh)

    def adding_peer(self, policy: PeerAuthentication) -> Engine:
        """The same mesh with one PeerAuthentication more."""
        return Engine(self.policies, (*self.peers, policy), self.tokens, self.mesh)

    def enforcement(self, workload: Workload, *, tcp: bool = False) -> Enforcement:
        """What applies to a workload, compiled once."""
        key = (workload.namespace, frozenset(workload.labels.items()), tcp)
        if key not in self._compiled:
            self._compiled[key] = self._compile(workload, tcp)
        return self._compiled[key]

    def applying(self, workload: Workload) -> tuple[AuthorizationPolicy, ...]:
        """The AuthorizationPolicies that select a workload."""
        return self._applying(self._policies, workload)

    def token_policies(self, workload: Workload) -> tuple[RequestAuthentication, ...]:
        """The RequestAuthentications that select a workload."""
        return self._applying(self._tokens, workload)

    def _applying(self, policies: Mapping[str, Sequence[Policy]], workload: Workload) -> tuple[Policy, ...]:
        root = self.mesh.root_namespace
        near = [found for namespace in {root, workload.namespace} for found in policies.get(namespace, ())]
        return applying(near, workload, root)

    def _compile(self, workload: Workload, tcp: bool) -> Enforcement:
        by_action: dict[Action, list[AuthorizationPolicy]] = defaultdict(list)
        for policy in self.applying(workload):
            by_action[policy.action].append(policy)
        sets = {
            action: compile_set(action, policies, self.mesh.trust_domains, tcp=tcp)
            for action, policies in by_action.items()
        }
        rules = tuple(rule for found in self.token_policies(workload) for rule in found.rules)
        # a gateway's listeners go by the Gateway's own TLS settings, not by PeerAuthentication
        peers = () if is_gateway(workload) else self._applying(self._peers, workload)
        return Enforcement(sets, rules, peer_modes(peers, workload, self.mesh.root_namespace))

    def filters(self, workload: Workload, *, tcp: bool = False) -> list[dict[str, Any]]:
        """The RBAC filters Istio generates for the workload, in the order of the chain."""
        sets = self.enforcement(workload, tcp=tcp).sets
        found: list[dict[str, Any]] = []
        if Action.CUSTOM in sets:
            found += extauthz.custom_filters(sets[Action.CUSTOM], self.mesh.providers, tcp=tcp)
        order = (Action.AUDIT, Action.DENY, Action.ALLOW)
        return found + [rule_set_filter(sets[action], tcp=tcp) for action in order if action in sets]

    def decide(
        self, workload: Workload, request: Request, token: Token | None = None, *, now: float | None = None
    ) -> Decision:
        """What the workload's proxy does with the request; `token` is the JWT it carries."""
        enforced = self.enforcement(workload, tcp=request.tcp)
        mode = enforced.modes.of(request.port)
        if request.peer is None and mode.mode is MtlsMode.STRICT:
            return Decision(Cause.PLAINTEXT, "000", mode, detail=str(mode))
        if request.peer is not None and (domain := self._foreign(request.peer)):
            return Decision(
                Cause.FOREIGN, "000", mode, detail=f"{domain} is not {' or '.join(self.mesh.trust_domains)}"
            )
        if request.tcp:
            return self._judge(enforced, request, mode)
        if request.method not in METHODS:
            return Decision(Cause.BAD_METHOD, "400", mode, detail=request.method)
        path = normalize(request.path, self.mesh.normalization)
        if path is None:
            return Decision(Cause.BAD_PATH, "400", mode, detail=request.path)
        request = request if path == request.path else replace(request, path=path)
        return self._judge_http(enforced, request, mode, token, now)

    def _foreign(self, peer: str) -> str:
        """The peer's trust domain, if the proxy would not accept it (istio `plugin/authn/util.go`)."""
        domain = peer.removeprefix("spiffe://").partition("/")[0]
        return "" if domain in self.mesh.trust_domains else domain

    def _judge_http(
        self, enforced: Enforcement, request: Request, mode: PortMode, token: Token | None, now: float | None
    ) -> Decision:
        custom = self._custom(enforced, request, mode)
        if isinstance(custom, Decision):
            return custom
        rules = enforced.tokens if not _is_preflight(request) else ()
        if token is None:
            rules, token = carried(rules, request)
        verdict = verify(rules, token, now)
        if verdict.status != 200:
            return Decision(Cause.TOKEN, str(verdict.status), mode, detail=verdict.reason)
        if verdict.metadata:
            request = replace(request, metadata={**request.metadata, **verdict.metadata})
        return self._rules(enforced, request, mode, custom)

    def _judge(self, enforced: Enforcement, request: Request, mode: PortMode) -> Decision:
        custom = self._custom(enforced, request, mode)
        return custom if isinstance(custom, Decision) else self._rules(enforced, request, mode, custom)

    def _custom(self, enforced: Enforcement, request: Request, mode: PortMode) -> Decision | tuple[str, ...]:
        """The providers to be asked, or the denial where one of them cannot be."""
        rules = enforced.sets.get(Action.CUSTOM)
        if rules is None:
            return ()
        names = {rule.policy.provider for rule in (*(rules.enforced or ()), *(rules.shadow or ()))}
        asked: list[str] = []
        for rule in rules.enforced or ():
            if not rule.matches(request):
                continue
            name = rule.policy.provider
            if request.tcp and extauthz.is_http_only(name, self.mesh.providers):
                continue
            bad = "more than one provider" if len(names) > 1 else extauthz.problem(name, self.mesh.providers)
            if bad:
                return Decision(Cause.CUSTOM_DENIES, _denied(request), mode, rule, bad)
            asked.append(name)
        return tuple(dict.fromkeys(asked))

    def _rules(self, enforced: Enforcement, request: Request, mode: PortMode, asks: tuple[str, ...]) -> Decision:
        audit = enforced.sets.get(Action.AUDIT)
        audited = tuple(rule.key for rule in (audit.enforced or () if audit else ()) if rule.matches(request))
        deny, allow = enforced.sets.get(Action.DENY), enforced.sets.get(Action.ALLOW)
        if deny is not None and (rule := deny.first(request)):
            return Decision(Cause.DENY_RULE, _denied(request), mode, rule, audited=audited)
        if allow is None or allow.enforced is None:
            return Decision(Cause.NO_POLICY, _passed(request), mode, asks=asks, audited=audited)
        if rule := allow.first(request):
            return Decision(Cause.ALLOW_RULE, _passed(request), mode, rule, asks=asks, audited=audited)
        return Decision(Cause.NO_ALLOW_MATCHES, _denied(request), mode, audited=audited)


def _is_preflight(request: Request) -> bool:
    """Whether it asks for another site's leave (CORS), which needs no token: `bypass_cors_preflight`."""
    asks = "origin" in request.headers and "access-control-request-method" in request.headers
    return request.method == "OPTIONS" and asks


def _denied(request: Request) -> str:
    return "connection rejected" if request.tcp else "403"


def _passed(request: Request) -> str:
    return f"hello port {request.port}" if request.tcp else "200"


def _by_namespace(policies: Iterable[Policy]) -> dict[str, list[Policy]]:
    found: dict[str, list[Policy]] = defaultdict(list)
    for policy in policies:
        found[policy.namespace].append(policy)
    return found
