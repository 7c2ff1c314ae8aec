"""Objects against their schemas: unknown fields dropped, types and rules checked as the API server does.

Built-in types and anybody's `metadata` fail to decode (400) before anything else looks at them; custom resources are
invalid (422) with one cause a field, worded as k8s.io/apiextensions-apiserver words them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kntls.lab.answers import ApiError, Cause, bad_request, invalid
from kntls.lab.objects import Object, name_of
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shape

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
_JSON = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_GO = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object", type(None): "null"}
_TYPED = {"integer": "numeric (int or float)", "number": "numeric (int or float)", "array": "list", "object": "map"}
"""How server-side apply (sigs.k8s.io/structured-merge-diff) calls a type, where it is not as a schema does."""


def go_type(value: Any) -> str:
    """What Go's JSON decoder calls a value's type."""
    return _GO[type(value)]


def prune(obj: Object, shape: Shape) -> list[str]:
    """Drop the fields the schema does not know, in place; returns their paths."""
    dropped: list[str] = []

    def walk(value: Any, shape: Shape, path: str) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, shape.items, f"{path}[{index}]")
        if not isinstance(value, dict) or not shape.known:
            return
        if shape.is_struct and not shape.keeps_unknown:
            for key in [key for key in value if key not in shape.properties]:
                dropped.append(f"{path}.{key}".lstrip("."))
                del value[key]
        for key, child in value.items():
            walk(child, shape.field(key), f"{path}.{key}")

    walk(obj, shape, "")
    return sorted(dropped)


def _fits(value: Any, shape: Shape) -> bool:
    wanted = str(shape.schema.get("type"))
    if wanted not in _TYPES or shape.schema.get("x-kubernetes-int-or-string") or shape.schema.get("oneOf"):
        return True
    if shape.schema.get("format") in ("int-or-string", "quantity"):
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _TYPES[wanted])


def check_types(obj: Mapping[str, Any], shape: Shape, resource: Resource) -> None:
    """Raise `ApiError` 400 if a value is not of its field's type; of custom resources `metadata` alone counts."""
    wrong = _first_misfit(obj, shape, resource)
    if wrong is not None:
        raise _undecodable(resource, *wrong)


def _first_misfit(obj: Mapping[str, Any], shape: Shape, resource: Resource) -> Misfit | None:
    known = {name: obj[name] for name in ("metadata",) if name in obj} if resource.custom else dict(obj)
    return next(_misfits(known, shape, ()), None)


def check_typed(obj: Mapping[str, Any], shape: Shape, resource: Resource, what: str) -> None:
    """The same for a server-side apply, which fails with 500; `what` names the object and its type."""
    wrong = _first_misfit(obj, shape, resource)
    if wrong is not None:
        value, field, path = wrong
        wanted = str(field.schema.get("type"))
        found = f"&{{{json.dumps(value) if not isinstance(value, str) else value}}}"
        why = f".{'.'.join(path)}: expected {_TYPED.get(wanted, wanted)}, got {found}"
        raise ApiError(500, "", f"failed to create typed patch object ({what}): {why}")


def check(obj: Object, shape: Shape, resource: Resource) -> None:
    """Raise `ApiError` 422 if a custom resource breaks its schema."""
    if not resource.custom:
        return
    causes = list(_violations({key: value for key, value in obj.items() if key != "metadata"}, shape, ""))
    if causes:
        raise invalid(resource, name_of(obj), causes)


Misfit = tuple[Any, Shape, tuple[str, ...]]
"""A value of the wrong type, the shape it should have, and its path."""


def _misfits(value: Any, shape: Shape, path: tuple[str, ...]) -> Iterator[Misfit]:
    """Values of the wrong type; null fits everywhere but in a list."""
    if value is None:
        return
    if not _fits(value, shape):
        yield value, shape, path
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _misfits(child, shape.field(key), (*path, key))
    elif isinstance(value, list):
        for item in value:
            if item is None and shape.items.known:
                yield item, shape.items, path
            yield from _misfits(item, shape.items, path)


def _undecodable(resource: Resource, value: Any, shape: Shape, path: tuple[str, ...]) -> ApiError:
    kind = resource.kind
    wanted = str(shape.schema.get("type"))
    go = {"integer": str(shape.schema.get("format", "int")), "boolean": "bool", "number": "float64"}.get(wanted, wanted)
    field = ".".join(path[: -1 if shape.schema.get("type") == "string" and len(path) == 2 else None]) or path[0]
    return bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: json: cannot unmarshal '
        f"{go_type(value)} into Go struct field {kind}.{field} of type {go}"
    )


def _violations(value: Any, shape: Shape, path: str) -> Iterator[Cause]:
    """What a custom resource's schema objects to."""
    where = path.lstrip(".")
    if value is None and shape.schema.get("nullable"):
        return
    if not _fits(value, shape):
        wanted, found = shape.schema["type"], _JSON.get(type(value), "null")
        message = f'Invalid value: "{found}": {where} in body must be of type {wanted}: "{found}"'
        yield Cause("FieldValueTypeInvalid", message, where)
        return
    yield from _limits(value, shape, where)
    if isinstance(value, dict):
        for name in shape.required:
            if name not in value:
                yield Cause("FieldValueRequired", "Required value", f"{path}.{name}".lstrip("."))
        for key, child in value.items():
            if not (path == "" and key in ("apiVersion", "kind")):
                yield from _violations(child, shape.field(key), f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(item, shape.items, f"{path}[{index}]")


def _limits(value: Any, shape: Shape, where: str) -> Iterator[Cause]:
    schema = shape.schema
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(json.dumps(entry) for entry in schema["enum"])
        yield Cause(
            "FieldValueNotSupported", f"Unsupported value: {json.dumps(value)}: supported values: {known}", where
        )
    if isinstance(value, str):
        yield from _text_limits(value, schema, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for bound, word, broken in (("minimum", "greater", value.__lt__), ("maximum", "less", value.__gt__)):
            if bound in schema and broken(schema[bound]) is True:
                what = f"{where} in body should be {word} than or equal to {schema[bound]}"
                yield Cause("FieldValueInvalid", f"Invalid value: {value}: {what}", where)
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        what = f"{where} in body should have at least {schema['minItems']} items"
        yield Cause("FieldValueInvalid", f"Invalid value: {len(value)}: {what}", where)


def _text_limits(value: str, schema: Any, where: str) -> Iterator[Cause]:
    if len(value) < schema.get("minLength", 0):
        what = f"{where} in body should be at least {schema['minLength']} chars long"
        yield Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {what}", where)
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        what = f"may not be more than {schema['maxLength']} bytes"
        yield Cause("FieldValueTooLong", f"Too long: {what}", where)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        what = f"{where} in body should match '{schema['pattern']}'"
        yield Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {what}", where)
