"""`kntls mesh status`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from kntls.cli.mesh_input import load
from kntls.cli.options import READS, TABLES, Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode

app = group("mTLS as it is, and as Kiali shows it.")


def status(
    common: Common,
    root_namespace: Annotated[
        str | None,
        typer.Option("--root-namespace", help="the control plane's namespace", metavar="NS", show_default=False),
    ] = None,
) -> None:
    """What every port accepts, what Kiali's lock says about it, and which part of Knative's integration is missing.

    Exit code 1 if Kiali and the truth disagree, or a part is missing.
    """
    from dataclasses import replace

    from kntls.mesh.lint.model import World
    from kntls.mesh.status import status as judge
    from kntls.report.document import emit
    from kntls.report.mesh import body, render
    from kntls.report.text import Paint, colourful

    output = output_of(common)
    resources, unread = load(common)
    found = judge(World(resources, root_namespace or "", live=not common.files, now=datetime.now(UTC)))
    if common.namespace:
        ports = tuple(row for row in found.ports if row.namespace == common.namespace)
        found = replace(found, ports=ports, columns=tuple(c for c in found.columns if c[0] == common.namespace))
    if output in ("json", "yaml"):
        emit("MeshStatus", body(found, unread), output)
    else:
        typer.echo(render(found, unread, Paint(colourful(sys.stdout, common.no_color))), nl=False)
    if found.disagreements or any(part.there is False for part in found.parts):
        raise typer.Exit(int(ExitCode.FINDINGS))


app.command()(with_common(status, READS, TABLES))
