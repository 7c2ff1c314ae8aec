"""Requests and responses, and what a request's path and body stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Any

from kntls.lab import schemata
from kntls.lab.answers import ApiError, bad_request, check_name, no_such_path, unsupported_media
from kntls.lab.api import protobuf
from kntls.lab.objects import Object
from kntls.lab.resources import Registry, Resource

JSON = "application/json"
PATCHES: Mapping[str, str] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
"""Content type of a patch → its kind."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def param(self, name: str, default: str = "") -> str:
        """A query parameter's value."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        """Whether a boolean query parameter is on."""
        return self.param(name) in ("true", "1", "True")

    @property
    def content_type(self) -> str:
        """The body's media type without its parameters."""
        return self.headers.get("content-type", JSON).partition(";")[0].strip()

    @property
    def manager(self) -> str:
        """The field manager: the parameter, or the program's name from User-Agent."""
        return self.param("fieldManager") or self.headers.get("user-agent", "unknown").partition("/")[0][:128]


@dataclass
class Response:
    """One HTTP response."""

    body: Any = None
    """An object for JSON, text, or None."""
    code: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterator[bytes] | None = None
    """The body in pieces, sent as they come."""
    takeover: Callable[[BufferedIOBase, BufferedIOBase], None] | None = None
    """Speaks another protocol on the connection after the headers (101)."""

    def payload(self) -> bytes:
        """The body as bytes."""
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Target:
    """What a path names, and what is asked of it."""

    verb: str
    """RBAC's verb: get, list, watch, create, update, patch, delete, deletecollection."""
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


def target(registry: Registry, request: Request) -> Target | None:
    """What a resource path names; None for other paths and unknown groups. Raises `ApiError` 404 for unknown types."""
    parts = request.path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    resource = registry.by_path(group, version, rest[0])
    if resource is None and not any(known.group == group for known in registry):
        return None
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_path()
    name, subresource = (rest[1] if len(rest) > 1 else ""), "/".join(rest[2:])
    return Target(_verb(request, name), resource, namespace, name, subresource)


def _verb(request: Request, name: str) -> str:
    verb = _VERBS.get(request.method, request.method.lower())
    if verb == "get" and request.flag("watch"):
        return "watch"
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)


def decode(request: Request) -> Any:
    """The body as plain JSON values; raises `ApiError` 400 or 415."""
    if not request.body:
        return {}
    if request.body.startswith(protobuf.MAGIC):
        return protobuf.decode(request.body)
    kind = request.content_type
    if kind == protobuf.MEDIA_TYPE:
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    if kind not in (JSON, "application/yaml", "*/*", *PATCHES):
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    try:
        return json.loads(request.body)
    except ValueError as error:
        if "yaml" not in kind:
            raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return _yaml(request.body)


def _yaml(body: bytes) -> Any:
    import yaml

    try:
        return yaml.load(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def decode_object(request: Request, where: Target) -> Object:
    """The body as an object of the path's type; raises `ApiError` 400 if it is another or names another."""
    obj = decode(request)
    if not isinstance(obj, dict):
        raise bad_request("the object provided is unrecognized (must be of type object)")
    obj = {"apiVersion": where.resource.api_version, "kind": where.resource.kind, **obj}
    _check_kind(obj, where)
    metadata = obj["metadata"] = _mapping(obj.get("metadata") or {}, f"{where.resource.kind}.metadata")
    if where.namespace and metadata.setdefault("namespace", where.namespace) != where.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if where.verb == "update" and where.name:
        check_name(obj, where.name)
    return obj


def _mapping(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(
            f"json: cannot unmarshal {schemata.go_type(value)} into Go struct field {field} of type object"
        )
    return dict(value)


def _check_kind(obj: Object, where: Target) -> None:
    resource = where.resource
    for name in ("apiVersion", "kind"):
        if not isinstance(obj[name], str):
            what = f"json: cannot unmarshal {schemata.go_type(obj[name])} into Go struct field .{name} of type string"
            raise bad_request(f"couldn't get version/kind; json parse error: {what}")
    stated = (obj["apiVersion"], obj["kind"])
    if where.subresource in ("", "status") and stated != (resource.api_version, resource.kind):
        if resource.custom:
            what = f"the API version in the data ({stated[0]}) does not match the expected API version"
            raise bad_request(f"{what} ({resource.api_version})")
        version = stated[0].rpartition("/")[2]
        internal = resource.group.partition(".")[0] or "core"
        raise bad_request(
            f"{stated[1]} in version {quoted(version)} cannot be handled as a {resource.kind}: "
            f"converting ({version}.{stated[1]}) to ({internal}.{resource.kind}): unknown conversion"
        )


def quoted(text: str) -> str:
    """Text in double quotes, as Go's %q writes it."""
    return json.dumps(text, ensure_ascii=False)


def failure(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as a response."""
    return Response(error.body(), error.code, headers=dict(headers or {}))
