"""`kntls mesh explain` and `kntls mesh matrix`: would a request pass, why, and what isolates the tenants."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.mesh_input import input_of
from kntls.cli.options import Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.mesh.explain import Explained, Question
    from kntls.mesh.matrix import Cell, Matrix
    from kntls.mesh.topology import Topology
    from kntls.mesh.walk import Hop, World

app = group("Verdicts on requests.")

_WIDTH = 80
_FROM = typer.Option("--from", help="the caller: NAMESPACE/SERVICEACCOUNT or a pod", metavar="NS/SA|POD")
_TO = typer.Option("--to", help="where to: NAMESPACE/SERVICE:PORT", metavar="NS/SVC:PORT")
_NO_SIDECAR = typer.Option("--no-sidecar", help="the caller has no sidecar")
_HEADER = typer.Option("--header", help="a header, as NAME: VALUE; repeatable", metavar="NAME:VALUE")
_CLAIM = typer.Option(
    "--jwt-claim", help="a claim of the token it carries, as NAME=VALUE; repeatable", metavar="NAME=VALUE"
)
_HOST = typer.Option("--host", help="the Host header (the Service's name)", metavar="HOST")


def explain(
    common: Common,
    source: Annotated[str, _FROM],
    target: Annotated[str, _TO],
    no_sidecar: Annotated[bool, _NO_SIDECAR] = False,
    method: Annotated[str, typer.Option("--method", help="the HTTP method", metavar="METHOD")] = "GET",
    path: Annotated[str, typer.Option("--path", help="the path, with its query", metavar="PATH")] = "/",
    host: Annotated[str, _HOST] = "",
    header: Annotated[list[str] | None, _HEADER] = None,
    jwt_claim: Annotated[list[str] | None, _CLAIM] = None,
    ip: Annotated[str, typer.Option("--ip", help="the caller's address", metavar="IP")] = "",
    remote_ip: Annotated[str, typer.Option("--remote-ip", help="the original client's address", metavar="IP")] = "",
    tcp: Annotated[bool, typer.Option("--tcp", help="a TCP connection, whatever the port is called")] = False,
) -> None:
    """Say whether a request would pass: hop by hop, by which policy, and what would change the answer."""
    from kntls.mesh import explain as questions
    from kntls.mesh.topology import find_source, find_target

    output = output_of(common, ("table", "json", "yaml"))
    world, scene = _world(common)
    question = questions.Question(
        find_source(scene, source, sidecar=False if no_sidecar else None),
        find_target(scene, target),
        method,
        path,
        host,
        dict(_pair(text, ":", "--header") for text in header or ()),
        {name: _value(value) for name, value in (_pair(text, "=", "--jwt-claim") for text in jwt_claim or ())} or None,
        _address(ip, "--ip"),
        _address(remote_ip, "--remote-ip"),
        tcp=True if tcp else None,
    )
    found = questions.explain(world, scene, question, now=time.time())
    if output == "table":
        typer.echo("\n".join(_text(question, scene, found)))
        return
    from kntls.report.document import emit

    emit("MeshExplanation", _body(question, scene, found), output)


def _world(common: Common) -> tuple[World, Topology]:
    from kntls.mesh.control import with_implied
    from kntls.mesh.topology import topology
    from kntls.mesh.world import build

    resources = with_implied(input_of(common))
    world = build(resources)
    return world, topology(resources, world.engine.mesh)


def _pair(text: str, mark: str, flag: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name:
        raise UsageError(f"not NAME{mark}VALUE: {text!r}", where=flag)
    return name.strip(), value.strip()


def _value(text: str) -> Any:
    """A claim's value: JSON where it is some, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _address(text: str, flag: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise UsageError(f"no IP address: {text!r}", where=flag) from None


_WORDS = {
    "200": "passes",
    "400": "bad request",
    "401": "unauthenticated",
    "403": "denied",
    "503": "fails in the caller's own sidecar",
    "000": "refused: no connection",
}


def _text(question: Question, scene: Topology, found: tuple[Explained, ...]) -> Iterator[str]:
    from kntls.mesh.explain import agreed

    code = agreed(found)
    what = f"{question.source.name} → {question.place.workload.name}"
    if code:
        yield f"{code} {_WORDS.get(code, '')}  {what}".rstrip()
    else:
        codes = " or ".join(dict.fromkeys(each.verdict.code for each in found))
        yield f"{codes}, depending on the route  {what}"
    for each in found:
        yield ""
        yield from _route_text(each)
    for note in _notes(question, scene, found):
        yield ""
        yield from _wrap(f"note: {note}", "")


def _route_text(each: Explained) -> Iterator[str]:
    yield from _wrap(f"{each.verdict.code}  {each.route.reason}", "")
    for number, hop in enumerate(each.verdict.hops, start=1):
        yield from _hop_text(number, hop, each)
    for remark in each.remarks:
        yield from _wrap(f"note: {remark}", "     ")
    if each.advice:
        yield from _wrap(f"the caller can {each.advice}", "  ")
    for index, change in enumerate(each.changes):
        yield from _wrap(f"{'and then' if index else 'to turn it round'}: {change.text}", "  ")


def _hop_text(number: int, hop: Hop, each: Explained) -> Iterator[str]:
    from kntls.mesh.why import sentence

    wire = f"{hop.connection.wire} ({hop.connection.reason})"
    yield from _wrap(f"{number}. {hop.client.name} → {hop.server.name}:{hop.request.port}  {wire}", "  ")
    yield from _wrap(sentence(hop), "     ")
    policy = hop.decision.policy
    if policy is not None and policy.location:
        yield from _wrap(f"({policy.location})", "     ")
    if each.nearest and hop is each.verdict.last:
        failing = "; ".join(map(str, each.nearest.failing))
        yield from _wrap(
            f"nearest: {each.nearest.rule.policy} rule {each.nearest.rule.index} fails at {failing}", "     "
        )


def _notes(question: Question, scene: Topology, found: tuple[Explained, ...]) -> Iterator[str]:
    """What was assumed of the workloads on these routes."""
    passed = {workload.name: workload for each in found for workload in each.route.chain}
    for workload, text in scene.assumed:
        if workload.name in passed:
            yield text
    for name, workload in passed.items():
        if name in scene.unsure and workload.mesh:
            yield f"the input does not say whether {name} has a sidecar: it is assumed to have one"
    if question.source.mesh and question.source.name not in scene.names:
        yield f"{question.source.name} is not in the input: it is assumed to have a sidecar"
    if not scene.gateway_known and any(_enters_in_plaintext(each) for each in found):
        yield "the input has no Gateway knative-local-gateway: it is assumed to take plaintext"


def _enters_in_plaintext(each: Explained) -> bool:
    from kntls.mesh.authz.selection import is_gateway

    first = each.verdict.hops[0]
    return is_gateway(first.server) and first.request.peer is None and first.decision.allowed


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _body(question: Question, scene: Topology, found: tuple[Explained, ...]) -> dict[str, Any]:
    from kntls.mesh.explain import agreed

    return {
        "from": question.source.name,
        "to": question.place.workload.name,
        "verdict": agreed(found),
        "routes": [_route_body(each) for each in found],
        "assumed": list(_notes(question, scene, found)),
    }


def _route_body(each: Explained) -> dict[str, Any]:
    return {
        "reason": each.route.reason,
        "verdict": each.verdict.code,
        "deniedAt": each.verdict.denied_at.name if each.verdict.denied_at else "",
        "hops": [_hop_body(hop) for hop in each.verdict.hops],
        "changes": [change.text for change in each.changes],
        "advice": each.advice,
        "nearest": _nearest_body(each),
        "remarks": list(each.remarks),
    }


def _nearest_body(each: Explained) -> dict[str, Any] | None:
    if each.nearest is None:
        return None
    policy = each.nearest.rule.policy
    return {
        "policy": f"{policy.namespace}/{policy.name}",
        "rule": each.nearest.rule.index,
        "failing": [str(clause) for clause in each.nearest.failing],
    }


def _hop_body(hop: Hop) -> dict[str, Any]:
    from kntls.mesh.why import sentence

    policy = hop.decision.policy
    return {
        "from": hop.client.name,
        "to": hop.server.name,
        "port": hop.request.port,
        "wire": str(hop.connection.wire),
        "wireReason": hop.connection.reason,
        "mode": str(hop.decision.mode.mode),
        "code": hop.decision.code,
        "policy": f"{policy.namespace}/{policy.name}" if policy else "",
        "rule": hop.decision.rule.index if hop.decision.rule else None,
        "location": policy.location if policy else "",
        "reason": sentence(hop),
    }


_TENANT = typer.Option("--tenant", help="a tenant, as NAME=NS[,NS…]; repeatable", metavar="NAME=NS")


def matrix(
    common: Common,
    tenant: Annotated[list[str] | None, _TENANT] = None,
    no_sidecar: Annotated[bool, _NO_SIDECAR] = False,
) -> int:
    """Every tenant against every tenant on every path: own services must answer, others' must refuse.

    Eight paths: within a tenant and across, directly, by the activator, and both again by the local gateway's address.
    Exit code 1 if a tenant reaches another, or does not reach itself.
    """
    from kntls.mesh.matrix import matrix as measure

    output = output_of(common, ("table", "wide", "json", "yaml", "html"))
    world, scene = _world(common)
    tenants = dict(_pair(text, "=", "--tenant") for text in tenant or ())
    found = measure(
        world, scene, {name: tuple(spaces.split(",")) for name, spaces in tenants.items()}, sidecar=not no_sidecar
    )
    if output == "html":
        from kntls.report.heatmap import heat_map

        typer.echo(heat_map(_heat(found)), nl=False)
    elif output in ("json", "yaml"):
        from kntls.report.document import emit

        emit("MeshMatrix", {"isolated": found.isolated, "cells": [_cell_body(cell) for cell in found.cells]}, output)
    else:
        typer.echo("\n".join(_matrix_text(found, wide=output == "wide")))
    return int(ExitCode.OK if found.isolated else ExitCode.FINDINGS)


def _matrix_text(found: Matrix, *, wide: bool) -> Iterator[str]:
    rows = [(cell.source, cell.target, cell.path, "/".join(cell.codes), cell.mark) for cell in found.cells]
    yield from _columns([("FROM", "TO", "PATH", "CODE", ""), *rows])
    wrong = [cell for cell in found.cells if not cell.right]
    for cell in wrong if not wide else found.cells:
        yield from _wrap(f"{cell.source} → {cell.target}, {cell.path}: {cell.reason}", "")
    yield f"{len(found.cells)} cells: {len(found.cells) - len(wrong)} as isolation demands, {len(wrong)} not"


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = list(rows)
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in lines]


def _cell_body(cell: Cell) -> dict[str, Any]:
    return {
        "from": cell.source,
        "to": cell.target,
        "path": cell.path,
        "codes": list(cell.codes),
        "expected": cell.expected,
        "right": cell.right,
        "deniedAt": cell.denied_at,
        "reason": cell.reason,
    }


def _heat(found: Matrix) -> Any:
    from kntls.report.heatmap import HeatCell, HeatMap

    cells = {
        (f"{cell.source} → {cell.target}", cell.path): HeatCell("/".join(cell.codes), cell.right, cell.reason)
        for cell in found.cells
    }
    return HeatMap("Tenant isolation", cells)


app.command()(with_common(explain))
app.command()(with_common(matrix))
