"""HTTP headers: Host, method, and any header a `when` names.

Source: istio `matcher/header.go` (hosts ignore case, nothing strips a port from `:authority`), `generator.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kntls.mesh.authz.matchers.family import Family, Site, Unusable
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import Side
from kntls.mesh.authz.strings import StringMatch, string_match

AUTHORITY, METHOD = ":authority", ":method"


@dataclass(frozen=True)
class Header:
    """A header that must be there, and match unless `value` is None."""

    name: str
    value: StringMatch | None

    def render(self, side: Side) -> dict[str, Any]:
        """A HeaderMatcher."""
        match = {"presentMatch": True} if self.value is None else {"stringMatch": self.value.render()}
        return {"header": {"name": self.name, **match}}

    def matches(self, request: Request) -> bool:
        """Whether the header is there and matches; a missing header matches nothing."""
        found = _read(request, self.name)
        return found is not None and (self.value is None or self.value.matches(found))


def _read(request: Request, name: str) -> str | None:
    if request.tcp:
        return None
    name = name.lower()
    if name in (AUTHORITY, "host"):  # Envoy keeps one for the other
        return request.authority
    if name in (METHOD, ":path"):
        return request.method if name == METHOD else request.path
    return request.headers.get(name)


def _header(name: str, value: str, *, ignore_case: bool = False) -> Header:
    return Header(name, None if value == "*" else string_match(value, ignore_case=ignore_case))


def _host(site: Site, value: str) -> Header:
    return _header(AUTHORITY, value, ignore_case=True)


def _method(site: Site, value: str) -> Header:
    return _header(METHOD, value)


def _named(site: Site, value: str) -> Header:
    rest = site.key.removeprefix("request.headers")
    if not (rest.startswith("[") and rest.endswith("]")):
        raise Unusable(f"expecting format [<NAME>], but found {rest}")
    return _header(rest[1:-1], value)


def check_map_key(label: str, values: tuple[str, ...]) -> Iterator[str]:
    """A key of the form `a[b]` (istio `security.go` validateMapKey); behind the label's first word."""
    key = label.partition(" ")[2]
    opened = key.find("[")
    if not (key.endswith("]") and 0 < opened < len(key) - 2):
        yield f"bad key ({key}): should have format a[b]"


HOST = Family("host", Side.PERMISSION, _host, field="hosts", keyed=False, http_only=True)
METHODS = Family("method", Side.PERMISSION, _method, field="methods", keyed=False, http_only=True)
HEADER = Family("request.headers[", Side.PRINCIPAL, _named, http_only=True, check=check_map_key)
