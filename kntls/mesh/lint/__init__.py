"""Rules that judge mesh resources before they are applied; one registry entry a rule, `docs/mesh-lint.md` its page."""

from __future__ import annotations

from kntls.mesh.lint.model import REGISTRY, Hit, Rule, World, finding
from kntls.mesh.lint.rules import authorization, control_plane, gateways, members, migration, mtls, secrets, tokens
from kntls.model.findings import Finding, Severity

MODULES = (authorization, mtls, tokens, gateways, secrets, control_plane, members, migration)
"""Importing these fills the registry, in the order of the reference."""

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def lint(world: World, rules: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """Everything the rules (all, or those named) find, worst first; a KeyError names a rule that does not exist."""
    wanted = [REGISTRY[name] for name in rules] if rules else list(REGISTRY.values())
    found = [finding(rule, hit) for rule in wanted for hit in rule.check(world)]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (_ORDER[each.severity], each.id, str(each.object))))


__all__ = ["MODULES", "REGISTRY", "Hit", "Rule", "World", "lint"]
