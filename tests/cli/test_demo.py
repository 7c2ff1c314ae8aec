from __future__ import annotations

import json
import subprocess
import sys

import jsonschema

from kntls.report.schemas import schema


def test_the_demo_loses_no_request_and_the_old_ca_is_refused():
    done = subprocess.run([sys.executable, "-m", "kntls", "demo", "-o", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    jsonschema.validate(figures, schema("Demo"))
    assert figures["failed"] == 0
    assert figures["oldCaRefused"]
    assert figures["newCaAccepted"]
    assert figures["handshakes"] > 50
