"""The sample of two tenants: its policies are what the generators print, it lints clean, and its tenants are apart."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from kntls.cli.main import run

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
POLICIES = SAMPLES / "mesh" / "policies.yaml"
COMMANDS = re.findall(r"^#   kntls (mesh generate .*)$", POLICIES.read_text(), re.MULTILINE)


def documents(text):
    return [found for found in yaml.safe_load_all(text) if found]


def test_its_policies_are_what_the_generators_print(capsys):
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        assert run(shlex.split(command)) == 0
    # between the outputs of two commands stands no separator
    printed = re.sub(r"(?m)^apiVersion:", "---\\napiVersion:", capsys.readouterr().out)
    assert documents(printed) == documents(POLICIES.read_text())


def test_it_lints_clean(capsys):
    assert run(["mesh", "lint", "-f", str(SAMPLES / "mesh"), "--fail-on", "info"]) == 0
    assert capsys.readouterr().out == "nothing found\n"


@pytest.mark.parametrize("engine", ["offline", "envoy"])
def test_its_cases_hold(engine, capsys):
    cases = str(SAMPLES / "mesh-cases.json")
    assert run(["mesh", "test", cases, "-f", str(SAMPLES / "mesh"), "--on", engine]) == 0
    assert "4 passed, 0 failed" in capsys.readouterr().out


def test_a_policy_taken_away_is_noticed(tmp_path, capsys):
    kept = [each for each in documents(POLICIES.read_text()) if each["metadata"]["namespace"] != "bravo"]
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump_all(kept))
    (tmp_path / "workloads.yaml").write_text((SAMPLES / "mesh" / "workloads.yaml").read_text())
    assert run(["mesh", "matrix", "-f", str(tmp_path)]) == 1
    assert "LEAK" in capsys.readouterr().out
