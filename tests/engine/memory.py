"""A cluster in memory, for what cannot be timed on a real one: conflicts, crashes between two writes, lost Leases.

It keeps plain dicts and resource versions and refuses a replace that carries an old one, nothing more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from kntls.cluster.client import ref_of
from kntls.engine.predict import merged
from kntls.errors import Conflict, NotFound
from kntls.model.kinds import Kind
from kntls.model.objects import Object, ObjectRef
from kntls.model.observation import Observation


class Memory:
    """Stands where a `Cluster` would; every write is kept in `writes`."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects: dict[ObjectRef, dict[str, Any]] = {}
        self.writes: list[tuple[str, ObjectRef]] = []
        self.on_write: Callable[[str, ObjectRef], None] = lambda verb, ref: None
        """Called after each write; may raise, or change other objects as a controller would."""
        self.lock = threading.RLock()
        self.version = 0
        for obj in objects:
            self.put(obj)

    def put(self, obj: Object) -> None:
        """Set an object as somebody else would."""
        with self.lock:
            self.version += 1
            metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
            self.objects[ref_of(obj)] = {**deepcopy(dict(obj)), "metadata": metadata}

    def _wrote(self, verb: str, ref: ObjectRef) -> None:
        self.writes.append((verb, ref))
        self.on_write(verb, ref)

    def get(self, ref: ObjectRef) -> dict[str, Any] | None:
        with self.lock:
            return deepcopy(self.objects.get(ref))

    def create(self, manifest: Object, *, dry_run: bool = False) -> dict[str, Any]:
        ref = ref_of(manifest)
        with self.lock:
            if ref in self.objects:
                raise Conflict("already exists", where=str(ref))
            self.put(manifest)
        self._wrote("create", ref)
        return self.objects[ref]

    def apply(self, manifest: Object, *, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        ref = ref_of(manifest)
        with self.lock:
            self.put(merged(self.objects.get(ref, {}), manifest))
        self._wrote("apply", ref)
        return self.objects[ref]

    def merge(self, ref: ObjectRef, body: Object, *, subresource: str = "", dry_run: bool = False) -> dict[str, Any]:
        with self.lock:
            if ref not in self.objects:
                raise NotFound("no such object", where=str(ref))
            self.put(merged(self.objects[ref], body))
        self._wrote("merge", ref)
        return self.objects[ref]

    def update(
        self, ref: ObjectRef, change: Callable[[dict[str, Any]], dict[str, Any]], *, subresource: str = ""
    ) -> dict[str, Any]:
        current = self.get(ref)
        if current is None:
            raise NotFound("no such object", where=str(ref))
        wanted = change(current)
        with self.lock:
            if self.objects[ref]["metadata"]["resourceVersion"] != wanted["metadata"]["resourceVersion"]:
                raise Conflict("the object has been modified", where=str(ref))
            self.put(wanted)
        self._wrote("update", ref)
        return self.objects[ref]

    def delete(self, ref: ObjectRef, *, uid: str = "", dry_run: bool = False) -> None:
        with self.lock:
            self.objects.pop(ref, None)
        self._wrote("delete", ref)

    def observe(self, kinds: Iterable[Kind], before: Observation | None = None) -> Observation:
        """A fresh observation of everything, whatever kinds are asked for."""
        with self.lock:
            found: dict[Kind, list[Object]] = {kind: [] for kind in kinds}
            for ref, obj in self.objects.items():
                found.setdefault(ref.kind, []).append(deepcopy(obj))
        objects = {kind: tuple(items) for kind, items in found.items()}
        return Observation("memory", datetime.now(UTC), {**(before.objects if before else {}), **objects}, live=True)
