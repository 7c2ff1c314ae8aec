"""The help of the mesh commands: every flag says what it takes, every list of commands is whole."""

import re

import pytest

from kntls.cli.main import run

GROUPS = ((), ("generate",), ("cacerts",))
LEAVES = (
    *(("lint",), ("explain",), ("matrix",), ("verify",), ("status",), ("test",), ("compile",)),
    *(
        ("generate", name)
        for name in (
            *("tenant", "baseline", "policy", "integration"),
            *("mtls", "control-plane", "member-roll", "jwt"),
        )
    ),
    *(("cacerts", name) for name in ("create", "validate", "diff", "install", "check", "next", "remove", "istio-csr")),
)


@pytest.fixture
def help_of(capsys):
    def shown(*command):
        assert run(["mesh", *command, "--help"]) == 0
        return capsys.readouterr().out

    return shown


@pytest.mark.parametrize("command", GROUPS)
def test_a_list_of_commands_is_whole(command, help_of):
    shown = help_of(*command).partition("Commands:")[2]
    assert shown.strip()
    assert "..." not in shown


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_flag_says_what_it_takes(command, help_of):
    assert not re.findall(r"<[a-z]+>|\bTEXT\b(?!  +accepted)", help_of(*command))


REQUIRED = {
    "explain": ["--from", "a/b", "--to", "c/d:80"],
    "compile": ["--workload", "a"],
    "test": ["cases.json"],
}


@pytest.mark.parametrize("command", ["lint", "explain", "matrix", "verify", "status", "test", "compile"])
def test_the_formats_the_help_names_are_those_there_are(command, help_of, capsys):
    named = re.search(r"--output FORMAT\s+(.*?)\n  --", help_of(command), re.DOTALL)[1]
    assert run(["mesh", command, *REQUIRED.get(command, []), "-o", "nonsense"]) == 2
    accepted = re.search(r"one of (.*)\)", capsys.readouterr().err)[1]
    assert re.split(r", | or ", " ".join(named.split())) == accepted.split(", ")


@pytest.mark.parametrize("command", ["lint", "explain", "matrix", "status", "test", "compile"])
def test_a_command_that_only_reads_offers_no_flags_for_changes(command, help_of):
    shown = help_of(command)
    assert "--filename" in shown
    assert "--dry-run" not in shown
    assert "--yes" not in shown
