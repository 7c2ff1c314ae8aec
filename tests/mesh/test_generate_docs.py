"""Every generator on its page runs."""

from pathlib import Path

import pytest

from kntls.cli.main import run

PAGE = (Path(__file__).parents[2] / "docs" / "mesh-generate.md").read_text()
LINES = [line.strip().partition("  #")[0].split() for line in PAGE.splitlines() if line.startswith("    kntls mesh ")]


@pytest.mark.parametrize("line", [line for line in LINES if line[2] == "generate"], ids=" ".join)
def test_a_generator_on_the_page_runs(line, capsys):
    assert run(line[1:]) == 0, capsys.readouterr().err
