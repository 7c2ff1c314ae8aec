"""The store's event log: every committed change in order, for watches and in-process controllers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kntls.lab.answers import expired
from kntls.lab.objects import Object
from kntls.lab.resources import Resource

KEPT = 20_000
"""Events remembered; a watch that asks for older ones is told that its resourceVersion expired."""


@dataclass(frozen=True)
class Event:
    """One committed change."""

    version: int
    type: str
    """`ADDED`, `MODIFIED` or `DELETED`."""
    resource: Resource
    obj: Object
    """The object after the change, or as it was last if it was deleted; shared, never to be changed."""
    before: Object | None
    """The object before it."""


class History:
    """The log, with a condition to wait on; the store's lock guards it."""

    def __init__(self, lock: threading.RLock) -> None:
        self.changed = threading.Condition(lock)
        self.version = 1
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._forgotten = 0
        self._subscribers: list[Callable[[Event], None]] = []

    def next_version(self) -> int:
        """Take the next resourceVersion."""
        self.version += 1
        return self.version

    def append(self, event: Event) -> None:
        """Record a change, tell the subscribers and wake the watches."""
        if len(self._events) == self._events.maxlen:
            self._forgotten = self._events[0].version
        self._events.append(event)
        for subscriber in self._subscribers:
            subscriber(event)
        self.changed.notify_all()

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back on every change, under the store's lock, in order; returns what ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def forget(self) -> None:
        """Drop the log, as etcd's compaction does: older resourceVersions are expired from now on."""
        self._forgotten = self.version
        self._events.clear()

    def since(self, version: int) -> Iterator[Event]:
        """The events after a resourceVersion; raises `ApiError` 410 if some of them are forgotten."""
        if version < self._forgotten:
            raise expired(f"too old resource version: {version} ({self._forgotten})")
        recent: deque[Event] = deque()
        for event in reversed(self._events):
            if event.version <= version:
                break
            recent.appendleft(event)
        return iter(recent)
