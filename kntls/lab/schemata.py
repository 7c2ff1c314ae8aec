"""Objects against their schemas: unknown fields dropped, types and rules checked as the API server does."""

from __future__ import annotations

from typing import Any

from kntls.lab.objects import Object
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shape


def prune(obj: Object, shape: Shape, *, custom: bool) -> list[str]:
    """Drop the fields the schema does not know, in place; returns their paths."""
    dropped: list[str] = []

    def walk(value: Any, shape: Shape, path: str) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, shape.items, f"{path}[{index}]")
        if not isinstance(value, dict) or (shape.keeps_unknown and not shape.is_struct and not shape.is_free):
            return
        if shape.is_struct and not shape.keeps_unknown:
            for key in [key for key in value if key not in shape.properties]:
                dropped.append(f"{path}.{key}".lstrip("."))
                del value[key]
        for key, child in value.items():
            walk(child, shape.field(key), f"{path}.{key}")

    walk(obj, shape, "")
    return sorted(dropped)


def check_types(obj: Object, shape: Shape, resource: Resource) -> None:
    """Raise `ApiError` if a value has the wrong type."""
