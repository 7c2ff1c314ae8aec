"""`kntls mesh explain` and `kntls mesh matrix`: would a request pass, why, and what isolates the tenants."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.mesh_input import load, tenants_of, warn_of_empty
from kntls.cli.options import READS, SIMPLE, TABLES, Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.mesh.topology import Topology
    from kntls.mesh.walk import World
    from kntls.model.observation import Unread

app = group("Verdicts on requests.")

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
    """Say whether a request would pass: hop by hop, by which policy, and what would change the answer.

    \b
        kntls mesh explain --from team-a/curl --to team-b/svc:80
        kntls mesh explain -f must-gather/ --from team-a/default --to team-b/svc:80 --method POST --path /api
    """
    from kntls.mesh import explain as questions
    from kntls.mesh.topology import find_source, find_target
    from kntls.report import verdicts

    output = output_of(common)
    world, scene, unread = _world(common)
    question = questions.Question(
        find_source(scene, _in_namespace(common, source), sidecar=False if no_sidecar else None),
        find_target(scene, _in_namespace(common, target)),
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
        typer.echo("\n".join(verdicts.text(question, scene, found, unread)))
        return
    from kntls.report.document import emit

    emit("MeshExplanation", verdicts.body(question, scene, found, unread), output)


def _world(common: Common) -> tuple[World, Topology, tuple[Unread, ...]]:
    from kntls.mesh.control import with_implied
    from kntls.mesh.topology import topology
    from kntls.mesh.world import build

    found, unread = load(common)
    resources = with_implied(found)
    world = build(resources)
    return world, topology(resources, world.engine.mesh, complete=not common.files), unread


def _in_namespace(common: Common, text: str) -> str:
    """A name without its namespace is one of `-n`, where that is given."""
    return f"{common.namespace}/{text}" if common.namespace and "/" not in text else text


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


_TENANT = typer.Option("--tenant", help="a tenant, as NAME=NS[,NS…]; repeatable", metavar="NAME=NS")


def matrix(
    common: Common,
    tenant: Annotated[list[str] | None, _TENANT] = None,
    no_sidecar: Annotated[bool, _NO_SIDECAR] = False,
) -> int:
    """Every tenant against every tenant on every path: own services must answer, others' must refuse.

    Eight paths: within a tenant and across, directly, by the activator, and both again by the local gateway's address.
    Exit code 1 if a tenant reaches another, or does not reach itself.

    \b
        kntls mesh matrix -f policies/ -f services/
        kntls mesh matrix --tenant alpha=alpha-dev,alpha-prod --tenant bravo=bravo -o html > isolation.html
    """
    from kntls.mesh.matrix import matrix as measure
    from kntls.report import isolation

    output = output_of(common)
    world, scene, _ = _world(common)
    tenants = tenants_of(tenant or ())
    warn_of_empty(scene.resources, tenants)
    found = measure(world, scene, tenants, sidecar=not no_sidecar)
    if output == "html":
        typer.echo(isolation.html(found), nl=False)
    elif output in ("json", "yaml"):
        from kntls.report.document import emit

        emit("MeshMatrix", isolation.body(found), output)
    else:
        typer.echo("\n".join(isolation.text(found, wide=output == "wide")))
    return int(ExitCode.OK if found.isolated else ExitCode.FINDINGS)


app.command()(with_common(explain, READS, SIMPLE, namespace="namespace of workloads named without one"))
app.command()(with_common(matrix, READS - {"namespace"}, (*TABLES, "html")))
