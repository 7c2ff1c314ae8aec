"""The background lab's process: `python -m kntls.lab.serve SETTINGS`.

It reports one JSON line on standard output once it serves, or what went wrong, and then runs until it is told to end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from kntls.errors import KntlsError, Refused
from kntls.lab import state
from kntls.lab.embedded import Lab
from kntls.lab.objects import rfc3339
from kntls.lab.state import Settings, State
from kntls.lab.twin import load
from kntls.lab.world import part


def build(settings: Settings) -> tuple[Lab, str]:
    """A lab as the settings say, not yet started, and the name of its layout: a twin has that of its original."""
    twin = load(Path(settings.source)) if settings.source else None
    parts = (part(settings.layout, settings.speed, twin),)
    lab = Lab(port=settings.port, faults=settings.faults, parts=parts, directory=state.home())
    return lab, twin.layout.name if twin else settings.layout


def _report(body: dict[str, object]) -> None:
    """Say it to the process that waits, and let its pipe go."""
    print(json.dumps(body), flush=True)  # noqa: T201 - the pipe is how the parent is told
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _serve(settings: Settings) -> None:
    lock = state.hold(state.home())
    if lock is None:
        raise Refused("a lab is running already", fix="kntls lab down, or another KNTLS_LAB_HOME")
    made, layout = build(settings)
    with lock, made as lab:
        started = rfc3339(datetime.now(UTC))
        state.write(State(os.getpid(), lab.url, layout, settings.faults, started, state.home()))
        _report({"url": lab.url})
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def main() -> int:
    """Serve until SIGTERM; the exit code is that of the error that prevented it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        _serve(Settings.parse(sys.argv[1]))
    except KntlsError as error:
        problem = {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        _report({"error": problem})
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
