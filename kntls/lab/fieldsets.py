"""Sets of field paths, and how an object's fields are compared: what `metadata.managedFields` is made of.

The rules are those of sigs.k8s.io/structured-merge-diff (fieldpath, typed): a path's elements are fields (`f:`), map
list items by key (`k:`) and set members (`v:`); atomic values are one path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kntls.lab.shapes import Shape

Path = tuple[str, ...]
"""A path: its elements in FieldsV1's spelling, `f:data`, `k:{"name":"app"}`, `v:"x"`."""

Fields = frozenset[Path]
"""The members of a field set."""

NONE: Fields = frozenset()


@dataclass(frozen=True)
class Comparison:
    """How one object differs from another."""

    added: Fields
    modified: Fields
    removed: Fields

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not (self.added or self.modified or self.removed)


def compact(value: Any) -> str:
    """JSON as FieldsV1 writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def item_key(item: Any, shape: Shape) -> str:
    """The path element of one element of a map list; keys absent from the element take the schema's default."""
    source = item if isinstance(item, Mapping) else {}
    defaults = ((key, source.get(key, shape.items.default(key))) for key in shape.list_keys)
    return "k:" + compact({key: value for key, value in sorted(defaults) if value is not None})


def children(value: Any, shape: Shape) -> dict[str, tuple[Any, Shape]] | None:
    """The path elements below a value with the value and shape of each; None for a leaf."""
    if isinstance(value, Mapping) and not shape.is_atomic:
        return {f"f:{key}": (child, shape.field(key)) for key, child in value.items()}
    if isinstance(value, list) and shape.list_type == "map":
        return {item_key(item, shape): (item, shape.items) for item in value}
    if isinstance(value, list) and shape.list_type == "set":
        return {f"v:{compact(item)}": (item, shape.items) for item in value}
    return None


def members(value: Any, shape: Shape, path: Path = ()) -> Iterator[Path]:
    """The paths an applied configuration owns: its leaves, empty containers and list items."""
    below = children(value, shape)
    if path and (not below or path[-1][0] in "kv"):
        yield path
    for element, (child, child_shape) in (below or {}).items():
        yield from members(child, child_shape, (*path, element))


def every(value: Any, shape: Shape, path: Path) -> Iterator[Path]:
    """All paths of a value, its containers included."""
    yield path
    for element, (child, child_shape) in (children(value, shape) or {}).items():
        yield from every(child, child_shape, (*path, element))


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    """What changed between two objects."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()

    def walk(before: Any, after: Any, shape: Shape, path: Path) -> None:
        if before is after:
            return
        then, now = children(before, shape), children(after, shape)
        if (then is None and before is not None) or (now is None and after is not None):
            if before != after:
                modified.add(path)
            return
        then, now = then or {}, now or {}
        for element in then.keys() - now.keys():
            removed.update(every(*then[element], (*path, element)))
        for element, (child, child_shape) in now.items():
            if element in then:
                walk(then[element][0], child, child_shape, (*path, element))
            else:
                added.update(every(child, child_shape, (*path, element)))

    walk(old, new, shape, ())
    return Comparison(frozenset(added), frozenset(modified), frozenset(removed))


def skeleton(shape: Shape) -> dict[str, Any]:
    """What an empty object of a built-in type looks like: the structs and lists that are always there."""
    found: dict[str, Any] = {}
    for name, schema in shape.properties.items():
        if schema.get("default") == {}:
            found[name] = skeleton(shape.field(name))
        elif name in shape.required and shape.field(name).schema.get("type") == "array":
            found[name] = None
    return found


def encode(fields: Fields) -> dict[str, Any]:
    """A field set as FieldsV1."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return {element: _trim(node) for element, node in root.items()}


def _trim(node: dict[str, Any]) -> dict[str, Any]:
    """`.` is written only where there is something below as well."""
    if node.keys() == {"."}:
        return {}
    dot: dict[str, Any] = {".": {}} if "." in node else {}
    return dot | {element: _trim(child) for element, child in node.items() if element != "."}


def decode(encoded: Mapping[str, Any]) -> Fields:
    """The field set FieldsV1 stands for."""
    found: set[Path] = set()

    def walk(node: Mapping[str, Any], path: Path) -> None:
        if path and (not node or "." in node):
            found.add(path)
        for element, child in node.items():
            if element != ".":
                walk(child, (*path, element))

    walk(encoded, ())
    return frozenset(found)


def text(path: Path) -> str:
    """A path as conflict messages write it: `.spec.template.spec.containers[name="app"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={rest}]"
    keys = ",".join(f"{key}={compact(value)}" for key, value in json.loads(rest).items())
    return f"[{keys}]"


def without(value: Any, shape: Shape, doomed: Callable[[Path], bool], path: Path = ()) -> Any:
    """The value without the fields and items whose path is doomed."""
    below = children(value, shape)
    if below is None:
        return value
    if isinstance(value, Mapping):
        return {
            key: without(child, shape.field(key), doomed, (*path, f"f:{key}"))
            for key, child in value.items()
            if not doomed((*path, f"f:{key}"))
        }
    kept = ((element, child) for element, (child, _) in below.items() if not doomed((*path, element)))
    return [without(child, shape.items, doomed, (*path, element)) for element, child in kept]


def with_ancestors(fields: Iterable[Path]) -> frozenset[Path]:
    """All paths and everything above them."""
    return frozenset(path[:length] for path in fields for length in range(1, len(path) + 1))
