"""Envoy's dynamic metadata: token claims, and what other filters left there.

Source: istio `matcher/metadata.go`, `model/util.go`, `generator.go` (requestPrincipal, audiences, presenter, claims,
envoyFilter); envoy `source/common/common/matchers.cc` (ValueMatcher: a string matcher matches strings only).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kntls.mesh.authz.matchers.family import Family, Site, Unusable, no_problem
from kntls.mesh.authz.matchers.header import check_map_key
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import All, Either, Node, Side
from kntls.mesh.authz.strings import ANY_TEXT, StringMatch, string_match

JWT_FILTER, JWT_PAYLOAD = "envoy.filters.http.jwt_authn", "payload"


class Value(Protocol):
    """Envoy's ValueMatcher."""

    def render(self) -> dict[str, Any]:
        """Envoy's JSON."""

    def matches(self, value: Any) -> bool:
        """Whether a metadata value matches."""


@dataclass(frozen=True)
class Text:
    """A string value."""

    match: StringMatch

    def render(self) -> dict[str, Any]:
        """`stringMatch`."""
        return {"stringMatch": self.match.render()}

    def matches(self, value: Any) -> bool:
        """Whether it is a string that matches."""
        return isinstance(value, str) and self.match.matches(value)


@dataclass(frozen=True)
class OneOf:
    """A list with an element that matches."""

    item: Value

    def render(self) -> dict[str, Any]:
        """`listMatch.oneOf`."""
        return {"listMatch": {"oneOf": self.item.render()}}

    def matches(self, value: Any) -> bool:
        """Whether it is such a list."""
        return isinstance(value, list) and any(self.item.matches(item) for item in value)


@dataclass(frozen=True)
class AnyValue:
    """One of several matchers."""

    parts: tuple[Value, ...]

    def render(self) -> dict[str, Any]:
        """`orMatch`."""
        return {"orMatch": {"valueMatchers": [part.render() for part in self.parts]}}

    def matches(self, value: Any) -> bool:
        """Whether any matches."""
        return any(part.matches(value) for part in self.parts)


def _any_value(parts: tuple[Value, ...]) -> Value:
    return parts[0] if len(parts) == 1 else AnyValue(parts)


@dataclass(frozen=True)
class Metadata:
    """A value at a path of one filter's metadata."""

    filter: str
    path: tuple[str, ...]
    value: Value

    def render(self, side: Side) -> dict[str, Any]:
        """A MetadataMatcher."""
        path = [{"key": key} for key in self.path]
        return {"metadata": {"filter": self.filter, "path": path, "value": self.value.render()}}

    def matches(self, request: Request) -> bool:
        """Whether the value is there and matches."""
        found: Any = request.metadata.get(self.filter)
        for key in self.path:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return self.value.matches(found)


def _claim(claim: tuple[str, ...], value: Value) -> Metadata:
    return Metadata(JWT_FILTER, (JWT_PAYLOAD, *claim), value)


def _claim_in(claim: tuple[str, ...], values: tuple[str, ...]) -> Metadata:
    """A claim that is one of the values, or a list that holds one."""
    value = _any_value(tuple(Text(string_match(item)) for item in values))
    return _claim(claim, AnyValue((OneOf(value), value)))


def _request_principals(site: Site, values: tuple[str, ...]) -> Node:
    nodes: tuple[Node, ...] = tuple(_issuer_and_subject(value) for value in values)
    return nodes[0] if len(nodes) == 1 else Either(nodes)


def _issuer_and_subject(value: str) -> Node:
    """`ISSUER/SUBJECT`, split at the last `/` since an issuer may be a URL."""
    issuer, subject = _split_principal(value)
    return All((_claim(("iss",), Text(issuer)), _claim(("sub",), Text(subject))))


def _split_principal(value: str) -> tuple[StringMatch, StringMatch]:
    head, slash, tail = value.rpartition("/")
    issuer, subject = (head, tail) if slash else (value, "")
    if value == "*":
        return ANY_TEXT, ANY_TEXT
    if value.startswith("*"):
        if not slash:
            return ANY_TEXT, StringMatch("suffix", value[1:])
        return (ANY_TEXT if issuer == "*" else StringMatch("suffix", issuer[1:])), StringMatch("exact", subject)
    if value.endswith("*"):
        if not slash:
            return StringMatch("prefix", value[:-1]), ANY_TEXT
        tail_match = ANY_TEXT if subject == "*" else StringMatch("prefix", subject[:-1])
        return StringMatch("exact", issuer), tail_match
    return StringMatch("exact", issuer), StringMatch("exact", subject)


def _fixed_claim(name: str) -> Callable[[Site, tuple[str, ...]], Node]:
    def build(site: Site, values: tuple[str, ...]) -> Node:
        return _claim_in((name,), values)

    return build


def _named_claim(site: Site, values: tuple[str, ...]) -> Node:
    return _claim_in(claim_path(site.key.removeprefix("request.auth.claims")), values)


def claim_path(brackets: str) -> tuple[str, ...]:
    """`[a][b]` as (a, b); brackets that do not pair off are one name (istio `extractNameInNestedBrackets`)."""
    if not (brackets.startswith("[") and brackets.endswith("]")):
        raise Unusable(f"expecting format [<NAME>], but found {brackets}")
    names = brackets[1:-1].split("][")
    return (brackets[1:-1],) if any("[" in name or "]" in name for name in names) else tuple(names)


def _filter_metadata(site: Site, values: tuple[str, ...]) -> Node:
    """`experimental.envoy.filters.NAME[KEY]`; a value in brackets is looked for in a list."""
    name, bracket, key = site.key.removeprefix("experimental.").removesuffix("]").partition("[")
    if not bracket:
        raise Unusable(f"invalid key: {site.key}")
    return Metadata(name, (key,), _any_value(tuple(_listed(value) for value in values)))


def _listed(value: str) -> Value:
    if value.startswith("[") and value.endswith("]"):
        return OneOf(Text(string_match(value.strip("[]"))))
    return Text(string_match(value))


def _token(attribute: str, build: Callable[[Site, tuple[str, ...]], Node], field: str = "") -> Family:
    check = check_map_key if attribute.endswith("[") else no_problem
    return Family(attribute, Side.PRINCIPAL, build_all=build, field=field, http_only=True, custom=False, check=check)


REQUEST_PRINCIPAL = _token("request.auth.principal", _request_principals, "requestPrincipals")
AUDIENCES = _token("request.auth.audiences", _fixed_claim("aud"))
PRESENTER = _token("request.auth.presenter", _fixed_claim("azp"))
CLAIMS = _token("request.auth.claims[", _named_claim)
FILTER_METADATA = Family(
    "experimental.envoy.filters.", Side.PERMISSION, build_all=_filter_metadata, check=check_map_key
)
