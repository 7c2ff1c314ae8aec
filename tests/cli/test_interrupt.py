"""Ctrl-C before anything is written is one line and exit code 130, whatever is going on at that moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SAID = "kntls: interrupted; nothing was changed\n"
WHILE_IMPORTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["kntls", *{words!r}]
from kntls.__main__ import main
main()
"""


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A kubeconfig whose API server takes connections and never answers."""
    import socket

    server = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    config = tmp_path / "config"
    body = {
        "clusters": [{"name": "mute", "cluster": {"server": url}}],
        "contexts": [{"name": "mute", "context": {"cluster": "mute", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
        "current-context": "mute",
    }
    config.write_text(yaml.safe_dump(body))
    yield str(config)  # type: ignore[misc]
    server.close()


@pytest.mark.parametrize("module", ["typer", "kntls.cli.main", "kntls.cli.status", "kubernetes", "ssl"])
def test_while_modules_are_imported(module: str, nobody: str) -> None:
    program = WHILE_IMPORTING.format(module=module, words=["status", "--kubeconfig", nobody])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", SAID)


def test_while_the_first_request_waits_for_its_answer(nobody: str) -> None:
    program = [sys.executable, "-m", "kntls", "status", "-v", "--kubeconfig", nobody]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.endswith(SAID)
