"""Where nothing could be looked at, nothing is called right."""

from __future__ import annotations

import json

from kntls.cli.main import run
from kntls.model.kinds import SECRET
from tests.files import write
from tests.world import healthy


def test_a_dump_with_nothing_in_it_is_no_success(tmp_path, capsys):
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert run(["check", "-f", str(empty)]) == 3
    assert "Status check results are ×" in capsys.readouterr().out
    assert run(["check", "-f", str(empty), "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["success"] is False


def test_certificates_without_their_secrets_are_no_success(tmp_path, capsys):
    world = healthy()
    world.forget(SECRET)
    assert run(["cert", "verify", "-f", str(write(world, tmp_path))]) == 3
    assert "could be looked at" in capsys.readouterr().out
