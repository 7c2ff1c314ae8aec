"""An Observation from files: `kubectl get … -o yaml`, a must-gather, a directory of manifests, standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from kntls.errors import InputError
from kntls.model.kinds import SECRET, Kind, by_manifest
from kntls.model.observation import Observation, Unread
from kntls.observe.documents import documents
from kntls.observe.manifests import files, objects, text_of
from kntls.observe.slim import slim

SECRETS = "kubectl get secrets -A --field-selector type=kubernetes.io/tls -o yaml | sed '/^ *tls.key:/d'"
"""Gathers Secrets without private keys: nothing here needs them."""


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

    Raises `InputError` naming file, document and item. A file that was only found in a directory (a must-gather holds
    all sorts) is no error, but counts as not read.
    """
    paths = tuple(paths)
    found: dict[Kind, dict[tuple[str, str], dict[str, Any]]] = {}
    unread = [Unread("handshakes", "offline")]
    count = 0
    for file, named in files(paths):
        count += 1
        try:
            for kind, obj in list(_known(file)):
                key = (str(obj["metadata"].get("namespace", "")), str(obj["metadata"].get("name", "")))
                found.setdefault(kind, {})[key] = slim(kind, obj)
        except InputError as error:
            if named:
                raise
            unread.append(Unread(error.where, error.what))
    source = f"{count} file{'s' if count != 1 else ''} ({', '.join(paths)})"
    seen = {kind: tuple(items.values()) for kind, items in found.items()}
    return Observation(source, taken_at, seen, tuple(unread))


def _known(file: str) -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    for where, document in documents(*text_of(file)):
        for place, obj in objects(where, document):
            if (kind := _kind(place, obj)) is not None:
                yield kind, obj


def _kind(place: str, obj: Mapping[str, Any]) -> Kind | None:
    """Its kind; None for one that kntls does not know."""
    if not obj.get("kind"):
        return None
    if not isinstance(obj.get("metadata"), dict):
        raise InputError(f"a {obj['kind']} without metadata", where=place)
    return by_manifest(str(obj.get("apiVersion", "")), str(obj["kind"]))
