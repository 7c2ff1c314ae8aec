"""What runs in a container: the interface of the lab's programs, and the table from image to program."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kntls.lab.workloads.kubelet import Pod


class Crash(Exception):
    """The program ended with an error; the kubelet restarts it with growing pauses."""


@dataclass
class Program:
    """A program without any behaviour: it starts, is ready, and ends."""

    pod: Pod
    container: dict[str, Any]
    ready: bool = field(default=False, init=False)
    drains_for: float = field(default=0.0, init=False)
    """How long (unscaled seconds) it goes on serving after it was told to end."""

    def start(self) -> None:
        """Begin; ready from then on.

        Raises:
            Crash: it cannot run.
        """
        self.ready = True

    def say(self, line: str) -> None:
        """Write a line into the container's log."""
        self.pod.say(self.container["name"], line)

    def files_changed(self) -> None:
        """The files mounted into its container are new."""

    def drain(self) -> None:
        """It was told to end: no longer ready, but still serving."""
        self.ready = False

    def stop(self) -> None:
        """End."""
        self.ready = False


Maker = Callable[["Pod", dict[str, Any]], Program]


class Images:
    """Which program stands for an image; anything unknown is a program without behaviour."""

    def __init__(self) -> None:
        self._rules: list[tuple[re.Pattern[str], Maker]] = []

    def add(self, pattern: str, maker: Maker) -> None:
        """Images that match the pattern run this program."""
        self._rules.append((re.compile(pattern), maker))

    def make(self, pod: Pod, container: dict[str, Any]) -> Program:
        """The program for a container."""
        image = container.get("image", "")
        maker = next((maker for pattern, maker in self._rules if pattern.search(image)), Program)
        return maker(pod, container)
