"""What Istio's webhook rejects: the field and the reason.

Source: istio `pkg/config/validation/validation.go` (ValidateAuthorizationPolicy, ValidatePeerAuthentication,
ValidateRequestAuthentication), `pkg/config/security/security.go`, and the CEL rules of `crd-all.gen.yaml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from kntls.mesh import schema
from kntls.mesh.authz.matchers import BY_FIELD, Family, family_of
from kntls.mesh.authz.parse import DRY_RUN, FALSE, TRUE
from kntls.mesh.resources import Resource

Problem = tuple[str, str]
"""Field path and reason."""

_MOST_RULES = 512
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"\+?(?:{_NUMBER})+")
_MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_BAD_AUTHORITY = re.compile(r"[\s<>\"{}|\\^`]")
_HEADER = re.compile(r"[-_A-Za-z0-9]+")
_TARGETS = frozenset(
    {
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    }
)
_GONE = {
    "destination.namespace": "is replaced by the metadata.namespace",
    "destination.name": "is deprecated: only supported in v1alpha1",
    "destination.user": "is deprecated: only supported in v1alpha1",
}


def check(found: Resource) -> None:
    """Raise `InputError` for the first thing Istio would reject about this object."""
    for path, reason in problems(found):
        raise found.error(path, reason)


def problems(found: Resource) -> Iterator[Problem]:
    """Everything Istio would reject about this object (of a kind it validates here), in the order of its fields."""
    judge = _JUDGES.get(found.kind)
    if judge is not None:
        yield from _dry_run(found)
        yield from judge(found.spec)


def _dry_run(found: Resource) -> Iterator[Problem]:
    """The annotation is for ALLOW and DENY policies, and a boolean as Go reads them (checkDryRunAnnotation)."""
    value = found.annotations.get(DRY_RUN)
    if value is None:
        return
    path, action = f"metadata.annotations[{DRY_RUN}]", found.spec.get("action") or "ALLOW"
    if found.kind != "AuthorizationPolicy":
        yield path, f"is not supported on a {found.kind}"
    elif action not in ("ALLOW", "DENY"):
        yield path, f"only supports the actions ALLOW and DENY, not {action}"
    elif value not in TRUE | FALSE:
        yield path, f"{value!r} is not a boolean"


def _authorization_policy(spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _attachment(spec)
    action, rules = spec.get("action") or "ALLOW", spec.get("rules")
    if not rules and action in ("DENY", "CUSTOM"):
        yield "spec.rules", f"{action} without rules never triggers; an empty rule {{}} matches every request"
    provider = (spec.get("provider") or {}).get("name")
    if action == "CUSTOM" and rules and not provider:
        yield "spec.provider.name", "must not be empty with CUSTOM"
    if spec.get("provider") is not None and action != "CUSTOM":
        yield "spec.provider", f"must not be set with {action}"
    if len(rules or ()) > _MOST_RULES:
        yield "spec.rules", f"more than {_MOST_RULES} rules"
    for index, rule in enumerate(rules or ()):
        yield from _rule(rule, f"spec.rules[{index}]", action)


def _attachment(spec: Mapping[str, Any]) -> Iterator[Problem]:
    given = [key for key in ("selector", "targetRef", "targetRefs") if spec.get(key) is not None]
    if len(given) > 1:
        yield f"spec.{given[1]}", f"only one of {' and '.join(given)} may be set"
    yield from _selector(spec)
    single = [("spec.targetRef", spec["targetRef"])] if spec.get("targetRef") else []
    many = [(f"spec.targetRefs[{index}]", ref) for index, ref in enumerate(spec.get("targetRefs") or ())]
    for path, ref in (*single, *many):
        yield from _target(ref, path)


def _selector(spec: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in ((spec.get("selector") or {}).get("matchLabels") or {}).items():
        path = f"spec.selector.matchLabels[{key}]"
        if not key:
            yield path, "an empty key is not supported"
        if "*" in str(key) or "*" in str(value):
            yield path, f"a wildcard is not supported in a selector: {value!r}"


def _target(ref: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if not ref.get("name"):
        yield f"{path}.name", "must be set"
    if ref.get("namespace"):
        yield f"{path}.namespace", "must not be set: a reference to another namespace is not supported"
    if (ref.get("group") or "", ref.get("kind") or "") not in _TARGETS:
        kind = f"{ref.get('group') or 'core'}/{ref.get('kind') or ''}"
        yield path, f"must be a Service, ServiceEntry, Gateway or GatewayClass, not {kind}"


def _rule(rule: Any, path: str, action: str) -> Iterator[Problem]:
    for name, inner, fields in (
        ("from", "source", schema.SOURCE_FIELDS),
        ("to", "operation", schema.OPERATION_FIELDS),
    ):
        # an empty list is lost on the way to istiod's webhook, which so takes it for an absent one
        for index, entry in enumerate(rule.get(name) or ()):
            here = f"{path}.{name}[{index}].{inner}"
            if entry.get(inner) is None:
                yield here, "must be set"
                continue
            yield from _selection(entry[inner], fields, here, action)
    for index, condition in enumerate(rule.get("when") or ()):
        yield from _condition(condition, f"{path}.when[{index}]", action)


def _selection(given: Mapping[str, Any], fields: tuple[str, ...], path: str, action: str) -> Iterator[Problem]:
    if not any(given.get(key) for key in given):
        yield path, "must not be empty"
    by_account = any(given.get(key) for key in ("serviceAccounts", "notServiceAccounts"))
    clashing = [key for key in ("principals", "notPrincipals", "namespaces", "notNamespaces") if given.get(key)]
    if by_account and clashing:
        yield f"{path}.serviceAccounts", f"cannot be set together with {clashing[0]}"
    for field in fields:
        for key in (field, schema.negated(field)):
            yield from _values(BY_FIELD[field], given.get(key) or (), f"{path}.{key}", key, action)


def _values(family: Family, values: Any, path: str, label: str, action: str) -> Iterator[Problem]:
    if not values:
        return
    if action == "CUSTOM" and not family.custom:
        yield path, "is not supported with CUSTOM"
    if "" in values:
        yield path, "an empty value is not allowed"
    for reason in family.check(label, tuple(value for value in values if value)):
        yield path, reason


def _condition(condition: Mapping[str, Any], path: str, action: str) -> Iterator[Problem]:
    key = condition.get("key") or ""
    if not key:
        yield f"{path}.key", "must not be empty"
        return
    family = family_of(key)
    if reason := _GONE.get(key) or ("is replaced by the workload selector" if _is_label(key) else ""):
        yield f"{path}.key", f"{key} {reason}"
    elif family is None or not (family.keyed):
        yield f"{path}.key", f"unknown attribute: {key}"
    elif not condition.get("values") and not condition.get("notValues"):
        yield path, f"at least one of values or notValues must be set for {key}"
    else:
        for name in ("values", "notValues"):
            yield from _values(family, condition.get(name) or (), f"{path}.{name}", f"when {key}", action)


def _is_label(key: str) -> bool:
    return key.startswith("destination.labels")


def _peer_authentication(spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _selector(spec)
    ports = spec.get("portLevelMtls")
    if ports is not None and not ports:
        yield "spec.portLevelMtls", "must have at least one element"
    if ports and not (spec.get("selector") or {}).get("matchLabels"):
        yield "spec.portLevelMtls", "needs a selector: a mesh or namespace policy cannot have port level mTLS"
    for port in ports or ():
        if not str(port).isdigit() or not 1 <= int(port) <= 65535:
            yield f"spec.portLevelMtls[{port}]", "a port must be in range 1..65535"


def _request_authentication(spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _attachment(spec)
    for index, rule in enumerate(spec.get("jwtRules") or ()):
        yield from _jwt_rule(rule, f"spec.jwtRules[{index}]")


def _jwt_rule(rule: Mapping[str, Any], path: str) -> Iterator[Problem]:
    uri = rule.get("jwksUri") or rule.get("jwks_uri") or ""
    if not rule.get("issuer") and not uri:
        yield f"{path}.issuer", "issuer or jwksUri must be set"
    if reason := uri and _uri_problem(uri):
        yield f"{path}.jwksUri", reason
    if rule.get("jwks") and uri:
        yield f"{path}.jwks", "only one of jwks and jwksUri may be set"
    elif rule.get("jwks") and not _is_key_set(rule["jwks"]):
        yield f"{path}.jwks", "is no JSON Web Key Set"
    if "" in (rule.get("audiences") or ()):
        yield f"{path}.audiences", "an audience must not be empty"
    for index, header in enumerate(rule.get("fromHeaders") or ()):
        if not header.get("name"):
            yield f"{path}.fromHeaders[{index}].name", "must not be empty"
    if reason := _timeout_problem(rule.get("timeout")):
        yield f"{path}.timeout", reason
    for name in ("fromParams", "fromCookies", "spaceDelimitedClaims"):
        if "" in (rule.get(name) or ()):
            yield f"{path}.{name}", "must not hold an empty name"
    for index, copied in enumerate(rule.get("outputClaimToHeaders") or ()):
        if not copied.get("header") or not copied.get("claim"):
            yield f"{path}.outputClaimToHeaders[{index}]", "header and claim must be set"
        elif not _HEADER.fullmatch(copied["header"]):
            yield f"{path}.outputClaimToHeaders[{index}].header", f"{copied['header']!r} is not a header name"


def _uri_problem(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri!r} is no URL"
    if parts.scheme not in ("http", "https"):
        return f"the scheme of {uri!r} is not supported: use http or https"
    return f"{uri!r} is no URL" if _BAD_ESCAPE.search(uri) or _BAD_AUTHORITY.search(parts.netloc) else ""


def _is_key_set(text: str) -> bool:
    """Whether it is JSON with `keys`, or one key."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and (isinstance(found.get("keys"), list) or "kty" in found)


def _timeout_problem(text: str | None) -> str:
    if text is None:
        return ""
    if not _DURATION.fullmatch(text):
        return f"{text!r} is not a duration: write it like 5s or 500ms"
    total = sum(float(number) * _MILLISECONDS[unit] for number, unit in re.findall(_NUMBER, text))
    return "" if total >= 1 else f"{text!r} is too short: at least 1ms"


_JUDGES = {
    "AuthorizationPolicy": _authorization_policy,
    "PeerAuthentication": _peer_authentication,
    "RequestAuthentication": _request_authentication,
}
