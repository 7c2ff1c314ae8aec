"""A lab in a process of its own whose queue-proxies can be held up: `python -m tests.lab.serving LAYOUT DIRECTORY`.

It prints a line once it serves; SIGUSR1 keeps queue-proxies from reloading, SIGUSR2 lets them, SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from kntls.lab import Lab

SPEED = 60.0
"""How much faster than real its waits are."""
HELD_UP = "no-reload=queue-proxy"


def main(layout: str, directory: str) -> None:
    """Serve until SIGTERM."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGUSR1, signal.SIGUSR2})
    with Lab.whole(layout, speed=SPEED, directory=Path(directory)) as lab:
        print("serving", flush=True)
        while (told := signal.sigwait({*ends, signal.SIGUSR1, signal.SIGUSR2})) not in ends:
            lab.faults.clear()
            if told == signal.SIGUSR1:
                lab.faults.add(HELD_UP)


if __name__ == "__main__":
    main(*sys.argv[1:])
