"""Start-up: `kntls --help` and `kntls version` beside an empty Python, one that imports Typer, and kubectl."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Row, arguments, race, report

ROOT = Path(__file__).resolve().parent.parent


def commands() -> dict[str, list[str]]:
    """What is started, by name; kubectl only where it is installed."""
    python = sys.executable
    kubectl = shutil.which("kubectl", path=f"{Path(python).parent}:{ROOT}") or shutil.which("kubectl")
    found = {
        "kntls --help": [python, "-m", "kntls", "--help"],
        "kntls version": [python, "-m", "kntls", "version"],
        "python -c 'import typer'": [python, "-c", "import typer"],
        "python -c pass": [python, "-c", "pass"],
    }
    return found | ({"kubectl version --client": [kubectl, "version", "--client"]} if kubectl else {})


def start(command: list[str]) -> None:
    """One start, to its end."""
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)


def main() -> None:
    """Start everything in turn, round after round."""
    asked = arguments(__doc__ or "", rounds=15)
    wanted = commands()
    best = race({name: functools.partial(start, command) for name, command in wanted.items()}, asked.rounds)
    report("Starting up", [Row(name, seconds, 1) for name, seconds in best.items()], as_json=asked.json)


main()
