"""AuthorizationPolicies: what they say and what Istio makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kntls.mesh.authz import Action, AuthorizationPolicy, MtlsMode, Rule, Terms
from kntls.mesh.authz.compiler import field_of
from kntls.mesh.authz.matchers import family_of
from kntls.mesh.authz.methods import METHODS
from kntls.mesh.authz.validation import problems
from kntls.mesh.inventory import Member
from kntls.mesh.lint.model import Hit, Place, Policy, World, rule
from kntls.mesh.resources import Resource
from kntls.model.findings import Severity

SERVING, EVENTING = "knative-serving", "knative-eventing"
_UNMATCHED = "a plaintext caller never matches it"


def terms(each: Rule) -> Iterator[Terms]:
    """Every term of a rule."""
    for selection in (*each.sources, *each.operations, each.when):
        yield from selection


def http_only(term: Terms) -> bool:
    """Whether a term exists on HTTP ports only."""
    family = family_of(term.attribute)
    return family is not None and family.http_only


def needs_mtls(term: Terms) -> bool:
    """Whether a term looks at the peer's certificate."""
    family = family_of(term.attribute)
    return family is not None and (family.needs_mtls or term.attribute == "connection.sni")


def rule_ports(each: Rule) -> tuple[int, ...]:
    """The ports a rule is limited to; empty when some operation has none."""
    found: list[int] = []
    for operation in each.operations:
        values = [value for term in operation if term.attribute == "destination.port" for value in term.values]
        if not values:
            return ()
        found += [int(value) for value in values if value.isdigit()]
    return tuple(dict.fromkeys(found))


def _numbered(world: World, *actions: Action) -> Iterator[tuple[AuthorizationPolicy, Hit, int, Rule]]:
    for found, policy in world.policies:
        if policy.action in actions:
            for index, each in enumerate(policy.rules):
                yield policy, Hit(found, f"rule {index}"), index, each


def _names(found: list[Terms]) -> str:
    return ", ".join(dict.fromkeys(map(_shown, found)))


def _shown(term: Terms) -> str:
    """How the policy writes it: a condition's key, or the field's name."""
    if term.path.startswith("when"):
        return term.attribute
    return field_of(term, negated=not term.values).rpartition(".")[2]


@rule(
    "MESH-AUTHZ-001",
    Severity.ERROR,
    "Istio rejects the policy",
    fix="correct the field; kubectl apply --dry-run=server shows the same on a cluster with Istio",
)
def rejected(world: World) -> Iterator[Hit]:
    """Istio's webhook refuses it. Where the webhook was bypassed (or is down), istiod ignores the object silently."""
    for found in world.resources.all("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"):
        for path, reason in problems(found):
            yield Hit(found, f"{path}: {reason}")


def _tcp_ports(world: World, member: Member, limited: tuple[int, ...]) -> list[int]:
    ports = world.ports(member)
    return [port for port, protocol in ports.items() if protocol == "tcp" and (not limited or port in limited)]


@rule(
    "MESH-AUTHZ-002",
    Severity.ERROR,
    "ALLOW with HTTP fields on a TCP port",
    fix="split the rule: one for the HTTP ports with the HTTP fields, one with only ports for the TCP ports",
)
def allow_http_on_tcp(world: World) -> Iterator[Hit]:
    """On a TCP port Istio cannot build an HTTP condition and drops the whole ALLOW rule, even its pure TCP parts. If no
    other rule matches, every connection to that port is refused."""
    for policy, hit, index, each in _numbered(world, Action.ALLOW):
        fields = [term for term in terms(each) if http_only(term)]
        if not fields:
            continue
        for member in world.selected(policy):
            for port in _tcp_ports(world, member, rule_ports(each)):
                reason = f"rule {index} uses {_names(fields)}: it is dropped on TCP port {port} of {member}"
                yield Hit(hit.found, reason)


def _left_on_tcp(each: Rule) -> list[Terms]:
    """What still limits a DENY rule on a TCP port, where HTTP terms are left out; one emptied alternative opens all."""
    kept: list[Terms] = []
    for alternatives in (each.sources, each.operations):
        left = [[term for term in selection if not http_only(term)] for selection in alternatives]
        kept += [term for selection in left for term in selection] if all(left) else []
    return kept + [term for term in each.when if not http_only(term)]


def _widened(world: World, policy: AuthorizationPolicy, each: Rule) -> tuple[str, bool] | None:
    """What a DENY rule with HTTP terms denies on TCP ports, and whether such ports are known; None if nothing more."""
    limited = rule_ports(each)
    known = [port for member in world.selected(policy) for port in _tcp_ports(world, member, limited)]
    if limited and not known:
        return None
    places = f"TCP port {', '.join(map(str, sorted(set(known))))}" if known else "every TCP port in its scope"
    left = [term for term in _left_on_tcp(each) if term.attribute != "destination.port"]
    whom = f"every connection that matches {_names(left)}" if left else "every connection"
    return f"it denies {whom} on {places}", bool(known)


def _widening(world: World, *, when_only: bool) -> Iterator[Hit]:
    for policy, hit, index, each in _numbered(world, Action.DENY):
        fields = [term for term in terms(each) if http_only(term)]
        if not fields or all(term in each.when for term in fields) is not when_only:
            continue
        if widened := _widened(world, policy, each):
            effect, known = widened
            severity = Severity.ERROR if known else None
            yield Hit(hit.found, f"rule {index} uses {_names(fields)}: {effect}", severity)


@rule(
    "MESH-AUTHZ-003",
    Severity.WARNING,
    "DENY with HTTP fields and no port",
    fix="add to.operation.ports with the HTTP ports",
)
def deny_http_only(world: World) -> Iterator[Hit]:
    """On TCP ports Istio leaves the HTTP fields of a DENY rule out and keeps the rest; a rule with nothing else denies
    every connection. Name the HTTP ports, and the rule means the same everywhere."""
    yield from _widening(world, when_only=False)


@rule(
    "MESH-AUTHZ-004",
    Severity.WARNING,
    "DENY whose only HTTP fields are when-conditions",
    fix="add to.operation.ports with the HTTP ports",
)
def deny_when_only(world: World) -> Iterator[Hit]:
    """A DENY rule limited by `request.headers` or `request.auth` conditions alone denies every TCP connection, and
    Istio's own validation does not warn of it."""
    yield from _widening(world, when_only=True)


def _covers(wide: AuthorizationPolicy, narrow: AuthorizationPolicy, root: str) -> bool:
    """Whether every workload of `narrow` is one of `wide`, whatever workloads there are."""
    return wide.namespace in (narrow.namespace, root) and wide.scope.selects(narrow.scope.labels)


@rule(
    "MESH-AUTHZ-005",
    Severity.WARNING,
    "Only dry-run ALLOW policies",
    fix="enforce one ALLOW policy (an empty spec denies the rest), or remove the annotation istio.io/dry-run",
)
def dry_run_only(world: World) -> Iterator[Hit]:
    """A dry-run ALLOW policy enforces nothing. Where no enforced ALLOW policy covers the same workloads, everything
    that no DENY rule names is let through."""
    root = world.mesh.root_namespace
    enforced = [policy for _, policy in world.policies if policy.action is Action.ALLOW and not policy.dry_run]
    for found, policy in world.policies:
        observed = policy.action is Action.ALLOW and policy.dry_run
        if observed and not any(_covers(each, policy, root) for each in enforced):
            yield Hit(found, "it is dry-run and no enforced ALLOW policy covers its workloads: everything is allowed")


def _plaintext_effect(policy: AuthorizationPolicy, term: Terms) -> tuple[Severity, str]:
    """What a plaintext caller, who has no identity, does to a term of a policy."""
    positive, allow = bool(term.values), policy.action is Action.ALLOW
    if positive and not allow:
        return Severity.ERROR, "a plaintext caller slips through"
    if not positive and allow:
        return Severity.ERROR, "a plaintext caller matches it and is allowed"
    return Severity.WARNING, _UNMATCHED if positive else "it also stops plaintext callers"


@rule(
    "MESH-AUTHZ-006",
    Severity.WARNING,
    "Identity fields where plaintext is possible",
    fix="enforce STRICT there: kntls mesh generate mtls --mode STRICT",
)
def identity_without_strict(world: World) -> Iterator[Hit]:
    """principals, namespaces, serviceAccounts, trustDomains, the source.* conditions and connection.sni read the
    client's certificate. PERMISSIVE is not enough: a plaintext caller has none, so positive fields never match it and
    negated ones always do. Judged for each workload and port. Files that say nothing about mTLS get one note for all
    policies that merely refuse such a caller."""
    hits = [hit for found, policy in world.policies for hit in _loose_identities(world, found, policy)]
    harmless = [] if world.mtls_known else [hit for hit in hits if hit.severity is Severity.WARNING]
    yield from (hit for hit in hits if hit not in harmless)
    if harmless:
        more = f" (and {len(harmless) - 1} more)" if len(harmless) > 1 else ""
        reason = f"it reads the caller's certificate{more}, and nothing in the input demands one: {_UNMATCHED}"
        yield Hit(harmless[0].found, reason, Severity.INFO)


@dataclass(frozen=True)
class _Loose:
    """A rule that looks at identities where plaintext is possible."""

    index: int
    fields: list[Terms]
    places: Mapping[Place, MtlsMode]


def _loose_identities(world: World, found: Resource, policy: AuthorizationPolicy) -> Iterator[Hit]:
    """What plaintext callers do to a policy, one hit for each effect."""
    if policy.action not in (Action.ALLOW, Action.DENY):
        return
    effects: dict[tuple[Severity, str], list[_Loose]] = {}
    for each in _loose_rules(world, policy):
        worst = min((_plaintext_effect(policy, term) for term in each.fields), key=lambda effect: effect[0])
        effects.setdefault(worst, []).append(each)
    for (severity, effect), rules in effects.items():
        yield Hit(found, f"{_loosely(rules)}: {effect}", severity)


def _loose_rules(world: World, policy: AuthorizationPolicy) -> Iterator[_Loose]:
    given_away = _open_ports(world, policy)
    for index, each in enumerate(policy.rules):
        fields = [term for term in terms(each) if needs_mtls(term)]
        modes = world.possible_modes(policy, rule_ports(each)) if fields else {}
        loose = {
            place: mode for place, mode in modes.items() if mode is not MtlsMode.STRICT and place.port not in given_away
        }
        if loose:
            yield _Loose(index, fields, loose)


def _open_ports(world: World, policy: AuthorizationPolicy) -> frozenset[int]:
    """The ports of an ALLOW policy's workloads that another one opens to anybody: there no identity is asked for."""
    if policy.action is not Action.ALLOW:
        return frozenset()
    others = (each for _, each in world.policies if each.action is Action.ALLOW and not each.dry_run)
    rules = (rule for each in others if _covers(each, policy, world.mesh.root_namespace) for rule in each.rules)
    return frozenset(port for rule in rules if _asks_for_ports_only(rule) for port in rule_ports(rule))


def _asks_for_ports_only(each: Rule) -> bool:
    return not each.sources and not each.when and {term.attribute for term in terms(each)} == {"destination.port"}


def _loosely(rules: list[_Loose]) -> str:
    numbers = ", ".join(str(each.index) for each in rules)
    names = _names([term for each in rules for term in each.fields])
    places = [place for each in rules for place in each.places.items()]
    where, mode = places[0]
    others = len({place for place, _ in places}) - 1
    return f"rule {numbers} uses {names} but {where} is {mode}{f' and {others} more' if others else ''}"


@rule(
    "MESH-AUTHZ-007",
    Severity.ERROR,
    "targetRefs on sidecars",
    fix="use spec.selector for workloads with sidecars; targetRefs are for gateways and waypoints",
)
def target_references(world: World) -> Iterator[Hit]:
    """A sidecar ignores every policy with targetRef or targetRefs, so the policy protects nothing there."""
    gateways = {
        (found.namespace, found.name) for found in world.resources.in_group("Gateway", "gateway.networking.k8s.io")
    }
    policies: Iterable[tuple[Resource, Policy]] = (*world.policies, *world.tokens)
    for found, policy in policies:
        lost = [
            each
            for each in policy.scope.targets
            if each.kind not in ("Gateway", "GatewayClass") or (policy.namespace, each.name) not in gateways
        ]
        for each in lost:
            reason = f"{each.kind} {each.name} is no gateway in the input: sidecars ignore this policy"
            yield Hit(found, reason, None if each.kind not in ("Gateway", "GatewayClass") else Severity.WARNING)


def _host_terms(each: Rule) -> Iterator[tuple[Terms, bool]]:
    """Host terms, each with whether its values are the negated ones."""
    for operation in each.operations:
        for term in operation:
            if term.attribute == "host":
                yield term, bool(term.not_values)


def _portless(hosts: tuple[str, ...]) -> list[str]:
    """Exact or suffix hosts without a port, and no sibling that has one."""
    ported = {host.rpartition(":")[0] for host in hosts if ":" in host}
    return [host for host in hosts if ":" not in host and not host.endswith("*") and host not in ported]


def _port_gaps(policy: AuthorizationPolicy) -> Iterator[tuple[bool, str]]:
    """Hosts whose port decides: whether a client escapes by adding one, and the sentence."""
    for index, each in enumerate(policy.rules):
        for term, negative in _host_terms(each):
            escapes = (policy.action is Action.DENY) is not negative
            for host in _portless(term.not_values if negative else term.values):
                yield (
                    escapes,
                    f"rule {index}: a Host of {host} with a port {'escapes it' if escapes else 'is not matched'}",
                )


@rule(
    "MESH-AUTHZ-008",
    Severity.INFO,
    "Hosts without their port",
    fix="add the host with its port; an exact host once more with `:*` behind it",
)
def hosts_without_port(world: World) -> Iterator[Hit]:
    """Istio compares `hosts` with the Host header as sent, port included: `a.example.com` does not match
    `a.example.com:8080`. In DENY (and notHosts of ALLOW) a client escapes by adding the port. One finding a policy;
    none for ALLOW at Knative's own components, whose Services are on the schemes' default ports."""
    for found, policy in world.policies:
        gaps = list(_port_gaps(policy)) if policy.action in (Action.ALLOW, Action.DENY) else []
        if gaps:
            escapes, sentence = max(gaps, key=lambda gap: gap[0])
            if not escapes and policy.namespace in (SERVING, EVENTING):
                continue
            more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
            yield Hit(found, f"{sentence}{more}", Severity.ERROR if escapes else None)


@rule(
    "MESH-AUTHZ-009",
    Severity.WARNING,
    "Hosts only with a port",
    fix="add the host without its port",
)
def hosts_with_port(world: World) -> Iterator[Hit]:
    """A client leaves the port out of Host where it is the scheme's default, so `a.example.com:80` hardly ever
    matches."""
    for _, hit, index, each in _numbered(world, Action.ALLOW, Action.DENY):
        for term, negative in _host_terms(each):
            hosts = term.not_values if negative else term.values
            plain = {host for host in hosts if ":" not in host}
            for host in (host for host in hosts if ":" in host and not host.endswith(":*")):
                if host.rpartition(":")[0] not in plain:
                    yield Hit(hit.found, f"rule {index}: {host} matches only requests that carry the port")


def _to_activator(policy: AuthorizationPolicy) -> bool:
    labels = policy.scope.labels
    return policy.namespace == SERVING and "activator" in (labels.get("app"), labels.get("app.kubernetes.io/component"))


def _checks_header(each: Rule) -> bool:
    return any("knative-serving-namespace" in term.attribute.lower() for term in each.when)


@rule(
    "MESH-AUTHZ-010",
    Severity.INFO,
    "The activator is guarded by Host alone",
    fix="kntls mesh generate tenant --harden adds the header conditions",
)
def activator_by_host(world: World) -> Iterator[Hit]:
    """The activator trusts the Knative-Serving-Namespace and -Revision headers before Host. A tenant that reaches it
    directly may send its own Host and another tenant's headers (read from Serving's code, not seen on a cluster)."""
    for found, policy in world.policies:
        if policy.action is not Action.ALLOW or not _to_activator(policy):
            continue
        bare = [str(i) for i, each in enumerate(policy.rules) if any(_host_terms(each)) and not _checks_header(each)]
        if bare:
            yield Hit(found, f"rule {', '.join(bare)} checks hosts but not the Knative-Serving-Namespace header")


@rule(
    "MESH-AUTHZ-011",
    Severity.ERROR,
    "A host pattern that matches every namespace",
    fix="name the namespace: *.NAMESPACE.svc.cluster.local",
)
def host_of_everybody(world: World) -> Iterator[Hit]:
    """`*.local`, `*.svc` or `*.cluster.local` matches Services of every namespace. It comes about when a tenant's
    namespace is called like a part of the cluster's domain."""
    parts = world.mesh.cluster_domain.split(".")
    suffixes = {".".join(parts[index:]) for index in range(len(parts))}
    everybody = {f"*.{each}" for each in (*suffixes, "svc", f"svc.{world.mesh.cluster_domain}")} | {"*"}
    for _, hit, index, each in _numbered(world, Action.ALLOW):
        for term, negative in _host_terms(each):
            for host in set(() if negative else term.values) & everybody:
                yield Hit(hit.found, f"rule {index}: {host} matches hosts of every namespace")


@rule(
    "MESH-AUTHZ-012",
    Severity.WARNING,
    "The selector matches no workload",
    fix="compare spec.selector.matchLabels with the labels of the pods",
)
def selects_nothing(world: World) -> Iterator[Hit]:
    """A policy whose selector matches nothing protects nothing. Judged only where workloads of its namespace are in
    the input."""
    known = {member.namespace for member in world.members}
    policies: Iterable[tuple[Resource, Policy]] = (*world.policies, *world.tokens, *world.peers)
    for found, policy in policies:
        if policy.namespace in known and policy.scope.labels and not world.selected(policy):
            labels = ",".join(f"{key}={value}" for key, value in policy.scope.labels.items())
            yield Hit(found, f"no workload of {policy.namespace} has {labels}")


@rule(
    "MESH-AUTHZ-013",
    Severity.WARNING,
    "A method that does not exist",
    fix="methods are compared as sent: upper-case",
)
def unknown_method(world: World) -> Iterator[Hit]:
    """Methods are compared with their case. `get` never matches, so ALLOW allows nothing and DENY stops nothing."""
    for _, hit, index, each in _numbered(world, Action.ALLOW, Action.DENY):
        for term in terms(each):
            if term.attribute == "method":
                for value in (*term.values, *term.not_values):
                    if "*" not in value and value not in METHODS:
                        yield Hit(hit.found, f"rule {index}: {value!r} is no HTTP method")


@rule(
    "MESH-AUTHZ-014",
    Severity.WARNING,
    "ALLOW with an explicitly empty list of rules",
    fix="write spec: {} if everything is to be denied, else give rules",
)
def empty_rules(world: World) -> Iterator[Hit]:
    """`rules:` with nothing under it denies everything, as `spec: {}` does. A chart renders it when all of its features
    are switched off, which hardly anybody means."""
    for found, policy in world.policies:
        if policy.action is Action.ALLOW and "rules" in found.spec and not found.spec["rules"]:
            yield Hit(found, "rules is empty: every request that no other policy allows is denied")


@rule(
    "MESH-AUTHZ-015",
    Severity.WARNING,
    "An empty from or to",
    fix="name who or what is meant, or leave the field out",
)
def empty_alternatives(world: World) -> Iterator[Hit]:
    """`from:` or `to:` with nothing under it is as good as absent: the rule matches every caller, or everything asked
    for. A chart renders it from an empty list, which is meant the other way round."""
    for found, _ in world.policies:
        for index, each in enumerate(found.spec.get("rules") or ()):
            for name, whom in (("from", "every caller"), ("to", "whatever is asked for")):
                if name in each and not each[name]:
                    yield Hit(found, f"rule {index}: {name} is empty: the rule matches {whom}")
