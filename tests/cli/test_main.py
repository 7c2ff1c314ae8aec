"""The command line as a whole: start-up, exit codes, one-line errors."""

import os
import subprocess
import sys

import pytest

from kntls.cli.main import COMMANDS

HEAVY = ("kubernetes", "cryptography", "yaml", "rich", "pydantic")


def kntls(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kntls", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["--version"]])
def test_starting_up_imports_nothing_heavy(arguments):
    program = (
        "import sys; from kntls.cli.main import run; run(sys.argv[1:]);"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_an_unknown_command_is_a_usage_error_with_a_suggestion():
    done = kntls("versio")
    assert done.returncode == 2
    assert "version" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        command = [sys.executable, "-m", "kntls", "version"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_common_flags_are_accepted_before_and_after_the_command():
    assert kntls("-o", "json", "version").stdout == kntls("version", "-o", "json").stdout != ""


@pytest.mark.parametrize(("words", "expected"), [("kntls rot", "rotate-ca"), ("kntls rotate-ca roll", "rollback")])
def test_a_shell_completes_commands_of_every_level(words, expected):
    environment = {**os.environ, "_KNTLS_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - 1)
    done = subprocess.run([sys.executable, "-m", "kntls"], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [expected]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(shell):
    assert "_KNTLS_COMPLETE" in kntls("completion", shell).stdout


def test_a_shell_without_a_script_is_a_usage_error():
    assert kntls("completion", "tcsh").returncode == 2


def test_the_version_is_a_flag_as_well():
    assert kntls("--version").stdout == kntls("version").stdout != ""


def test_every_command_of_the_table_can_be_loaded():
    for command in COMMANDS:
        done = kntls(command, "--help")
        assert done.returncode == 0, done.stderr
        assert f"kntls {command}" in done.stdout
