"""The URL path, without query and fragment: as a string, or as a template with `{*}` and `{**}`.

Source: istio `matcher/template.go`, `matcher/header.go` PathMatcher, `security.go` CheckValidPathTemplate;
envoy `source/extensions/path/uri_template_lib` for what a template's operators take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kntls.mesh.authz.matchers.family import Family, Site
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import Side
from kntls.mesh.authz.strings import StringMatch, string_match

ONE, REST = "{*}", "{**}"
_PCHAR = "a-zA-Z0-9-._~%!$&'()+,;:@="
_LITERAL = re.compile(f"[{_PCHAR}]+")
_TEMPLATE_TYPE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def path_only(path: str) -> str:
    """The path without query and fragment, as Envoy's `PathUtil::removeQueryAndFragment` cuts it."""
    return path.partition("?")[0].partition("#")[0]


@dataclass(frozen=True)
class UrlPath:
    """The path as a string."""

    value: StringMatch

    def render(self, side: Side) -> dict[str, Any]:
        """`urlPath`."""
        return {"urlPath": {"path": self.value.render()}}

    def matches(self, request: Request) -> bool:
        """Whether the path matches; a connection that is no HTTP has none."""
        return not request.tcp and self.value.matches(path_only(request.path))


@dataclass(frozen=True)
class UriTemplate:
    """The path by an Envoy URI template: `*` is one segment that is not empty, `**` anything."""

    template: str
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = re.split(r"(\*\*|\*)", self.template)
        glob = {"*": f"[{_PCHAR}*]+", "**": f"[{_PCHAR}*/]*"}
        pattern = "".join(glob.get(part) or re.escape(part) for part in parts)
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def render(self, side: Side) -> dict[str, Any]:
        """`uriTemplate`, an extension."""
        config = {"@type": _TEMPLATE_TYPE, "pathTemplate": self.template}
        return {"uriTemplate": {"name": "uri-template", "typedConfig": config}}

    def matches(self, request: Request) -> bool:
        """Whether the path fits the template."""
        return not request.tcp and self._pattern.fullmatch(path_only(request.path)) is not None


def _path(site: Site, value: str) -> UrlPath | UriTemplate:
    if ONE in value or REST in value:
        return UriTemplate(value.replace(REST, "**").replace(ONE, "*"))
    return UrlPath(string_match(value))


def _check(label: str, values: tuple[str, ...]) -> Iterator[str]:
    for value in values:
        if problem := _template_problem(value):
            yield f"unsupported path {value!r}: {problem}"


def _template_problem(value: str) -> str:
    template, ended = ONE in value or REST in value, False
    for segment in value.strip("/").split("/"):
        if segment in (ONE, REST):
            if ended:
                return "{**} is not the last operator"
            ended = segment == REST
        elif "{" in segment or "}" in segment:
            return "'{' or '}' beyond a path template"
        elif template and not _LITERAL.fullmatch(segment):
            return f"segment {segment!r} is no valid literal"
    return ""


PATHS = Family("path", Side.PERMISSION, _path, field="paths", keyed=False, http_only=True, check=_check)
