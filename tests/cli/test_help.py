"""Help: which flags a command takes, in sections; what it does not take is refused where that would mislead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kntls.cli.main import app
from tests.files import write
from tests.terminal import say
from tests.world import healthy

GLOBAL = "Global options:"


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    for name in names:
        yield from leaves(command.get_command(None, name), (*path, name))
    if not names or getattr(command, "invoke_without_command", False):
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def helped(*words: str) -> str:
    code, out, _ = say(*words, "--help")
    assert code == 0
    return out


def formats(text: str) -> list[str]:
    """The formats that a help text lists for `-o`."""
    found = re.search(r"--output FORMAT +(.*?)\n +-", text, re.DOTALL)
    return re.findall(r"[a-z]+", re.sub(r"\(default\)|\bor\b", "", found[1])) if found else []


def required(command: Any) -> list[str]:
    """Something for each parameter that must be given."""
    words = []
    for parameter in command.params:
        if parameter.required:
            words += ["x"] if parameter.param_type_name == "argument" else [parameter.opts[0], "x"]
    return words


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_lists_exactly_the_formats_that_are_accepted(path: tuple[str, ...]) -> None:
    listed = formats(helped(*path))
    if not listed:
        assert path[-1] in ("completion", "down", "run", "create")
        return
    code, _, err = say(*path, *required(COMMANDS[path]), "-o", "nonsense")
    assert code == 2
    assert re.findall(r"[a-z]+", err.partition("one of ")[2]) == listed


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_with_a_value_says_what_it_wants(path: tuple[str, ...]) -> None:
    assert not re.search(r"<(str|int|float|text)", helped(*path))
    shown = [option for option in COMMANDS[path].params if not option.hidden and not getattr(option, "is_flag", False)]
    assert all(option.metavar for option in shown)


@pytest.mark.parametrize("path", [("cert", "list"), ("check",), ("enable",), ("rotate-ca", "status"), ("status",)])
def test_which_cluster_is_a_section_of_its_own(path: tuple[str, ...]) -> None:
    own, _, shared = helped(*path).partition(GLOBAL)
    for flag in ("--kubeconfig", "--context", "--lab", "--as", "--request-timeout"):
        assert flag in shared
        assert flag not in own


@pytest.mark.parametrize(
    ("path", "without"),
    [
        (("version",), ["--kubeconfig", "--dry-run", "-n,", "-f,"]),
        (("completion",), ["--output", "--kubeconfig", "--yes"]),
        (("cert", "list"), ["--dry-run", "--yes", "--timeout "]),
        (("enable",), ["-n,"]),
        (("generate", "issuers"), ["--kubeconfig", "-f,", "--yes"]),
        (("lab", "up"), ["--kubeconfig", "-n,", "--dry-run"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_flags_that_mean_nothing_to_a_command_are_not_shown(path: tuple[str, ...], without: list[str]) -> None:
    text = helped(*path)
    assert [flag for flag in without if flag in text] == []


def test_the_first_page_has_every_global_flag_and_every_command() -> None:
    text = helped()
    for flag in ("--version", "--kubeconfig", "--dry-run", "--namespace", "--filename", "--no-color"):
        assert flag in text
    assert "rotate-ca" in text


def test_a_family_tells_whole_sentences_and_takes_the_global_flags_before_its_commands(tmp_path: Path) -> None:
    assert "..." not in helped("trust").partition("Commands:")[2]
    assert say("trust", "--no-color", "list", "-f", str(write(healthy(), tmp_path)))[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["enable", "--cluster-local", "-n", "team-a"],
        ["rotate-ca", "--new-secret", "ca2", "-n", "team-a"],
        ["-n", "team-a", "disable", "--cluster-local"],
        ["rotate-ca", "status", "-n", "team-a"],
    ],
    ids=" ".join,
)
def test_a_namespace_where_the_whole_cluster_is_meant_is_refused(words: list[str]) -> None:
    code, _, err = say(*words)
    assert (code, err) == (2, "kntls: -n: it means nothing to this command (fix: leave it out)\n")


@pytest.mark.parametrize("words", [["lab", "down"], ["lab", "run", "true"], ["demo"]], ids=" ".join)
def test_a_dry_run_of_what_has_no_plan_is_refused(words: list[str]) -> None:
    code, _, err = say("--dry-run", *words)
    assert (code, err) == (2, "kntls: --dry-run: it means nothing to this command (fix: leave it out)\n")


def test_a_dry_run_of_what_only_reads_is_what_it_is_anyway(tmp_path: Path) -> None:
    assert say("status", "--dry-run", "-f", str(write(healthy(), tmp_path)))[0] == 0
    assert say("generate", "issuers", "--dry-run")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["cert", "list", "-n", ""],
        ["status", "--kubeconfig", ""],
        ["rotate-ca", "--new-secret", "ca2", "--until", ""],
        ["cert", "verify", ""],
        ["--context", "", "status"],
    ],
    ids=" ".join,
)
def test_a_flag_given_with_nothing_is_an_unset_variable_and_no_default(words: list[str]) -> None:
    code, _, err = say(*words)
    assert code == 2
    assert "it was given with nothing" in err


@pytest.mark.parametrize("words", [["status", "--timeout", "soon"], ["status", "--request-timeout", "soon"]])
def test_durations_are_judged_by_every_command(words: list[str]) -> None:
    code, _, err = say(*words)
    assert code == 2
    assert "not a duration" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cert", "lst"], "no such command 'lst'. Did you mean 'list'? (fix: see `kntls cert --help`)"),
        (["cert", "list", "--foo"], "no such option: --foo (fix: see `kntls cert list --help`)"),
        (["trust", "remove"], "missing argument 'SHA256' (fix: see `kntls trust remove --help`)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_line_that_cannot_be_read_is_answered_in_one_line(words: list[str], said: str) -> None:
    assert say(*words) == (2, "", f"kntls: {said}\n")
