"""An Observation from files: `kubectl get … -o yaml`, a must-gather, a directory of manifests, standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kntls.errors import InputError
from kntls.model.kinds import SECRET, Kind, by_manifest
from kntls.model.observation import Observation, Unread
from kntls.observe.slim import slim

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
SECRETS = "kubectl get secrets -A --field-selector type=kubernetes.io/tls -o yaml | sed '/^ *tls.key:/d'"
"""Gathers Secrets without private keys: nothing here needs them."""


def _texts(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == "-":
            yield "standard input", sys.stdin.read()
            continue
        root = Path(path)
        if not root.exists():
            raise InputError("no such file or directory", where=path)
        for file in _files(root):
            try:
                yield str(file), file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no text"
                raise InputError(f"cannot be read: {why}", where=str(file)) from None


def _files(root: Path) -> list[Path]:
    """The file, or the manifests in a directory and below."""
    if not root.is_dir():
        return [root]
    found = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not found:
        raise InputError(f"no file in it ends in {', '.join(sorted(SUFFIXES))}", where=str(root))
    return found


def documents(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """The YAML or JSON documents of a text, each with `file document N`. Raises `InputError`."""
    import yaml

    if text.lstrip().startswith("{"):
        try:
            yield where, json.loads(text)
            return
        except ValueError:
            pass
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for number, parsed in enumerate(yaml.load_all(text, Loader=loader), 1):
            yield f"{where} document {number}", parsed
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"not YAML:{line} {getattr(error, 'problem', '') or ''}".rstrip(), where=where) from None


def _objects(parsed: Any, where: str) -> Iterator[Mapping[str, Any]]:
    if parsed is None:
        return
    if not isinstance(parsed, dict):
        raise InputError("not a Kubernetes object: there is no apiVersion and kind", where=where)
    if isinstance(parsed.get("items"), list):
        for item in parsed["items"]:
            defaults = {
                "apiVersion": parsed.get("apiVersion"),
                "kind": str(parsed.get("kind", "")).removesuffix("List"),
            }
            yield from _objects({**defaults, **item}, where)
    elif parsed.get("kind"):
        if not isinstance(parsed.get("metadata"), dict):
            raise InputError(f"a {parsed['kind']} without metadata", where=where)
        yield parsed


def lacking(observation: Observation, kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Those of these kinds that the files hold no object of: there are none, or nobody gathered them."""
    return tuple(kind for kind in kinds if not observation.knows(kind))


def gathering(kinds: Iterable[Kind]) -> str:
    """The commands that gather these kinds, Secrets without their private keys."""
    names = [kind.resource for kind in kinds if kind != SECRET]
    commands = [f"kubectl get {','.join(names)} -A -o yaml"] if names else []
    return "; ".join([*commands, *([SECRETS] if SECRET in kinds else [])])


def from_files(paths: Iterable[str], taken_at: datetime) -> Observation:
    """Everything kntls knows in these files; kinds it does not know are passed over, private keys dropped.

    Raises `InputError` naming file and document.
    """
    paths = tuple(paths)
    found: dict[Kind, dict[tuple[str, str], dict[str, Any]]] = {}
    count = 0
    for where, text in _texts(paths):
        count += 1
        for place, parsed in documents(text, where):
            for obj in _objects(parsed, place):
                kind = by_manifest(str(obj.get("apiVersion", "")), str(obj["kind"]))
                if kind is not None:
                    key = (str(obj["metadata"].get("namespace", "")), str(obj["metadata"].get("name", "")))
                    found.setdefault(kind, {})[key] = slim(kind, obj)
    source = f"{count} file{'s' if count != 1 else ''} ({', '.join(paths)})"
    objects = {kind: tuple(items.values()) for kind, items in found.items()}
    return Observation(source, taken_at, objects, (Unread("handshakes", "offline"),))
