"""Commands as people see them: on a terminal of so many columns, and in a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import redirect_stderr, redirect_stdout

from kntls.cli.main import run


def say(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command in a pipe."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    return code, out.getvalue(), err.getvalue()


def on_terminal(columns: int, *arguments: str) -> str:
    """What a command writes to a terminal that is so wide; colour is off."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm"}
    program = [sys.executable, "-m", "kntls", *arguments]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=slave, env=environment) as process:
        os.close(slave)
        text = _all_of(master)
        process.wait()
    os.close(master)
    return text.replace("\r\n", "\n")


def _all_of(master: int) -> str:
    found = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:  # how Linux says that the other end is closed
            return found.decode()
        if not more:
            return found.decode()
        found += more
