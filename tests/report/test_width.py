"""On a terminal, tables fit its width; in a pipe nothing is cut. No colour goes to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kntls.model.objects import name_of
from kntls.report.text import LEAST, table
from tests.files import write
from tests.terminal import on_terminal, say
from tests.world import OPENSHIFT, UPSTREAM, healthy

COMMANDS = (
    ["status"],
    ["trust", "list"],
    ["trust", "show"],
    ["cert", "list"],
    ["rotate-ca", "status"],
    ["rotate-ca", "--new-secret", "ca2", "--dry-run"],
)
HEAD = ("NAMESPACE", "NAME", "ISSUER", "STATUS")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flavour", [UPSTREAM, OPENSHIFT])
def test_on_a_terminal_every_line_fits_its_columns(command: list[str], flavour: str, tmp_path: Path) -> None:
    text = on_terminal(80, *command, "-f", str(write(healthy(flavour), tmp_path)))
    assert text.strip()
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_in_a_pipe_nothing_is_cut_and_nothing_coloured(command: list[str], tmp_path: Path) -> None:
    code, out, _ = say(*command, "-f", str(write(healthy(), tmp_path)))
    assert code == 0
    assert "\033[" not in out
    assert not re.search(r"\w…\w", out), "only PEM blocks and fingerprints are shortened, at their end"


def test_names_can_be_looked_for_in_a_pipe_and_in_a_wide_table_on_a_terminal(tmp_path: Path) -> None:
    world = healthy()
    files = str(write(world, tmp_path))
    names = [
        name_of(obj) for kind, items in world.objects.items() if str(kind) == "Certificate" for obj in items.values()
    ]
    assert any(len(name) > 22 for name in names)
    _, piped, _ = say("cert", "list", "-f", files)
    assert [name for name in names if name not in piped] == []
    wide = on_terminal(80, "cert", "list", "-o", "wide", "-f", files)
    assert [name for name in names if name not in wide] == []
    assert "…" in on_terminal(80, "cert", "list", "-f", files)


def test_the_longest_cells_are_cut_first_and_the_spare_column_before_them() -> None:
    rows = [("team-a", "n" * 40, "i" * 30, "ok")]
    fitted = table(HEAD, rows, 60, "ISSUER").splitlines()
    assert max(map(len, fitted)) <= 60
    issuer = fitted[1].split()[2]
    assert len(issuer) == LEAST
    assert issuer.startswith("iii")
    assert "n" * 40 in table(HEAD, rows)


def test_a_table_that_cannot_fit_keeps_enough_of_each_cell_to_tell_it() -> None:
    rows = [tuple(letter * 30 for letter in "abcd")]
    assert all(len(cell) == LEAST for cell in table(HEAD, rows, 20).splitlines()[1].split())
