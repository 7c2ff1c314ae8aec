"""Policies as filters: what Istio makes of the rules of one workload, for HTTP or for TCP.

Source: istio `pilot/pkg/security/authz/builder/builder.go`, `model/model.go`. On TCP an HTTP-only term cannot be used:
an ALLOW rule with one is dropped whole, any other action goes on without the term and so matches more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kntls.mesh.authz.matchers import Family, Site, Unusable, family_of
from kntls.mesh.authz.model import Action, AuthorizationPolicy, Request, Rule, Selection, Terms
from kntls.mesh.authz.nodes import ALWAYS, All, Either, Node, Not, Side
from kntls.mesh.authz.trust import expand_domains, expand_principals

CUSTOM_PREFIX = "istio-ext-authz"
BAD_CUSTOM = "-deny-due-to-bad-CUSTOM-action"


@dataclass(frozen=True)
class Clause:
    """One condition of a rule, and the term it came from."""

    terms: Terms
    negated: bool
    node: Node

    def __str__(self) -> str:
        """`from[0].source.namespaces [a, b]`, as a person finds it in the policy."""
        values = self.terms.not_values if self.negated else self.terms.values
        when = "." not in self.terms.path
        key = f" {self.terms.attribute}" if when else ""
        negation = " not" if self.negated and when else ""
        return f"{field_of(self.terms, negated=self.negated)}{key}{negation} [{', '.join(values)}]"


def field_of(terms: Terms, *, negated: bool) -> str:
    """The field a term's plain or negated values stand in: `from[0].source.notNamespaces`, `when[0]`."""
    path, _, name = terms.path.rpartition(".")
    return f"{path}.not{name[0].upper()}{name[1:]}" if negated and path else terms.path


@dataclass(frozen=True)
class Conjunction:
    """Clauses that must all hold: one source or one operation, with the `when` conditions of its side."""

    clauses: tuple[Clause, ...]
    node: All = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "node", All(tuple(clause.node for clause in self.clauses) or (ALWAYS,)))

    def failing(self, request: Request) -> tuple[Clause, ...]:
        """The clauses the request does not meet."""
        return tuple(clause for clause in self.clauses if not clause.node.matches(request))


@dataclass(frozen=True)
class CompiledRule:
    """One rule as an Envoy policy: any permission and any principal."""

    key: str
    """Envoy's name for it: `ns[NS]-policy[NAME]-rule[0]`."""
    policy: AuthorizationPolicy
    index: int
    permissions: tuple[Conjunction, ...]
    principals: tuple[Conjunction, ...]
    ignored: tuple[str, ...] = ()
    """Terms that could not be used here and were left out, which widens the rule."""

    def matches(self, request: Request) -> bool:
        """Whether the rule takes the request."""
        return any(part.node.matches(request) for part in self.permissions) and any(
            part.node.matches(request) for part in self.principals
        )

    def render(self) -> dict[str, Any]:
        """Envoy's RBAC Policy."""
        return {
            "permissions": [part.node.render(Side.PERMISSION) for part in self.permissions],
            "principals": [part.node.render(Side.PRINCIPAL) for part in self.principals],
        }


@dataclass(frozen=True)
class Never:
    """What stands for a policy without rules: it exists, so it closes the workload, and matches nothing."""

    key: str
    policy: AuthorizationPolicy
    index: int = 0
    ignored: tuple[str, ...] = ()

    def matches(self, request: Request) -> bool:
        """False."""
        return False

    def render(self) -> dict[str, Any]:
        """`not any` on both sides."""
        return {"permissions": [{"notRule": {"any": True}}], "principals": [{"notId": {"any": True}}]}


AnyRule = CompiledRule | Never


@dataclass(frozen=True)
class Dropped:
    """An ALLOW rule that does not exist on a TCP port."""

    policy: AuthorizationPolicy
    index: int
    reason: str


@dataclass(frozen=True)
class RuleSet:
    """The rules of one action, sorted by key as Envoy keeps them, and whether each kind exists at all."""

    action: Action
    enforced: tuple[AnyRule, ...] | None = None
    """None when no policy is enforced, which is not the same as no rules."""
    shadow: tuple[AnyRule, ...] | None = None
    """Dry-run rules."""
    dropped: tuple[Dropped, ...] = ()

    def first(self, request: Request) -> AnyRule | None:
        """The enforced rule Envoy would name for this request."""
        return next((rule for rule in self.enforced or () if rule.matches(request)), None)


def rule_key(policy: AuthorizationPolicy, index: int) -> str:
    """Envoy's name of a rule; a CUSTOM one carries its provider (builder.go policyName)."""
    prefix = ""
    if policy.action is Action.CUSTOM:
        prefix = f"{CUSTOM_PREFIX}-{policy.provider}-" if policy.provider else f"{CUSTOM_PREFIX}-"
    return f"{prefix}ns[{policy.namespace}]-policy[{policy.name}]-rule[{index}]"


def compile_set(
    action: Action, policies: Sequence[AuthorizationPolicy], domains: tuple[str, ...], *, tcp: bool
) -> RuleSet:
    """The rules of the policies of one action that apply to one workload."""
    rules: dict[bool, dict[str, AnyRule]] = {}
    dropped: list[Dropped] = []
    for policy in policies:
        mine = rules.setdefault(policy.dry_run, {})
        for found in _compile_policy(policy, domains, tcp=tcp):
            if isinstance(found, Dropped):
                dropped.append(found)
            else:
                mine[found.key] = found
    enforced, shadow = (_in_order(rules.get(dry_run)) for dry_run in (False, True))
    return RuleSet(action, enforced, shadow, tuple(dropped))


def _in_order(rules: dict[str, AnyRule] | None) -> tuple[AnyRule, ...] | None:
    return None if rules is None else tuple(rules[key] for key in sorted(rules))


def _compile_policy(policy: AuthorizationPolicy, domains: tuple[str, ...], *, tcp: bool) -> Iterator[AnyRule | Dropped]:
    if not policy.rules:
        yield Never(rule_key(policy, 0), policy)
    for index, rule in enumerate(policy.rules):
        try:
            yield _compile_rule(policy, index, rule, domains, tcp=tcp)
        except Unusable as error:
            yield Dropped(policy, index, str(error))


def _compile_rule(
    policy: AuthorizationPolicy, index: int, rule: Rule, domains: tuple[str, ...], *, tcp: bool
) -> CompiledRule:
    maker = _Maker(policy, domains, tcp)
    # Istio expands the shared conditions once for each source, each time on the result of the last
    when = _expand(rule.when, domains, times=max(1, len(rule.sources)))
    sides = {Side.PERMISSION: rule.operations or ((),), Side.PRINCIPAL: rule.sources or ((),)}
    made = {
        side: tuple(maker.conjunction(side, (*_expand(own, domains), *_of_side(when, side))) for own in selections)
        for side, selections in sides.items()
    }
    ignored = tuple(dict.fromkeys(maker.ignored))
    return CompiledRule(rule_key(policy, index), policy, index, made[Side.PERMISSION], made[Side.PRINCIPAL], ignored)


def _of_side(when: Selection, side: Side) -> Selection:
    return tuple(terms for terms in when if _family(terms).side is side)


def _family(terms: Terms) -> Family:
    family = family_of(terms.attribute)
    if family is None:
        raise Unusable(f"unknown attribute {terms.attribute}")
    return family


def _expand(selection: Selection, domains: tuple[str, ...], times: int = 1) -> Selection:
    for _ in range(times):
        selection = tuple(_expand_terms(terms, domains) for terms in selection)
    return selection


def _expand_terms(terms: Terms, domains: tuple[str, ...]) -> Terms:
    expand = {"source.principal": expand_principals, "source.trustDomain": expand_domains}.get(terms.attribute)
    if expand is None:
        return terms
    return replace(terms, values=expand(terms.values, domains), not_values=expand(terms.not_values, domains))


class _Maker:
    """Makes the conditions of one rule, remembering what it had to leave out."""

    def __init__(self, policy: AuthorizationPolicy, domains: tuple[str, ...], tcp: bool) -> None:
        self.policy, self.domains, self.tcp = policy, domains, tcp
        self.ignored: list[str] = []

    def conjunction(self, side: Side, selection: Selection) -> Conjunction:
        return Conjunction(tuple(clause for terms in selection for clause in self._clauses(terms)))

    def _clauses(self, terms: Terms) -> Iterator[Clause]:
        family = _family(terms)
        for values, is_negated in ((terms.values, False), (terms.not_values, True)):
            where = field_of(terms, negated=is_negated)
            node = self._node(family, terms, values, where) if values else None
            if node is not None:
                yield Clause(terms, is_negated, Not(node) if is_negated else node)

    def _node(self, family: Family, terms: Terms, values: tuple[str, ...], where: str) -> Node | None:
        site = Site(terms.attribute, self.policy.namespace)
        if family.build_all is not None:
            build_all = family.build_all
            return self._usable(where, family, lambda: build_all(site, values))
        build = family.build
        assert build is not None, f"{family.attribute} builds nothing"  # noqa: S101 - a mistake in the registry
        nodes = (self._usable(where, family, lambda value=value: build(site, value)) for value in values)
        found = tuple(node for node in nodes if node is not None)
        return Either(found) if found else None

    def _usable(self, where: str, family: Family, make: Any) -> Node | None:
        try:
            if self.tcp and family.http_only:
                raise Unusable(f"{where} is HTTP only")
            made: Node = make()
        except Unusable as error:
            if self.policy.action is Action.ALLOW:
                raise
            self.ignored.append(str(error))
            return None
        return made
