"""A lab in a process of its own whose clock can be slowed down: `python -m tests.lab.serving LAYOUT DIRECTORY`.

It prints a line once it serves; SIGUSR1 slows its waits down, SIGUSR2 shortens them again, SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from kntls.lab import Lab
from kntls.lab.world import World

SPEED, SLOW = 60.0, 12.0
"""How much faster than real its waits are: usually, and for somebody who is to be too early."""


def main(layout: str, directory: str) -> None:
    """Serve until SIGTERM."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGUSR1, signal.SIGUSR2})
    with Lab.whole(layout, speed=SPEED, directory=Path(directory)) as lab:
        print("serving", flush=True)
        (world,) = (part for part in lab.parts if isinstance(part, World))
        while (told := signal.sigwait({*ends, signal.SIGUSR1, signal.SIGUSR2})) not in ends:
            world.clock.speed = SLOW if told == signal.SIGUSR1 else SPEED


if __name__ == "__main__":
    main(*sys.argv[1:])
