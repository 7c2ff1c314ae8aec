"""Every command of the guide runs, in the order in which people read it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kntls.checks import CHECKS

pytestmark = pytest.mark.nightly

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide.md"
ASKS = ("enable", "disable", "rotate-ca --", "trust publish", "check --fix")
"""Commands that ask on a terminal; here there is none."""
QUICK = " --soak 1s --grace 1s"


def commands() -> list[str]:
    """The guide's commands; those that would ask are told yes, and a rotation on the lab need not wait."""
    found = re.findall(r"^    (\S.*)$", GUIDE.read_text(), re.MULTILINE)
    return [_unattended(line) for line in found]


def _unattended(line: str) -> str:
    asks = any(line.startswith(f"kntls {words}") for words in ASKS) and "--dry-run" not in line
    quick = QUICK if line.startswith("kntls rotate-ca --") else ""
    return f"{line}{' --yes' if asks else ''}{quick}"


def test_every_command_of_the_guide_works(tmp_path: Path) -> None:
    program = tmp_path / "kntls"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kntls "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KNTLS_LAB_HOME": str(tmp_path / "lab"),
        "MANIFESTS": str(ROOT / "manifests"),
    }
    script = "\n".join(["set -euxo pipefail", "trap 'kntls lab down' EXIT", *commands()])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_checks_the_guide_names_exist() -> None:
    named = set(re.findall(r"KN-[A-Z]+-\d{3}", GUIDE.read_text()))
    assert named
    assert named <= set(CHECKS)
