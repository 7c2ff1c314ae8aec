"""The filters as Envoy configuration, field for field as Istio 1.31 writes them.

Source: istio `pilot/pkg/security/authz/builder/builder.go` buildHTTP and buildTCP; protobuf JSON leaves out defaults
(`action: ALLOW`).
"""

from __future__ import annotations

from typing import Any

from kntls.mesh.authz.compiler import AnyRule, RuleSet
from kntls.mesh.authz.model import Action

HTTP_RBAC, NETWORK_RBAC = "envoy.filters.http.rbac", "envoy.filters.network.rbac"
_TYPES = {
    HTTP_RBAC: "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
    NETWORK_RBAC: "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
}
_ACTIONS = {Action.ALLOW: "ALLOW", Action.DENY: "DENY", Action.AUDIT: "LOG", Action.CUSTOM: "DENY"}
_SHADOW_PREFIX = {Action.ALLOW: "istio_dry_run_allow_", Action.DENY: "istio_dry_run_deny_"}
TCP_PREFIX = "tcp."


def rbac(action: Action, rules: tuple[AnyRule, ...], suffix: str = "") -> dict[str, Any]:
    """Envoy's RBAC message; `suffix` is put behind every rule's key."""
    policies = {rule.key + suffix: rule.render() for rule in rules}
    name = _ACTIONS[action]
    return {**({"action": name} if name != "ALLOW" else {}), **({"policies": policies} if policies else {})}


def rbac_filter(config: dict[str, Any], *, tcp: bool) -> dict[str, Any]:
    """An RBAC filter of that content."""
    name = NETWORK_RBAC if tcp else HTTP_RBAC
    ending = {"statPrefix": TCP_PREFIX} if tcp else {}
    return {"name": name, "typedConfig": {"@type": _TYPES[name], **config, **ending}}


def rule_set_filter(rules: RuleSet, *, tcp: bool) -> dict[str, Any]:
    """The filter of an ALLOW, DENY or AUDIT rule set."""
    config: dict[str, Any] = {}
    if rules.enforced is not None:
        config["rules"] = rbac(rules.action, rules.enforced)
    if rules.shadow is not None:
        config["shadowRules"] = rbac(rules.action, rules.shadow)
    # without shadow rules Istio reads the action of none, which is ALLOW
    if prefix := _SHADOW_PREFIX.get(rules.action if rules.shadow is not None else Action.ALLOW):
        config["shadowRulesStatPrefix"] = prefix
    return rbac_filter(config, tcp=tcp)
