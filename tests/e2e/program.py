"""kntls as its users run it: the real command line as a subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import kube

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def kntls(*args: str, code: int | None = 0, seconds: float = 900) -> Answer:
    """Run one command; raises AssertionError with everything it said if it ends with another exit code than `code`."""
    return finish(start(*args), code=code, seconds=seconds)


def start(*args: str) -> subprocess.Popen[str]:
    """Begin a command and do not wait for it; KNTLS_E2E_PROGRAM may name another module than `kntls` to run."""
    environment = {**os.environ, "KUBECONFIG": kube.kubeconfig(), "COLUMNS": "80", "NO_COLOR": "1"}
    command, pipe = [sys.executable, "-m", os.environ.get("KNTLS_E2E_PROGRAM", "kntls"), *args], subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    )


def finish(process: subprocess.Popen[str], *, code: int | None = 0, seconds: float = 900) -> Answer:
    """Wait for a command that was begun; judged as `kntls` judges it."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    said = f"{process.args!r}: exit {process.returncode}\n{out}\n{err}"
    assert code is None or process.returncode == code, said
    assert "Traceback" not in err, said
    assert "PRIVATE KEY-----" not in out + err
    return Answer(process.returncode, out, err)
