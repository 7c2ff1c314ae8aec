"""Text as documents, read as Kubernetes reads it: each with the place where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import yaml

from kntls.errors import InputError

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NO_OBJECT = "is not a Kubernetes object: there is no apiVersion and kind"
_TEXTS_HERE = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""What YAML 1.1 makes more of than text, and Kubernetes' own reader does not."""


class _Twice(yaml.MarkedYAMLError):
    """A key that a mapping holds twice."""


class _Loader(_BASE):  # type: ignore[misc] # chosen at run time
    """A safe loader that refuses a key given twice, and leaves dates as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - what PyYAML calls it
        first: [pair for pair in pairs if pair[0] not in _TEXTS_HERE]
        for first, pairs in _BASE.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """As the base does it, after a look at the keys."""
        seen: set[str] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is no text", problem_mark=key_node.start_mark)
            if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise _Twice(problem=f"{key_node.value!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def documents(name: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The documents of a text, empty ones left out, each with its place: `policies.yaml document 2`.

    Raises `InputError` with file and line for text that is neither YAML nor JSON, for a key given twice, and for a
    document that is no mapping.
    """
    found = _json(name, text) if text.lstrip().startswith("{") else None
    if found is None:
        found = _yaml(name, text)
    for index, document in enumerate(found, start=1):
        location = f"{name} document {index}" if len(found) > 1 else name
        if document is None:
            continue
        if not isinstance(document, Mapping):
            raise InputError(NO_OBJECT, where=location)
        yield location, document


def once(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of that file from its pairs. Raises `InputError` for a key given twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"{key!r} is given twice in one object", where=name)
        found[key] = value
    return found


def _json(name: str, text: str) -> list[Any] | None:
    """JSON values one after the other; None for what is not JSON, which may still be YAML in braces."""
    decoder, found = json.JSONDecoder(object_pairs_hook=partial(once, name)), []
    rest = text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            return None
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def _yaml(name: str, text: str) -> list[Any]:
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        what = problem if isinstance(error, _Twice) else f"not YAML: {problem}"
        raise InputError(what, where=f"{name}{line}") from None
    except RecursionError:
        raise InputError("not YAML: nested too deeply", where=name) from None
