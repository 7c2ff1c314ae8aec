"""The command line as a whole: start-up, exit codes, one-line errors."""

import subprocess
import sys

import pytest

HEAVY = ("kubernetes", "cryptography", "yaml", "rich", "pydantic")


def kntls(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "kntls", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["version"]])
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


def test_common_flags_are_accepted_before_and_after_the_command():
    assert kntls("-o", "json", "version").stdout == kntls("version", "-o", "json").stdout != ""
