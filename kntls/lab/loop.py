"""The one thread on which all simulated controllers run: keyed work, deduplicated, now or later."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable

log = logging.getLogger(__name__)
Action = Callable[[], None]


class TryAgain(Exception):
    """The action could not finish (a conflict, say); it runs again shortly."""


class Loop:
    """Runs actions one at a time; an action whose key is already waiting replaces a later one, never an earlier one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._due: dict[Hashable, tuple[float, int, Action]] = {}
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="lab-controllers", daemon=True)

    def start(self) -> None:
        """Begin to run what is queued."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the action at hand and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(10)

    def call(self, key: Hashable, action: Action, after: float = 0.0) -> None:
        """Run `action` in `after` real seconds; any thread may call this."""
        when = time.monotonic() + after
        with self._changed:
            waiting = self._due.get(key)
            if waiting is not None and waiting[0] <= when:
                return
            number = next(self._count)
            self._due[key] = (when, number, action)
            heapq.heappush(self._heap, (when, number, key))
            self._changed.notify_all()

    def cancel(self, key: Hashable) -> None:
        """Forget what waits under a key."""
        with self._changed:
            self._due.pop(key, None)

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until nothing is due now; False if the time runs out. Work scheduled for later does not count."""
        end = time.monotonic() + timeout
        with self._changed:
            while self._busy or any(when <= time.monotonic() for when, _, _ in self._due.values()):
                if not self._changed.wait(max(0.0, min(0.05, end - time.monotonic()))) and time.monotonic() >= end:
                    return False
        return True

    def _next(self) -> tuple[Hashable, Action] | None:
        with self._changed:
            self._busy = False
            while not self._stopping:
                now = time.monotonic()
                while self._heap and (self._due.get(self._heap[0][2]) or (0, -1))[1] != self._heap[0][1]:
                    heapq.heappop(self._heap)
                if self._heap and self._heap[0][0] <= now:
                    _, _, key = heapq.heappop(self._heap)
                    self._busy = True
                    return key, self._due.pop(key)[2]
                self._changed.notify_all()
                self._changed.wait(self._heap[0][0] - now if self._heap else None)
        return None

    def _run(self) -> None:
        while (item := self._next()) is not None:
            key, action = item
            try:
                action()
            except TryAgain:
                self.call(key, action, 0.05)
            except Exception:
                log.exception("lab controller %s", key)
                self.call(key, action, 1.0)
