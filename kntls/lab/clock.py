"""The lab's time: real timestamps, waits shortened by one factor, and an offset that tests may move forward."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from kntls.lab.objects import rfc3339


class Clock:
    """Every duration of a simulated component is divided by `speed`; what is written into objects is wall time."""

    def __init__(self, speed: float = 1.0, shortest_drain: float = 0.0) -> None:
        self.speed = speed
        self.shortest_drain = shortest_drain
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The present moment in UTC, the offset of `advance` included."""
        return datetime.now(UTC) + self._offset

    def stamp(self) -> str:
        """The present moment as Kubernetes writes it: RFC 3339, whole seconds."""
        return rfc3339(self.now())

    def real(self, seconds: float) -> float:
        """How many real seconds a component's `seconds` take here."""
        return seconds / self.speed

    def drain(self, seconds: float) -> float:
        """How many real seconds a pod serves on after it was told to end, or a connection after its host changed.

        Not less than `shortest_drain`: whoever works on the lab from outside is not sped up, and counts on that time.
        """
        return max(self.real(seconds), self.shortest_drain)

    def advance(self, seconds: float) -> None:
        """Move the lab's time forward, so that renewals and back-offs fall due."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)
