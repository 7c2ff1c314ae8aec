"""Every command line of the generators' page is one the program understands."""

import re
from pathlib import Path

import pytest

from kntls.cli.main import run

PAGE = (Path(__file__).parents[2] / "docs" / "mesh-generate.md").read_text()
LINES = [line.strip().partition("  #")[0].split() for line in PAGE.splitlines() if line.startswith("    kntls mesh ")]


@pytest.mark.parametrize("line", [line for line in LINES if line[2] == "generate"], ids=" ".join)
def test_a_generator_on_the_page_runs(line, capsys):
    assert run(line[1:]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_flag_on_the_page_exists(line, capsys):
    command = line[1:3] + [word for word in line[3:4] if line[2] in ("generate", "cacerts")]
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in re.findall(r"(?<=\s)\[?(--[a-z-]+)", " ".join(line)):
        assert flag in shown
