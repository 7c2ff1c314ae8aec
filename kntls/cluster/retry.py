"""Asking again: bounded by a deadline, spread by jitter, obeying `Retry-After`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from kntls.errors import Busy, Unreachable

T = TypeVar("T")


@dataclass(frozen=True)
class Retry:
    """How long and how often; clock, sleep and randomness are injected so that tests need no time."""

    deadline: float = 60.0
    """Seconds after which the last error is raised."""
    first: float = 0.2
    """Seconds before the second attempt; doubles each time."""
    longest: float = 8.0
    """Seconds at most between two attempts."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = field(default=random.random)

    def run(self, call: Callable[[], T], *, reset_is_safe: bool = True) -> T:
        """Call until it succeeds, fails for good, or the deadline passes.

        `reset_is_safe`: whether a broken connection may be asked again (not for a bare create, which may have
        gone through).
        """
        end = self.clock() + self.deadline
        pause = self.first
        while True:
            try:
                return call()
            except (Busy, Unreachable) as error:
                if isinstance(error, Unreachable) and not reset_is_safe:
                    raise
                wait = max(pause * (0.5 + self.jitter() / 2), getattr(error, "retry_after", 0.0))
                if self.clock() + wait > end:
                    raise
                self.sleep(wait)
                pause = min(pause * 2, self.longest)
