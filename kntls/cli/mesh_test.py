"""`kntls mesh test`: a table of requests with expected outcomes, run offline or on real Envoys."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.options import Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode, InputError, UsageError

if TYPE_CHECKING:
    from kntls.mesh.cases import Result

app = group("Policy unit tests.")

_OUTPUTS = ("table", "short", "json", "yaml", "junit")
_ENGINES = ("offline", "envoy")


def run_cases(
    common: Common,
    cases: Annotated[str, typer.Argument(metavar="CASES.json", help="the table of requests")],
    on: Annotated[
        str, typer.Option("--on", help="offline, or real Envoys on this machine", metavar="ENGINE")
    ] = "offline",
) -> int:
    """Run a table of requests through the policies given with -f.

    Each case names a source, a target, a request and what must come of it. Exit code 1 if any comes out otherwise.
    """
    output = output_of(common, _OUTPUTS)
    if on not in _ENGINES:
        raise UsageError(f"no such engine: {on!r}", where="--on", fix=f"one of {', '.join(_ENGINES)}")
    results = _run(common, cases, on)
    _show(results, cases, on, output)
    return int(ExitCode.OK if all(result.passed or result.skipped for result in results) else ExitCode.FINDINGS)


def _run(common: Common, path: str, on: str) -> list[Result]:
    from kntls.mesh import resources
    from kntls.mesh.cases import Worlds, read_table, run

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=path) from None
    table, worlds = read_table(text, path), Worlds(resources.read(common.files or ()))
    now = time.time()
    if on == "offline":
        measuring: Any = nullcontext()
    else:
        from kntls.mesh.envoy.table import measuring as on_envoys

        measuring = on_envoys(table, worlds, path)
    with measuring as measure:
        return list(run(table, worlds, path, now=now, measure=measure))


def _show(results: Sequence[Result], path: str, on: str, output: str) -> None:
    if output in ("json", "yaml"):
        from kntls.report.document import emit

        emit("MeshTestReport", _body(results, on), output)
    elif output == "junit":
        from kntls.report.junit import JUnitCase, junit

        named = [JUnitCase(_title(result), "\n".join(_lines(result)), result.skipped) for result in results]
        typer.echo(junit(path, named), nl=False)
    else:
        _table(results, on, verbose=output == "table")


def _table(results: Sequence[Result], on: str, *, verbose: bool) -> None:
    for result in results:
        if result.reason:
            first, *rest = _lines(result)
            typer.echo(f"FAIL {_title(result)}: {first}")
            for line in rest if verbose else ():
                typer.echo(f"     {line}")
        elif result.skipped:
            typer.echo(f"SKIP {_title(result)}: {result.skipped}")
    typer.echo(_totals(results, on))


def _totals(results: Iterable[Result], on: str) -> str:
    worst: dict[str, int] = {}
    for result in results:
        grade = 2 if result.reason else int(bool(result.skipped))
        worst[result.case.id] = max(worst.get(result.case.id, 0), grade)
    grades = list(worst.values())
    skipped = f", {grades.count(1)} skipped" if 1 in grades else ""
    place = "on Envoy" if on == "envoy" else "offline"
    return f"{len(grades)} cases {place}: {grades.count(0)} passed, {grades.count(2)} failed{skipped}"


def _title(result: Result) -> str:
    return result.case.id if result.case.hops else f"{result.case.id} ({' → '.join(result.route.names)})"


def _lines(result: Result) -> list[str]:
    """What went wrong, and what the offline evaluator says of each hop."""
    from kntls.mesh.why import near_misses, sentence

    if not result.reason:
        return []
    lines = [result.reason]
    lines += (
        f"{hop.client.name} → {hop.server.name}:{hop.request.port}  {hop.connection.wire}; {sentence(hop)}"
        for hop in result.verdict.hops
    )
    last, world = result.verdict.last, result.world
    if not last.decision.allowed and not last.decision.rule:
        for miss in near_misses(world.engine.enforcement(last.server, tcp=last.request.tcp), last.request)[:1]:
            failing = ", ".join(map(str, miss.failing))
            lines.append(f"nearest: {miss.rule.key} fails at {failing}")
    return lines


def _body(results: Sequence[Result], on: str) -> dict[str, Any]:
    from kntls.mesh.cases import totals

    passed, failed, skipped = totals(results)
    return {
        "on": on,
        "summary": {"passed": passed, "failed": failed, "skipped": skipped},
        "cases": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
    from kntls.mesh.why import sentence

    outcome = "failed" if result.reason else "skipped" if result.skipped else "passed"
    last = result.verdict.last
    entry: dict[str, Any] = {
        "id": result.case.id,
        "outcome": outcome,
        "expect": result.case.expect,
        "got": result.got.code,
        "route": list(result.route.names),
        "deniedAt": result.got.denied_at,
        "decidedBy": last.decision.rule.key if last.decision.rule else "",
        "reason": sentence(last),
    }
    if result.reason or result.skipped:
        entry["message"] = result.reason or result.skipped
    return entry


app.command(name="test")(with_common(run_cases))
