"""When Ctrl-C, or a polite kill, may take effect: at once, a little later, or not while things are put back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interrupts:
    """Says what an interrupt does now. Only the main thread gets any; elsewhere this does nothing."""

    said: Callable[[], None]
    """Called when an interrupt is put off."""
    pending: bool = field(default=False, init=False)
    """Whether one was put off."""
    _former: dict[signal.Signals, Any] = field(default_factory=dict, init=False)

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
        for number, former in self._former.items():
            signal.signal(number, former)
        self._former.clear()

    def _listen(self, handler: Callable[..., None]) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            former = signal.signal(number, handler)
            self._former.setdefault(number, former)

    def _put_off(self, *_: object) -> None:
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt
        self.pending = True
        self.said()
