"""Why a proxy decided as it did, in sentences: the policy and rule, or what is missing, and what comes nearest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kntls.mesh.authz.compiler import AnyRule, Clause, CompiledRule, Never
from kntls.mesh.authz.engine import Cause, Decision, Enforcement
from kntls.mesh.authz.model import Action, Request
from kntls.mesh.authz.selection import is_gateway
from kntls.mesh.walk import Hop


@dataclass(frozen=True)
class NearMiss:
    """An ALLOW rule that does not match, and what of it fails."""

    rule: CompiledRule
    failing: tuple[Clause, ...]


def rule_name(rule: AnyRule) -> str:
    """`AuthorizationPolicy foo/allow rule 0`."""
    if isinstance(rule, Never):
        return f"{rule.policy} (it has no rules)"
    return f"{rule.policy} rule {rule.index}"


def sentence(hop: Hop) -> str:
    """One line on what happened at a hop."""
    decision = hop.decision
    if decision.rule is not None:
        verb = {Cause.ALLOW_RULE: "allowed", Cause.DENY_RULE: "denied"}.get(decision.cause, "denied (CUSTOM)")
        tail = f": {decision.detail}" if decision.detail else ""
        return f"{verb} by {rule_name(decision.rule)}{tail}"
    if decision.cause is Cause.NO_ALLOW_MATCHES:
        return "denied: ALLOW policies select the workload and no rule of them matches"
    if decision.cause is Cause.NO_POLICY:
        return "allowed: no enforced ALLOW policy selects the workload"
    if decision.cause is Cause.PLAINTEXT:
        if is_gateway(hop.server):
            return f"refused: plaintext ({hop.connection.reason}), and {decision.detail}"
        return f"refused: plaintext ({decision.detail}), and port {hop.request.port} is {decision.mode}"
    if decision.cause is Cause.NO_SIDECAR:
        return "served: the workload has no sidecar, so nothing is enforced"
    if decision.cause in (Cause.BAD_PATH, Cause.BAD_METHOD):
        return f"refused: {decision.cause}: {decision.detail!r}"
    return f"refused: {decision.detail or decision.cause}"


def near_misses(enforced: Enforcement, request: Request) -> tuple[NearMiss, ...]:
    """The enforced ALLOW rules with what fails of each, the nearest first."""
    allow = enforced.sets.get(Action.ALLOW)
    rules = [rule for rule in (allow.enforced or () if allow else ()) if isinstance(rule, CompiledRule)]
    found = [NearMiss(rule, _failing(rule, request)) for rule in rules]
    return tuple(sorted(found, key=lambda miss: len(miss.failing)))


def _failing(rule: CompiledRule, request: Request) -> tuple[Clause, ...]:
    """The fewest clauses that would have to change: of the best source and of the best operation."""
    best = (min((part.failing(request) for part in side), key=len) for side in (rule.permissions, rule.principals))
    return tuple(clause for clauses in best for clause in clauses)


_OF_THE_REQUEST = ("host", "method", "path", "request.")


def advice(enforced: Enforcement, decision: Decision, request: Request) -> str:
    """What the request itself could have to come through; empty where it cannot help itself."""
    if decision.cause is Cause.TOKEN:
        issuers = " or ".join(dict.fromkeys(rule.issuer for rule in enforced.tokens))
        return f"send a valid token of {issuers}, or none"
    if decision.cause is Cause.DENY_RULE and isinstance(decision.rule, CompiledRule) and not request.tcp:
        parts = (*decision.rule.permissions, *decision.rule.principals)
        excused = [clause for part in parts for clause in part.clauses if clause.negated and _of_request(clause)]
        return f"send what {excused[0]} excepts" if excused else ""
    if decision.cause is Cause.NO_ALLOW_MATCHES and not request.tcp:
        near = near_misses(enforced, request)
        failing = near[0].failing if near else ()
        if failing and all(_of_request(clause) for clause in failing):
            return f"send what fits {' and '.join(map(str, failing))}"
    return ""


def _of_request(clause: Clause) -> bool:
    return clause.terms.attribute.startswith(_OF_THE_REQUEST)


def matching(enforced: Enforcement, action: Action, request: Request) -> tuple[AnyRule, ...]:
    """All enforced rules of an action that match."""
    rules = enforced.sets.get(action)
    return tuple(rule for rule in (rules.enforced or () if rules else ()) if rule.matches(request))


def remarks(enforced: Enforcement, decision: Decision) -> Iterator[str]:
    """What else one should know: dropped and widened rules, dry runs, audits, external authorizers."""
    for rules in enforced.sets.values():
        for dropped in rules.dropped:
            yield f"{dropped.policy} rule {dropped.index} does not exist on this TCP port: {dropped.reason}"
        for rule in rules.enforced or ():
            if rule.ignored:
                yield f"{rule_name(rule)} is wider than written on this port: {'; '.join(rule.ignored)}"
        for name in sorted({str(rule.policy) for rule in rules.shadow or ()}):
            yield f"{name} is a dry run and decides nothing"
    yield from (f"AUDIT: {key} matches" for key in decision.audited)
    yield from (f"only if the external authorizer {name} agrees" for name in decision.asks)
