"""What the engine tells while it works; a reporter shows it, a test collects it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kntls.model.plan import Action, Change, Progress


class Reporter(Protocol):
    """Hears what happens. Every method may be called often and must be quick."""

    def begin(self, action: Action) -> None:
        """An action starts."""

    def wrote(self, action: Action, change: Change) -> None:
        """A change was written."""

    def progress(self, action: Action, progress: Progress, held: float) -> None:
        """How far it is; `held` seconds of a hold have passed."""

    def end(self, action: Action, seconds: float, skipped: bool) -> None:
        """An action is done; `skipped` where it was so already."""

    def restored(self, action: Action) -> None:
        """A temporary change was taken back out of turn."""

    def deferred(self) -> None:
        """An interrupt came where stopping would do harm; it takes effect a little later."""


@dataclass
class Silent:
    """Hears everything, says nothing."""

    def begin(self, action: Action) -> None:
        """Nothing."""

    def wrote(self, action: Action, change: Change) -> None:
        """Nothing."""

    def progress(self, action: Action, progress: Progress, held: float) -> None:
        """Nothing."""

    def end(self, action: Action, seconds: float, skipped: bool) -> None:
        """Nothing."""

    def restored(self, action: Action) -> None:
        """Nothing."""

    def deferred(self) -> None:
        """Nothing."""
