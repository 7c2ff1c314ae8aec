"""What the API server fills in: defaults of built-in types, Secret `stringData`, CRD schema defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kntls.lab.objects import Object
from kntls.lab.resources import Registry, Resource
from kntls.lab.shapes import Shape, Shapes


def fill(resource: Resource, new: Object, old: Object | None, shape: Shape) -> None:
    """Fill in the defaults of an object on its way to the store."""


def serve_definition(registry: Registry, shapes: Shapes, crd: Mapping[str, Any], *, gone: bool) -> None:
    """Serve, or stop serving, what a CustomResourceDefinition defines."""
