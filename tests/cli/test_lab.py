"""`kntls lab run` needs no `--`, and says what it wants where it gets nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terminal import say


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNTLS_LAB_HOME", str(tmp_path))


def test_without_a_command_there_is_a_hint() -> None:
    code, _, err = say("lab", "run")
    assert code == 2
    assert err == "kntls: which command? (fix: `kntls lab run -- kubectl get pods --all-namespaces`)\n"


@pytest.mark.parametrize("words", [["--", "kubectl", "get", "pods", "-A"], ["kubectl", "get", "pods", "-A", "-n", "x"]])
def test_the_commands_own_flags_are_left_to_it(words: list[str]) -> None:
    code, _, err = say("lab", "run", *words)
    assert code == 3, "no lab runs, but the line was understood"
    assert "no such option" not in err
