"""Kubernetes objects as the typed model. What Istio's webhook would reject is not judged here: see `validation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kntls.mesh.authz.matchers import BY_FIELD
from kntls.mesh.authz.model import (
    Action,
    AuthorizationPolicy,
    ClientTls,
    DestinationRule,
    JwtRule,
    MtlsMode,
    PeerAuthentication,
    RequestAuthentication,
    Rule,
    Scope,
    Selection,
    Target,
    Terms,
)
from kntls.mesh.resources import Resource
from kntls.mesh.schema import negated

DRY_RUN = "istio.io/dry-run"
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's `strconv.ParseBool` takes, as Istio reads the annotation."""


def authorization_policy(found: Resource) -> AuthorizationPolicy:
    """The typed form of an AuthorizationPolicy whose fields have the right types."""
    spec = found.spec
    return AuthorizationPolicy(
        found.namespace,
        found.name,
        Action(spec.get("action") or "ALLOW"),
        tuple(_rule(rule or {}) for rule in spec.get("rules") or ()),
        _scope(spec),
        str(found.annotations.get(DRY_RUN, "")) in TRUE,
        str((spec.get("provider") or {}).get("name") or ""),
        found.location,
    )


def _rule(rule: Mapping[str, Any]) -> Rule:
    sources = (
        _selection(entry.get("source") or {}, f"from[{index}].source")
        for index, entry in enumerate(rule.get("from") or ())
    )
    operations = (
        _selection(entry.get("operation") or {}, f"to[{index}].operation")
        for index, entry in enumerate(rule.get("to") or ())
    )
    when = (_condition(entry, f"when[{index}]") for index, entry in enumerate(rule.get("when") or ()))
    return Rule(tuple(sources), tuple(operations), tuple(when))


def _selection(fields: Mapping[str, Any], path: str) -> Selection:
    found = []
    for name, family in BY_FIELD.items():
        values, not_values = _strings(fields.get(name)), _strings(fields.get(negated(name)))
        if values or not_values:
            found.append(Terms(family.attribute, values, not_values, f"{path}.{name}"))
    return tuple(found)


def _condition(entry: Mapping[str, Any], path: str) -> Terms:
    return Terms(str(entry.get("key") or ""), _strings(entry.get("values")), _strings(entry.get("notValues")), path)


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())


def _scope(spec: Mapping[str, Any]) -> Scope:
    targets = [*(spec.get("targetRefs") or ()), *([spec["targetRef"]] if spec.get("targetRef") else ())]
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return Scope(
        {str(key): str(value) for key, value in labels.items()},
        tuple(Target(ref.get("group", ""), ref.get("kind", ""), ref.get("name", "")) for ref in targets),
    )


def peer_authentication(found: Resource) -> PeerAuthentication:
    """The typed form of a PeerAuthentication; a port that is no number is refused with its place."""
    ports = found.spec.get("portLevelMtls") or {}
    for port in ports:
        if not str(port).isdigit():
            raise found.error(f"spec.portLevelMtls[{port}]", "a port must be a number")
    return PeerAuthentication(
        found.namespace,
        found.name,
        _mode(found.spec.get("mtls")),
        {int(port): _mode(mtls) for port, mtls in ports.items()},
        _scope(found.spec),
        found.created,
        found.location,
    )


def _mode(mtls: Mapping[str, Any] | None) -> MtlsMode | None:
    mode = (mtls or {}).get("mode") or "UNSET"
    return None if mode == "UNSET" else MtlsMode(mode)


def request_authentication(found: Resource) -> RequestAuthentication:
    """The typed form of a RequestAuthentication."""
    rules = tuple(_jwt_rule(rule) for rule in found.spec.get("jwtRules") or ())
    return RequestAuthentication(found.namespace, found.name, rules, _scope(found.spec), found.location)


def _jwt_rule(rule: Mapping[str, Any]) -> JwtRule:
    headers = tuple(
        (str(each.get("name") or "").lower(), str(each.get("prefix") or "")) for each in rule.get("fromHeaders") or ()
    )
    params, cookies = _strings(rule.get("fromParams")), _strings(rule.get("fromCookies"))
    places: dict[str, Any] = {"headers": headers, "params": params, "cookies": cookies}
    return JwtRule(
        str(rule.get("issuer") or ""),
        _strings(rule.get("audiences")),
        _strings(rule.get("spaceDelimitedClaims")),
        forward=bool(rule.get("forwardOriginalToken")),
        **(places if any(places.values()) else {}),  # Envoy has places of its own where none is given
    )


def destination_rule(found: Resource, cluster_domain: str = "cluster.local") -> DestinationRule:
    """The typed form of a DestinationRule; a short host is one of its own namespace."""
    host = str(found.spec.get("host") or "")
    if host and "." not in host:
        host = f"{host}.{found.namespace}.svc.{cluster_domain}"
    policy = found.spec.get("trafficPolicy") or {}
    ports = {
        int(entry["port"]["number"]): ClientTls(entry["tls"]["mode"])
        for entry in policy.get("portLevelSettings") or ()
        if (entry.get("port") or {}).get("number") and (entry.get("tls") or {}).get("mode")
    }
    clients = (found.spec.get("workloadSelector") or {}).get("matchLabels") or {}
    return DestinationRule(found.namespace, found.name, host, _client_tls(policy), ports, found.location, clients)


def _client_tls(policy: Mapping[str, Any]) -> ClientTls | None:
    mode = (policy.get("tls") or {}).get("mode")
    return ClientTls(mode) if mode else None
