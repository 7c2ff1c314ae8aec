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


@pytest.mark.parametrize("command", ["lint", "explain", "matrix", "status", "test", "compile"])
def test_a_command_that_only_reads_offers_no_flags_for_changes(command, help_of):
    shown = help_of(command)
    assert "--filename" in shown
    assert "--dry-run" not in shown
    assert "--yes" not in shown
