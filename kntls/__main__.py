"""`python -m kntls`, and the console script: an interrupt is one line from the first import on."""

from __future__ import annotations

import signal
import sys


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. Where a plain KeyboardInterrupt passes through `exec`, CPython ends by the signal, whoever caught it."""


def _interrupt(*_: object) -> None:
    raise Interrupted


def main() -> None:
    """Import the command line, and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from kntls.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("kntls: interrupted; nothing was changed\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
