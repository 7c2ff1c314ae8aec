"""When Ctrl-C may take effect: at once, after the part that must not be left half-way, or not while cleaning up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Interrupts:
    """Says what an interrupt does now. Only the main thread gets any; elsewhere this does nothing."""

    said: Callable[[], None]
    """Called when an interrupt is put off."""
    pending: bool = field(default=False, init=False)
    """Whether one was put off."""
    _former: Any = field(default=None, init=False)

    def defer(self) -> None:
        """From now on the first interrupt waits for `allow`; the second takes effect at once."""
        self._listen(self._put_off)

    def allow(self) -> None:
        """Interrupts take effect again, one that was put off right now. Raises `KeyboardInterrupt`."""
        self.forget()
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """From now on interrupts have no effect until `forget`."""
        self._listen(lambda *_: None)

    def forget(self) -> None:
        """As it was before."""
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None

    def _listen(self, handler: Callable[..., None]) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        former = signal.signal(signal.SIGINT, handler)
        self._former = self._former or former

    def _put_off(self, *_: object) -> None:
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt
        self.pending = True
        self.said()
