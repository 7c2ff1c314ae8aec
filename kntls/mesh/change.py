"""The smallest change of policy that turns a verdict round, found among few candidates and tried before it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kntls.mesh.authz.compiler import AnyRule, Clause, CompiledRule
from kntls.mesh.authz.engine import Cause, Engine
from kntls.mesh.authz.matchers.path import path_only
from kntls.mesh.authz.model import (
    Action,
    AuthorizationPolicy,
    MtlsMode,
    PeerAuthentication,
    Request,
    Rule,
    Scope,
    Selection,
    Terms,
    Workload,
)
from kntls.mesh.walk import Call, Hop, World
from kntls.mesh.why import matching, near_misses, rule_name

Edit = Callable[[Engine], Engine]
_REFUSALS_AT_ONE_HOP = 2  # plaintext, a DENY, no ALLOW: each needs a change of its own


@dataclass(frozen=True)
class Change:
    """What to do, in words, and the same done to the policies."""

    text: str
    edit: Edit


def turn_round(world: World, chain: Sequence[Workload], call: Call) -> tuple[Change, ...]:
    """The changes, one a refusing hop, after which the call has the other outcome; empty where no policy can do it."""
    wanted = not world.walk(chain, call).last.decision.allowed
    found: list[Change] = []
    for _ in range(len(chain) + _REFUSALS_AT_ONE_HOP):
        last = world.walk(chain, call).last
        if last.decision.allowed is wanted:
            return tuple(found)
        change = _smallest(world.engine, last)
        if change is None:
            return ()
        found.append(change)
        world = World(change.edit(world.engine), world.rules, world.mutual)
    return ()


def _smallest(engine: Engine, hop: Hop) -> Change | None:
    """The first change that gives this hop the other outcome, or lets plaintext get as far as the policies."""
    wanted = not hop.decision.allowed
    for change in _candidates(engine, hop):
        decision = change.edit(engine).decide(hop.server, hop.request, hop.token)
        if decision.allowed is wanted or (hop.decision.cause is Cause.PLAINTEXT is not decision.cause):
            return change
    return None


def _candidates(engine: Engine, hop: Hop) -> Iterator[Change]:
    cause, enforced = hop.decision.cause, engine.enforcement(hop.server, tcp=hop.request.tcp)
    if cause is Cause.PLAINTEXT:
        yield _permissive(hop)
    elif cause is Cause.NO_ALLOW_MATCHES:
        for miss in near_misses(enforced, hop.request):
            yield from _admit(miss.rule, miss.failing, hop)
        yield _new_policy(hop, Action.ALLOW)
    elif cause is Cause.DENY_RULE:
        denying = matching(enforced, Action.DENY, hop.request)
        yield from (change for rule in denying for change in _exempt(rule, hop))
        yield _without(tuple(denying))
    elif cause is Cause.ALLOW_RULE:
        allowing = matching(enforced, Action.ALLOW, hop.request)
        if len(allowing) == 1:
            yield from _expel(allowing[0], hop)
        yield _new_policy(hop, Action.DENY)
    elif cause is Cause.NO_POLICY:
        yield _closing(hop.server)


def _admit(rule: CompiledRule, failing: tuple[Clause, ...], hop: Hop) -> Iterator[Change]:
    """Let an ALLOW rule take the request: add what it has, or take out what excludes it."""
    edits: list[tuple[str, Callable[[Terms], Terms]]] = []
    for clause in failing:
        if clause.negated:
            edits.append((f"remove {clause}", _cleared(negated=True)))
            continue
        value = actual(clause.terms.attribute, hop.request, hop.server)
        if not value:
            return
        edits.append((f"add {value!r} to {clause.terms.path}", _adding(value, negated=False)))
    words = " and ".join(words for words, _ in edits)
    steps = [(clause.terms.path, edit) for clause, (_, edit) in zip(failing, edits, strict=True)]
    yield Change(f"in {rule_name(rule)} {words}", _editing(rule.policy, rule.index, steps))


def _exempt(rule: AnyRule, hop: Hop) -> Iterator[Change]:
    """Let a DENY rule pass the request by: one clause turned round."""
    if not isinstance(rule, CompiledRule):
        return
    for clause in _clauses(rule):
        value = actual(clause.terms.attribute, hop.request, hop.server)
        if clause.negated and value:
            text = f"in {rule_name(rule)} add {value!r} to {_negated_path(clause.terms)}"
            yield Change(text, _editing(rule.policy, rule.index, [(clause.terms.path, _adding(value, negated=True))]))
    for clause in _clauses(rule):
        value = actual(clause.terms.attribute, hop.request, hop.server)
        if not clause.negated and value in clause.terms.values and len(clause.terms.values) > 1:
            text = f"in {rule_name(rule)} remove {value!r} from {clause.terms.path}"
            yield Change(text, _editing(rule.policy, rule.index, [(clause.terms.path, _removing(value))]))


def _expel(rule: AnyRule, hop: Hop) -> Iterator[Change]:
    """Make the one ALLOW rule that matches stop matching."""
    if not isinstance(rule, CompiledRule):
        return
    for clause in _clauses(rule):
        value = actual(clause.terms.attribute, hop.request, hop.server)
        if not clause.negated and value in clause.terms.values and len(clause.terms.values) > 1:
            text = f"in {rule_name(rule)} remove {value!r} from {clause.terms.path}"
            yield Change(text, _editing(rule.policy, rule.index, [(clause.terms.path, _removing(value))]))


def _clauses(rule: CompiledRule) -> Iterator[Clause]:
    for part in (*rule.principals, *rule.permissions):
        yield from part.clauses


def _negated_path(terms: Terms) -> str:
    path, _, name = terms.path.rpartition(".")
    return f"{path}.not{name[0].upper()}{name[1:]}" if path else f"{terms.path}.notValues"


def _adding(value: str, *, negated: bool) -> Callable[[Terms], Terms]:
    if negated:
        return lambda terms: replace(terms, not_values=(*terms.not_values, value))
    return lambda terms: replace(terms, values=(*terms.values, value))


def _removing(value: str) -> Callable[[Terms], Terms]:
    return lambda terms: replace(terms, values=tuple(kept for kept in terms.values if kept != value))


def _cleared(*, negated: bool) -> Callable[[Terms], Terms]:
    return lambda terms: replace(terms, not_values=()) if negated else replace(terms, values=())


def _editing(policy: AuthorizationPolicy, index: int, steps: list[tuple[str, Callable[[Terms], Terms]]]) -> Edit:
    rule = policy.rules[index]
    for path, edit in steps:
        rule = Rule(
            tuple(_edited(selection, path, edit) for selection in rule.sources),
            tuple(_edited(selection, path, edit) for selection in rule.operations),
            _edited(rule.when, path, edit),
        )
    rules = (*policy.rules[:index], rule, *policy.rules[index + 1 :])
    changed = replace(policy, rules=rules)
    return lambda engine: engine.replacing(policy, changed)


def _edited(selection: Selection, path: str, edit: Callable[[Terms], Terms]) -> Selection:
    return tuple(edit(terms) if terms.path == path else terms for terms in selection)


def _without(rules: tuple[AnyRule, ...]) -> Change:
    policies = tuple({str(rule.policy): rule.policy for rule in rules}.values())

    def edit(engine: Engine) -> Engine:
        for policy in policies:
            engine = engine.replacing(policy, None)
        return engine

    return Change(f"delete {' and '.join(map(str, policies))}", edit)


def _new_policy(hop: Hop, action: Action) -> Change:
    """A policy for just this caller and this workload."""
    terms = []
    if namespace := actual("source.namespace", hop.request, hop.server):
        terms.append(Terms("source.namespace", (namespace,)))
    rule = Rule(sources=(tuple(terms),) if terms else ())
    scope = Scope(dict(hop.server.labels))
    policy = AuthorizationPolicy(hop.server.namespace, "kntls", action, (rule,), scope)
    who = f"from namespace {namespace}" if namespace else "from anybody, as a plaintext caller has no identity"
    labels = ",".join(f"{key}={value}" for key, value in hop.server.labels.items()) or "every workload"
    text = f"add to namespace {hop.server.namespace} an AuthorizationPolicy with action {action} for {labels} {who}"
    return Change(text, lambda engine: engine.adding(policy))


def _closing(server: Workload) -> Change:
    policy = AuthorizationPolicy(server.namespace, "deny-all")
    text = (
        f"add an AuthorizationPolicy with an empty spec to namespace {server.namespace}: it closes what nothing allows"
    )
    return Change(text, lambda engine: engine.adding(policy))


def _permissive(hop: Hop) -> Change:
    server, port = hop.server, hop.request.port
    made = PeerAuthentication(
        server.namespace,
        "kntls",
        ports={port: MtlsMode.PERMISSIVE},
        scope=Scope(dict(server.labels)),
        created="0",
    )
    text = (
        f"give {hop.client.name} a sidecar, or let port {port} of {server.name} take plaintext:"
        f" a PeerAuthentication in {server.namespace} that selects it, with portLevelMtls {port} PERMISSIVE"
    )
    return Change(text, lambda engine: engine.adding_peer(made))


def actual(attribute: str, request: Request, server: Workload) -> str:
    """The request's own value of an attribute, as a policy would write it; empty where it has none."""
    domain, _, rest = (request.peer or "").removeprefix("spiffe://").partition("/")
    parts = rest.split("/")
    namespace, account = (parts[1], parts[3]) if len(parts) == 4 else ("", "")
    known = {
        "source.principal": f"{domain}/{rest}" if rest else "",
        "source.namespace": namespace,
        "source.serviceAccount": f"{namespace}/{account}" if account else "",
        "source.trustDomain": domain,
        "source.ip": request.source_ip,
        "remote.ip": request.remote_ip,
        "destination.ip": request.destination_ip,
        "destination.port": str(request.port),
        "connection.sni": request.sni,
        "host": request.authority,
        "method": request.method,
        "path": path_only(request.path),
    }
    if attribute.startswith("request.headers["):
        return request.headers.get(attribute[len("request.headers[") : -1].lower(), "")
    return known.get(attribute, "")
