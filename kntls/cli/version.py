"""`kntls version`."""

from __future__ import annotations

import typer

from kntls import __version__
from kntls.cli.options import LOCAL, SIMPLE, Common, group, with_common

app = group("kntls's version.")


def version(common: Common) -> None:
    """Print kntls's version."""
    if common.output in ("json", "yaml"):
        from kntls.report.document import emit

        emit("Version", {"version": __version__}, common.output)
        return
    typer.echo(f"kntls {__version__}")


app.command()(with_common(version, LOCAL, SIMPLE))
