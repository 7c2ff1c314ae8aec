"""The simulated controllers' access to the store: by resource name, under a field manager, with events."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from kntls.lab import resources
from kntls.lab.answers import ApiError
from kntls.lab.loop import TryAgain
from kntls.lab.objects import Object, clone, name_of, namespace_of
from kntls.lab.store import Removal, Store, Writer

RESOURCES = {resource.key: resource for resource in resources.TABLE}
_numbers = itertools.count(1)


class Client:
    """One controller's view; a write that lost a race raises `TryAgain`, so that the controller looks again."""

    def __init__(self, store: Store, manager: str = "lab", user: str = "system:lab") -> None:
        self.store = store
        self.writer = Writer(manager, user)

    def by(self, manager: str) -> Client:
        """The same access under another field manager."""
        return Client(self.store, manager, self.writer.user)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The stored object, for reading only; None if there is none."""
        try:
            return self.store.peek(RESOURCES[kind], namespace, name)
        except ApiError:
            return None

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        """The stored objects, for reading only."""
        return self.store.list(RESOURCES[kind], namespace)[0]

    def create(self, kind: str, obj: Mapping[str, Any]) -> Object:
        """Create; an object that is already there means somebody was faster: look again."""
        return _retry(lambda: self.store.create(RESOURCES[kind], obj, self.writer))

    def ensure(self, kind: str, obj: Mapping[str, Any]) -> Object:
        """The object as it is, or created if there was none."""
        found = self.get(kind, namespace_of(obj), name_of(obj))
        return found if found is not None else self.create(kind, obj)

    def update(self, kind: str, obj: Object) -> Object:
        """Replace an object read before and changed since."""
        return _retry(lambda: self.store.update(RESOURCES[kind], obj, "", self.writer))

    def change(self, kind: str, obj: Object, **fields: Any) -> Object:
        """Replace some top-level fields of an object read before; nothing is written if they are so already."""
        if all(obj.get(key) == value for key, value in fields.items()):
            return obj
        return self.update(kind, {**clone(obj), **clone(fields)})

    def update_status(self, kind: str, obj: Object, status: Mapping[str, Any]) -> Object:
        """Replace the status of an object read before; nothing is written if it is so already."""
        if obj.get("status") == status:
            return obj
        return _retry(
            lambda: self.store.update(RESOURCES[kind], {**obj, "status": clone(status)}, "status", self.writer)
        )

    def apply(self, kind: str, obj: Mapping[str, Any], *, force: bool = False) -> Object:
        """Server-side apply."""
        key = (namespace_of(obj), name_of(obj))
        return _retry(lambda: self.store.apply(RESOURCES[kind], *key, obj, self.writer, force=force)[0])

    def delete(self, kind: str, namespace: str, name: str, *, now: bool = False) -> None:
        """Delete, if it is there; `now` leaves no grace to a pod."""
        removal = Removal(grace_seconds=0) if now else Removal()
        try:
            self.store.delete(RESOURCES[kind], namespace, name, removal, self.writer)
        except ApiError as error:
            if error.code != 404:
                raise

    def record(self, obj: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """An Event about an object, as controllers leave them."""
        namespace = namespace_of(obj) or "default"
        event = {
            "metadata": {"name": f"{name_of(obj)}.{next(_numbers):016x}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": name_of(obj),
                "namespace": namespace_of(obj),
                "uid": obj["metadata"].get("uid", ""),
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": 1,
            "firstTimestamp": self.store.now(),
            "lastTimestamp": self.store.now(),
            "source": {"component": self.writer.manager},
            "reportingComponent": self.writer.manager,
        }
        try:
            self.store.create(RESOURCES["events"], event, self.writer)
        except ApiError as error:
            if error.code not in (403, 404):
                raise


def _retry(write: Callable[[], Object]) -> Object:
    try:
        return write()
    except ApiError as error:
        if error.code in (404, 409):
            raise TryAgain(error.message) from error
        raise
