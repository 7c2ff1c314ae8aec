"""The three patch types that are no apply: JSON Patch, JSON merge patch and Kubernetes' strategic merge patch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from kntls.lab.answers import ApiError, bad_request
from kntls.lab.shapes import Shape


def unprocessable(message: str) -> ApiError:
    """422 without causes: a patch that does not fit the object."""
    return ApiError(422, "Invalid", message, {})


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class _Pointer:
    """A JSON pointer (RFC 6901) into a document."""

    def __init__(self, text: Any) -> None:
        if not isinstance(text, str) or (text and not text.startswith("/")):
            raise unprocessable("the server rejected our request due to an error in our request")
        self.text = text
        self.parts = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]

    def parent(self, document: Any, operation: str) -> Any:
        """The container of what the pointer names."""
        node = document
        for part in self.parts[:-1]:
            node = self._step(node, part, operation)
        return node

    def value(self, document: Any, operation: str) -> Any:
        """What the pointer names."""
        return self._step(self.parent(document, operation), self.parts[-1], operation) if self.parts else document

    def _step(self, node: Any, part: str, operation: str) -> Any:
        if isinstance(node, list) and part.isdigit() and int(part) < len(node):
            return node[int(part)]
        if isinstance(node, dict) and part in node:
            return node[part]
        raise self.missing(operation)

    def missing(self, operation: str) -> ApiError:
        """There is nothing at the pointer."""
        return unprocessable("the server rejected our request due to an error in our request")


def json_patch(document: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """JSON Patch, RFC 6902; raises `ApiError` 422 for an operation that does not fit."""
    result = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise bad_request("error decoding patch: an operation is no object")
        result = _operate(result, operation)
    return result


def _operate(document: Any, operation: Mapping[str, Any]) -> Any:
    name, pointer = str(operation.get("op")), _Pointer(operation.get("path"))
    if name == "test":
        if pointer.value(document, name) != operation.get("value"):
            raise unprocessable("the server rejected our request due to an error in our request")
        return document
    if name in ("move", "copy"):
        source = _Pointer(operation.get("from"))
        value = copy.deepcopy(source.value(document, name))
        document = _remove(document, source) if name == "move" else document
        return _add(document, pointer, value)
    if name == "remove":
        return _remove(document, pointer)
    if name == "replace":
        pointer.value(document, name)
        return _put(document, pointer, operation.get("value"))
    if name == "add":
        return _add(document, pointer, operation.get("value"))
    raise unprocessable("the server rejected our request due to an error in our request")


def _add(document: Any, pointer: _Pointer, value: Any) -> Any:
    if not pointer.parts:
        return value
    parent, last = pointer.parent(document, "add"), pointer.parts[-1]
    if not isinstance(parent, list):
        return _put(document, pointer, value)
    position = len(parent) if last == "-" else int(last) if last.isdigit() else -1
    if not 0 <= position <= len(parent):
        raise pointer.missing("add")
    parent.insert(position, value)
    return document


def _put(document: Any, pointer: _Pointer, value: Any) -> Any:
    if not pointer.parts:
        return value
    parent, last = pointer.parent(document, "add"), pointer.parts[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent[int(last)] = value
    else:
        raise pointer.missing("add")
    return document


def _remove(document: Any, pointer: _Pointer) -> Any:
    if not pointer.parts:
        raise pointer.missing("remove")
    pointer.value(document, "remove")
    parent, last = pointer.parent(document, "remove"), pointer.parts[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return document


_DIRECTIVES = ("$patch", "$retainKeys")


def strategic(target: Any, patch: Any, shape: Shape) -> Any:
    """Strategic merge patch (k8s.io/apimachinery, pkg/util/strategicpatch)."""
    if not isinstance(patch, Mapping):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key not in _DIRECTIVES}
    result = {} if directive == "delete" else dict(target) if isinstance(target, Mapping) else {}
    if isinstance(retained := patch.get("$retainKeys"), list):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        _merge_field(result, key, value, patch, shape)
    return result


def _merge_field(result: dict[str, Any], key: str, value: Any, patch: Mapping[str, Any], shape: Shape) -> None:
    if key.startswith(("$deleteFromPrimitiveList/", "$setElementOrder/")) and not isinstance(value, list):
        raise bad_request(f"error decoding patch: {key} is no list")
    if key.startswith("$deleteFromPrimitiveList/"):
        name = key.partition("/")[2]
        result[name] = [item for item in result.get(name) or [] if item not in value]
    elif key.startswith("$setElementOrder/"):
        name = key.partition("/")[2]
        if name not in patch and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], result[name], value, shape.field(name))
    elif key in _DIRECTIVES:
        return
    elif value is None:
        result.pop(key, None)
    elif isinstance(value, list) and shape.field(key).merge_key is not None:
        live = result.get(key) or []
        merged = _merge_list(live, value, shape.field(key))
        result[key] = _ordered(live, merged, patch.get(f"$setElementOrder/{key}", value), shape.field(key))
    else:
        result[key] = strategic(result.get(key), value, shape.field(key))


def _merge_list(target: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if not shape.merge_key:
        return target + [item for item in patch if item not in target]
    key = shape.merge_key
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(target)
    for item in patch:
        if key not in item:
            raise ApiError(500, "", f"map: {dict(item)} does not contain declared merge key: {key}")
        position = next((index for index, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif position is None:
            result.append(strategic({}, item, shape.items))
        else:
            result[position] = strategic(result[position], item, shape.items)
    return result


def _ordered(live: list[Any], merged: list[Any], order: list[Any], shape: Shape) -> list[Any]:
    """The merged items: those the patch names in its order, the others put between them as the live list had them."""

    def name(item: Any) -> Any:
        return item.get(shape.merge_key) if isinstance(item, Mapping) else item

    wanted = [name(entry) for entry in order]
    before = {name(item): index for index, item in enumerate(live)}
    named = sorted((item for item in merged if name(item) in wanted), key=lambda item: wanted.index(name(item)))
    others = sorted((item for item in merged if name(item) not in wanted), key=lambda item: before[name(item)])
    result: list[Any] = []
    for item in named:
        while others and name(item) in before and before[name(others[0])] < before[name(item)]:
            result.append(others.pop(0))
        result.append(item)
    return result + others
