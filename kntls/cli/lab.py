"""`kntls lab`: the embedded cluster in the background."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.options import LOCAL, SIMPLE, Common, family, with_common
from kntls.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kntls.lab.state import State

SOAK, GRACE = 60, 90
"""Seconds a rotation waits by default."""
HELP = """The embedded cluster: a Kubernetes API on loopback with cert-manager's and Knative's behaviour.

\b
    kntls lab up
    kntls lab run -- kubectl get certificates -A
    kntls --lab status
    kntls lab down
"""

app = family(HELP, ())


def _body(state: State) -> dict[str, Any]:
    return {
        "running": True,
        "pid": state.pid,
        "server": state.url,
        "kubeconfig": str(state.kubeconfig),
        "layout": state.layout,
        "faults": list(state.faults),
        "started": state.started,
    }


def _tell(common: Common, state: State, plain: str) -> None:
    """The state as a document if one is asked for, a line otherwise."""
    if common.output in ("json", "yaml"):
        from kntls.report.document import emit

        emit("LabStatus", _body(state), common.output)
    else:
        typer.echo(plain)


def up(
    common: Common,
    port: Annotated[int, typer.Option(help="port on loopback (0: a free one)", metavar="N", min=0, max=65535)] = 0,
    layout: Annotated[str, typer.Option(help="upstream (default), operator or openshift", metavar="LAYOUT")] = "",
    speed: Annotated[
        float, typer.Option(help="how much faster than real its waits are", metavar="FACTOR", min=0.1, max=3600)
    ] = 60.0,
    fault: Annotated[
        list[str] | None, typer.Option(help="KIND[=VALUE][@VERB[:RESOURCE]][*TIMES]; may be repeated", metavar="SPEC")
    ] = None,
    source: Annotated[
        str, typer.Option("--from", help="rehearse on a copy of this cluster's objects", metavar="DIR|FILE|-")
    ] = "",
) -> None:
    """Start the lab and print the path of its kubeconfig.

    Faults: slow, conflict, throttle, error, reset, watch-drop, gone, cert-manager=down|failing, no-reload=CONSUMER.
    """
    from kntls.lab.state import Settings, check_none
    from kntls.lab.state import up as start

    _check_faults(fault or ())
    check_none()
    twin = _gathered(source, layout) if source else ""
    state = start(Settings(port, layout or "upstream", speed, tuple(fault or ()), twin))
    typer.echo(f"lab: serving {state.layout} at {state.url} (process {state.pid})", err=True)
    if speed > 1:
        typer.echo(f"lab: {_hurry(speed)}", err=True)
    _tell(common, state, str(state.kubeconfig))


def _hurry(speed: float) -> str:
    """Which of the waits are shorter here, and how to shorten the others."""
    soak, grace = (math.ceil(seconds / speed) + 1 for seconds in (SOAK, GRACE))
    ours = f"kntls rotate-ca waits in real time: --soak {soak}s --grace {grace}s will do"
    return f"the cluster's own waits are {speed:g} times shorter; {ours}"


def _check_faults(specs: Iterable[str]) -> None:
    """Refuse faults that do not exist, or that concern a resource the lab does not serve."""
    from kntls.lab.faults import check_resource
    from kntls.lab.resources import Registry

    known = [resource.key for resource in Registry()]
    for spec in specs:
        check_resource(spec, known)


def _gathered(source: str, layout: str) -> str:
    """Read a cluster's objects, say what became of them, and leave them for the lab's process."""
    if layout:
        raise UsageError("--layout and --from: the copy is laid out as its original", fix="leave --layout out")
    from kntls.lab.state import home
    from kntls.lab.twin import gather, store

    found = gather(source)
    for note in found.notes():
        typer.echo(note, err=True)
    path = home() / "twin.json"
    store(found, path)
    return str(path)


def down(common: Common) -> None:
    """Stop the lab and forget all it held."""
    from kntls.lab.state import down as stop

    state = stop()
    typer.echo(f"lab: process {state.pid} ended" if state else "lab: none was running", err=True)


def status(common: Common) -> None:
    """Say whether the lab runs, and where."""
    from kntls.lab.state import running

    state = running()
    faults = f", faults {' '.join(state.faults)}" if state.faults else ""
    lines = [
        f"running   {state.layout} at {state.url} since {state.started} (process {state.pid}){faults}",
        f"use it    export KUBECONFIG={state.kubeconfig}",
    ]
    _tell(common, state, "\n".join(lines))


def run(
    common: Common,
    command: Annotated[
        list[str] | None, typer.Argument(help="the program and its arguments", metavar="[--] COMMAND...")
    ] = None,
) -> None:
    """Run a command against the lab; its exit code is the command's."""
    from kntls.lab.state import environment, program, running

    if not command:
        raise UsageError("which command?", fix="`kntls lab run -- kubectl get pods --all-namespaces`")
    state = running()
    os.execve(program(command), command, environment(state))  # noqa: S606 - the user's own command


app.command()(with_common(up, LOCAL, SIMPLE))
app.command()(with_common(down, ()))
app.command()(with_common(status, LOCAL, SIMPLE))
app.command(context_settings={"allow_interspersed_args": False})(with_common(run, ()))
