"""`kntls mesh test`: a table of requests with expected outcomes, run offline or on real Envoys."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.mesh_input import input_of, read_text
from kntls.cli.options import READS, Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.mesh.cases import Result

app = group("Policy unit tests.")

FORMATS = ("table", "short", "json", "yaml", "junit", "sarif")
_ENGINES = ("offline", "envoy")


def run_cases(
    common: Common,
    cases: Annotated[str, typer.Argument(metavar="CASES.json", help="the table of requests; - for standard input")],
    on: Annotated[
        str, typer.Option("--on", help="offline, or real Envoys on this machine", metavar="ENGINE")
    ] = "offline",
) -> int:
    """Run a table of requests through the policies given with -f, or through the cluster's.

    Each case names a source, a target, a request and what must come of it. Exit code 1 if any comes out otherwise.

    \b
        kntls mesh test cases.json -f policies/
        kntls mesh test cases.json -f policies/ --on envoy -o junit > report.xml
    """
    output = output_of(common)
    if on not in _ENGINES:
        raise UsageError(f"no such engine: {on!r}", where="--on", fix=f"one of {', '.join(_ENGINES)}")
    results = _run(common, cases, on)
    _show(results, cases, on, output)
    return int(ExitCode.OK if all(result.passed or result.skipped for result in results) else ExitCode.FINDINGS)


def _run(common: Common, path: str, on: str) -> list[Result]:
    from kntls.mesh.cases import Worlds, read_table, run

    if path == "-" and "-" in (common.files or ()):
        raise UsageError("standard input cannot be both the cases and the policies")
    name, text = ("standard input", sys.stdin.read()) if path == "-" else (path, read_text(path))
    table, worlds = read_table(text, name), Worlds(input_of(common))
    now = time.time()
    if on == "offline":
        measuring: Any = nullcontext()
    else:
        from kntls.mesh.envoy.table import measuring as on_envoys

        measuring = on_envoys(table, worlds, path)
    with measuring as measure:
        return list(run(table, worlds, path, now=now, measure=measure))


def _show(results: Sequence[Result], path: str, on: str, output: str) -> None:
    from kntls.report import mesh_cases
    from kntls.report.document import emit

    if output in ("json", "yaml"):
        emit("MeshTestReport", mesh_cases.body(results, on), output)
    elif output == "junit":
        typer.echo(mesh_cases.xml(results, path), nl=False)
    elif output == "sarif":
        typer.echo(mesh_cases.code_scanning(results, path), nl=False)
    else:
        typer.echo("\n".join(mesh_cases.text(results, on, verbose=output == "table")))


app.command(name="test")(with_common(run_cases, READS - {"namespace"}, FORMATS))
