"""What the mesh pages show runs as it stands, on the sample that lies in manifests/."""

import re
import shlex
from pathlib import Path

import pytest

from kntls.cli.main import run

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/mesh.md", "docs/mesh-generate.md", "docs/mesh-lint.md")
PAGE = (ROOT / "docs" / "mesh.md").read_text()
FINDING = ("status", "--no-sidecar")
"""Commands that find something in the sample: a port the kubelet needs, callers outside the mesh."""


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def lines():
    for page in PAGES:
        for line in (ROOT / page).read_text().splitlines():
            if line.startswith("    kntls mesh "):
                yield line.partition("  #")[0].partition(" > ")[0].strip()


LINES = sorted(set(lines()))
RUNNING = [line for line in LINES if "manifests/samples" in line]


def test_the_library_example_prints_the_rule_that_decides(capsys):
    exec(compile(block("python"), "docs/mesh.md", "exec"), {})
    assert capsys.readouterr().out == "200 an ALLOW rule matches ns[foo]-policy[friends]-rule[0]\n"


def test_the_table_of_cases_is_the_samples():
    assert block("json") == (ROOT / "manifests" / "samples" / "mesh-cases.json").read_text()


@pytest.mark.parametrize("line", RUNNING)
def test_a_command_on_the_sample_works_as_it_stands(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code = run(shlex.split(line)[1:])
    out, err = capsys.readouterr()
    assert code == (1 if any(word in line.split() for word in FINDING) else 0), err
    assert out
    assert not err.startswith("kntls:")


@pytest.mark.parametrize("line", [line for line in LINES if line not in RUNNING])
def test_every_flag_on_the_pages_exists(line, capsys):
    words = shlex.split(line)
    command = words[1:4] if words[2] in ("generate", "cacerts") else words[1:3]
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in re.findall(r"(?<=\s)\[?(--[a-z-]+)", line):
        assert flag in shown


def test_the_pages_speak_of_one_matrix():
    assert "Eight paths" in PAGE
    assert "four paths" not in PAGE
