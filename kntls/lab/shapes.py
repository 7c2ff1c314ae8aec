"""The shape of each kind of object: which lists are maps, what is atomic, what strategic patches merge by.

Shapes are read from `schemas/`, recorded from a real API server's OpenAPI documents by `scripts/record_schemas.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent / "schemas"
_REF = "#/components/schemas/"


class Shape:
    """One field's schema, with its references followed; a field nobody described has an empty one."""

    def __init__(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self._own = schema
        self._definitions = definitions
        self._children: dict[str, Shape] = {}

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The schema, a reference replaced by what it refers to, the field's own extensions kept."""
        schema = self._own
        while target := schema.get("$ref") or next((s["$ref"] for s in schema.get("allOf", ()) if "$ref" in s), None):
            extensions = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            schema = {**self._definitions[target.removeprefix(_REF)], **extensions}
        return schema

    @cached_property
    def known(self) -> bool:
        """Whether the schema says anything about what the value contains."""
        return bool(self.schema.keys() & {"type", "properties", "items", "additionalProperties"})

    @cached_property
    def is_struct(self) -> bool:
        """Whether the fields are named by the schema."""
        return "properties" in self.schema

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The required properties."""
        return tuple(self.schema.get("required", ()))

    @cached_property
    def properties(self) -> Mapping[str, Any]:
        """The named fields' raw schemas."""
        fields: Mapping[str, Any] = self.schema.get("properties", {})
        return fields

    def field(self, name: str) -> Shape:
        """The shape of a field of this struct or map."""
        if name not in self._children:
            extra = self.schema.get("additionalProperties")
            schema = self.properties.get(name, extra if isinstance(extra, Mapping) else {})
            self._children[name] = Shape(schema, self._definitions)
        return self._children[name]

    @cached_property
    def items(self) -> Shape:
        """The shape of this list's elements."""
        return Shape(self.schema.get("items", {}), self._definitions)

    @cached_property
    def keeps_unknown(self) -> bool:
        """Whether unknown fields are kept (or nothing is known at all)."""
        schema = self.schema
        return not self.known or bool(schema.get("x-kubernetes-preserve-unknown-fields")) or self.is_free

    @cached_property
    def is_free(self) -> bool:
        """Whether this is an object whose keys are the user's."""
        schema = self.schema
        return schema.get("type") == "object" and "properties" not in schema

    @cached_property
    def is_atomic(self) -> bool:
        """Whether the value is owned and replaced as one."""
        schema = self.schema
        if schema.get("x-kubernetes-map-type") == "atomic" or schema.get("x-kubernetes-list-type") == "atomic":
            return True
        return schema.get("type") == "array" and "x-kubernetes-list-type" not in schema

    @cached_property
    def list_type(self) -> str:
        """`map`, `set` or `atomic`."""
        return str(self.schema.get("x-kubernetes-list-type", "atomic"))

    @cached_property
    def list_keys(self) -> tuple[str, ...]:
        """The fields that tell the elements of a map list apart."""
        return tuple(self.schema.get("x-kubernetes-list-map-keys", ()))

    @cached_property
    def merge_key(self) -> str | None:
        """The key by which a strategic merge patch joins lists; None where it replaces them."""
        strategies = str(self.schema.get("x-kubernetes-patch-strategy", "")).split(",")
        return self.schema.get("x-kubernetes-patch-merge-key", "") if "merge" in strategies else None

    @cached_property
    def retains_keys(self) -> bool:
        """Whether strategic patches name the keys to keep (`$retainKeys`)."""
        return "retainKeys" in str(self.schema.get("x-kubernetes-patch-strategy", ""))

    def default(self, field: str) -> Any:
        """The default the schema gives a field; None without one."""
        return self.properties.get(field, {}).get("default")


ANY = Shape({}, {})
"""The shape of what nobody described."""


class Shapes:
    """The shapes of all kinds of some components."""

    def __init__(self, components: Iterable[str]) -> None:
        self.definitions: dict[str, Any] = {}
        self._kinds: dict[str, str] = {}
        self._shapes: dict[str, Shape] = {}
        self._columns: dict[str, list[dict[str, Any]]] = {}
        for path in (SCHEMAS / f"{component}.json" for component in dict.fromkeys(["kubernetes", *components])):
            if path.exists():
                recorded = json.loads(path.read_text())
                self.definitions |= recorded["definitions"]
                self._kinds |= recorded["kinds"]
                self._columns |= recorded["columns"]

    def of(self, api_version: str, kind: str) -> Shape:
        """The shape of a kind; `ANY` if it was not recorded."""
        key = f"{api_version} {kind}"
        if key not in self._shapes:
            name = self._kinds.get(key)
            self._shapes[key] = Shape(self.definitions[name], self.definitions) if name else ANY
        return self._shapes[key]

    def name_of(self, api_version: str, kind: str) -> str | None:
        """The definition's name for a kind."""
        return self._kinds.get(f"{api_version} {kind}")

    def columns(self, resource: str) -> list[dict[str, Any]]:
        """The printer columns of a custom resource, by its `plural.group`."""
        return self._columns.get(resource, [])

    def add(
        self, resource: str, api_version: str, kind: str, schema: Mapping[str, Any], columns: list[dict[str, Any]]
    ) -> None:
        """Take the schema and the columns of a CustomResourceDefinition."""
        self._columns[resource] = columns
        identity = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": f"{_REF}{META}"}}
        properties = {**schema.get("properties", {}), **identity}
        name = f"{api_version.replace('/', '.')}.{kind}"
        group, _, version = api_version.rpartition("/")
        identity_of = {"group": group, "version": version, "kind": kind}
        self.definitions[name] = {
            **schema,
            "properties": properties,
            "x-kubernetes-group-version-kind": [identity_of],
        }
        self._kinds[f"{api_version} {kind}"] = name
        self._shapes.pop(f"{api_version} {kind}", None)


META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
"""The definition of `metadata`."""
