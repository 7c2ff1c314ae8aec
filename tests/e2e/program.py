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
    environment = {**os.environ, "KUBECONFIG": kube.kubeconfig(), "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "kntls", *args]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
    )
    said = f"kntls {' '.join(args)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code is None or done.returncode == code, said
    assert "Traceback" not in done.stderr, said
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    return Answer(done.returncode, done.stdout, done.stderr)
