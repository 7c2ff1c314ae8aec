"""What people read fits a terminal of 80 columns, and has no colour where it goes to a file."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from kntls.cli.main import run
from tests.files import write
from tests.world import OPENSHIFT, UPSTREAM, healthy

COMMANDS = (
    ["status"],
    ["trust", "list"],
    ["trust", "show"],
    ["cert", "list"],
    ["rotate-ca", "status"],
    ["rotate-ca", "--new-secret", "ca2", "--dry-run"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flavour", [UPSTREAM, OPENSHIFT])
def test_every_line_fits_eighty_columns_without_colour(command, flavour, tmp_path):
    out = io.StringIO()
    with redirect_stdout(out):
        assert run([*command, "-f", str(write(healthy(flavour), tmp_path))]) == 0
    too_long = [line for line in out.getvalue().splitlines() if len(line) > 80]
    assert too_long == []
    assert "\033[" not in out.getvalue()
