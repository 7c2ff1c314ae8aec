"""OpenAPI v3 documents: enough for kubectl to explain, to patch and to leave validation to the server."""

from __future__ import annotations

from typing import Any

from kntls.lab.answers import no_such_path
from kntls.lab.api.discovery import VERSION
from kntls.lab.api.messages import JSON, PATCHES, Request, Response
from kntls.lab.resources import Registry, Resource
from kntls.lab.shapes import Shapes

_REF = "#/components/schemas/"


def answer(registry: Registry, shapes: Shapes, request: Request) -> Response | None:
    """The answer to an OpenAPI path; None for other paths. Raises `ApiError` 404 for unknown groups."""
    if not request.path.startswith("/openapi/v3"):
        return None
    group_version = request.path.removeprefix("/openapi/v3").strip("/")
    if not group_version:
        paths = {_document_path(r): {"serverRelativeURL": f"/openapi/v3/{_document_path(r)}"} for r in registry}
        return Response({"paths": paths})
    found = [resource for resource in registry if _document_path(resource) == group_version]
    if not found:
        raise no_such_path()
    return Response(_document(found, shapes))


def _document_path(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _document(resources: list[Resource], shapes: Shapes) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for resource in resources:
        name = shapes.name_of(resource.api_version, resource.kind)
        if name is not None:
            _closure(name, shapes, schemas)
    paths = dict(path for resource in resources for path in _paths(resource, shapes))
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _closure(name: str, shapes: Shapes, found: dict[str, Any]) -> None:
    if name in found:
        return
    found[name] = shapes.definitions[name]
    for other in _references(found[name]):
        _closure(other, shapes, found)


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].removeprefix(_REF)} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(_references, node.values()))


_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def _paths(resource: Resource, shapes: Shapes) -> list[tuple[str, Any]]:
    """The collection's and the object's path, with the operations kubectl looks for."""
    name = shapes.name_of(resource.api_version, resource.kind)
    content = {"schema": {"$ref": f"{_REF}{name}"} if name else {"type": "object"}}
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}

    def operation(action: str, types: tuple[str, ...]) -> dict[str, Any]:
        body = {"requestBody": {"content": dict.fromkeys(types, content)}} if types else {}
        return {
            "parameters": _PARAMETERS,
            **body,
            "responses": {"200": {"description": "OK", "content": {JSON: content}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        }

    prefix = f"/{_document_path(resource)}" + ("/namespaces/{namespace}" if resource.namespaced else "")
    patches = tuple(PATCHES) if not resource.custom else tuple(t for t in PATCHES if "strategic" not in t)
    one = {"get": operation("get", ()), "put": operation("put", (JSON,)), "patch": operation("patch", patches)}
    every = {"get": operation("list", ()), "post": operation("post", (JSON,))}
    return [(f"{prefix}/{resource.plural}", every), (f"{prefix}/{resource.plural}/{{name}}", one)]
