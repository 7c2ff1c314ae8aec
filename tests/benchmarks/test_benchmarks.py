"""The benchmarks run, small, and report every way they measured; how long it took is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("program", "small", "ways"),
    [
        ("startup.py", ["--rounds", "1"], {"kntls --help", "kntls version", "python -c 'import typer'"}),
        ("bundle.py", ["--cas", "3", "--rounds", "1"], {"kntls, one process", "openssl x509 in a loop"}),
        ("verify.py", ["--leaves", "60", "--rounds", "1"], {"kntls", "openssl verify in a loop"}),
    ],
)
def test_a_benchmark_reports_every_way_with_its_ratio(program, small, ways):
    run = subprocess.run([sys.executable, FOLDER / program, "--json", *small], capture_output=True, check=True)
    rows = json.loads(run.stdout)["rows"]
    assert ways <= {row["name"] for row in rows}
    assert rows[0]["ratio"] == 1
    assert all(row["ratio"] > 0 and row["rate"] > 0 for row in rows)
