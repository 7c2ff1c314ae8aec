from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import pytest

from kntls.cli.demo import Teller
from kntls.report.schemas import schema
from kntls.report.text import Paint
from tests.e2e.program import ROOT


def test_the_demo_loses_no_request_and_the_old_ca_is_refused():
    command = [sys.executable, "-m", "tests.lab.hurried", "demo", "-o", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    jsonschema.validate(figures, schema("Demo"))
    assert figures["failed"] == 0
    assert figures["oldCaRefused"]
    assert figures["newCaAccepted"]
    assert figures["handshakes"] > 50


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind_and_nothing_to_go_on_with(tmp_path, stop):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command, pipe = [sys.executable, "-m", "kntls", "demo"], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert any("Trust the CA" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(stop)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "kntls: interrupted; nothing was changed\n")
    assert list(tmp_path.iterdir()) == []


def test_the_line_that_moves_fits_into_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    teller = Teller(Paint(False), quiet=False, moving=True, clients=SimpleNamespace(requests=1234, failed=0))
    teller.begin(SimpleNamespace(sentence="Have every certificate of every namespace issued again, one by one"))
    shown = re.sub(r"\r\x1b\[K", "", capsys.readouterr().out)
    assert shown.endswith("1,234 requests, 0 failed")
    assert len(shown) < 60
