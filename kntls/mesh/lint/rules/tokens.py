"""JSON Web Tokens: policies that ask for what nobody checks, and checks that nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.mesh.authz import Action, AuthorizationPolicy, RequestAuthentication
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.lint.rules.authorization import terms
from kntls.model.findings import Severity


def uses_token(policy: AuthorizationPolicy) -> bool:
    """Whether a policy reads a verified token."""
    return any(term.attribute.startswith("request.auth.") for each in policy.rules for term in terms(each))


def _covers(token: RequestAuthentication, policy: AuthorizationPolicy, root: str) -> bool:
    return token.namespace in (policy.namespace, root) and token.scope.selects(policy.scope.labels)


def _checked(world: World, policy: AuthorizationPolicy) -> bool:
    root = world.mesh.root_namespace
    if any(_covers(token, policy, root) for _, token in world.tokens):
        return True
    members = world.selected(policy)
    return bool(members) and all(any(m in world.selected(token) for _, token in world.tokens) for m in members)


@rule(
    "MESH-JWT-001",
    Severity.ERROR,
    "A JWT policy without its RequestAuthentication",
    fix="kntls mesh generate jwt",
)
def policy_without_check(world: World) -> Iterator[Hit]:
    """requestPrincipals and request.auth.* read what a RequestAuthentication has verified. Without one for the same
    workloads ALLOW never matches and DENY of notRequestPrincipals stops every request."""
    for found, policy in world.policies:
        if uses_token(policy) and not _checked(world, policy):
            effect = "stops every request" if policy.action is Action.DENY else "never matches"
            yield Hit(found, f"no RequestAuthentication covers its workloads: {policy.action} {effect}")


@rule(
    "MESH-JWT-002",
    Severity.WARNING,
    "A RequestAuthentication that no policy enforces",
    fix="add a policy that denies notRequestPrincipals ['*']: kntls mesh generate jwt",
)
def check_without_policy(world: World) -> Iterator[Hit]:
    """A RequestAuthentication refuses bad tokens only; a request without any token passes it."""
    root = world.mesh.root_namespace
    for found, token in world.tokens:
        asking = [
            policy
            for _, policy in world.policies
            if uses_token(policy)
            and (
                _covers(token, policy, root)
                or (policy.namespace in (token.namespace, root) and policy.scope.selects(token.scope.labels))
            )
        ]
        if not asking:
            yield Hit(found, "requests without a token pass: no AuthorizationPolicy asks for one")


@rule(
    "MESH-JWT-003",
    Severity.WARNING,
    "Keys fetched without TLS",
    fix="use an https jwksUri, or put the public keys into jwks",
)
def plaintext_keys(world: World) -> Iterator[Hit]:
    """Whoever stands between istiod and an http jwksUri can replace the keys and sign tokens."""
    for found, _ in world.tokens:
        for each in found.spec.get("jwtRules") or ():
            uri = str(each.get("jwksUri") or "")
            if uri.startswith("http://"):
                yield Hit(found, f"jwksUri {uri}")
