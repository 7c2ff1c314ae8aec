"""What every changing command does with its plan: show it, ask, carry it out under the lease, say what is next."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import typer

from kntls.cli.options import Common
from kntls.cli.session import Live, Offline, output_of, seconds
from kntls.errors import Refused, UsageError

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.model.plan import Plan


def show(plan: Plan, observation: Observation, common: Common, *, diffs: bool) -> None:
    """The plan: on standard output for `--dry-run`, else on standard error before the question."""
    from kntls.report.document import emit
    from kntls.report.plans import body, render
    from kntls.report.text import Paint, colourful

    wanted = output_of(common)
    if common.dry_run and wanted in ("json", "yaml"):
        emit("Plan", body(plan, observation), wanted)
        return
    stream = sys.stdout if common.dry_run else sys.stderr
    stream.write(render(plan, observation, Paint(colourful(stream, common.no_color)), diffs=diffs))
    stream.flush()


def _require_terminal(common: Common) -> None:
    if not common.yes and not sys.stdin.isatty():
        raise UsageError("this changes the cluster and there is no terminal to ask on", fix="add --yes, or --dry-run")


def ask(common: Common) -> None:
    """Ask on a terminal; without one, `--yes` is needed. Raises `UsageError` or `typer.Abort`."""
    if common.yes:
        return
    typer.confirm("Go on?", abort=True, err=True)


def carry_out(
    plan: Plan, session: Live | Offline, common: Common, *, namespace: str, force: bool = False
) -> Observation | None:
    """Show, ask, run. None after a dry run. Raises `Refused` where the plan is refused."""
    from kntls.engine.lease import Lease
    from kntls.engine.run import Engine
    from kntls.report.plans import Lines
    from kntls.report.text import Paint, colourful

    if not plan.refusals and not common.dry_run:
        _require_terminal(common)
    show(plan, session.observation, common, diffs=bool(common.dry_run) or not common.yes)
    if plan.refusals:
        raise Refused(plan.refusals[0])
    if common.dry_run:
        return None
    if isinstance(session, Offline):
        raise UsageError("files cannot be changed, only planned against", where="-f", fix="add --dry-run")
    ask(common)
    paint = Paint(colourful(sys.stderr, common.no_color))
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with Lease(session.cluster, namespace) as lease:
        engine = Engine(
            session.cluster,
            session.look,
            Lines(len(plan.actions), paint),
            timeout=seconds(common.timeout or "10m", "--timeout"),
            force=force,
            still_ours=lambda: lease.lost,
        )
        return engine.run(plan, session.observation)
