"""What every changing command does with its plan: show it, ask, carry it out under the lease, say what is next."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import typer

from kntls.cli.options import DOCUMENTS, Common
from kntls.cli.session import Live, Offline, output_of, seconds
from kntls.errors import Refused, UsageError

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.model.plan import Plan

REASONS = 5
"""Reasons of a refusal that are shown; the rest is counted."""


def show(plan: Plan, observation: Observation, common: Common, *, diffs: bool) -> None:
    """The plan: on standard output for `--dry-run`, else on standard error before the question."""
    from kntls.report.plans import render
    from kntls.report.text import Paint, colourful

    if common.dry_run and output_of(common) in DOCUMENTS:
        tell(plan, observation, common)
        return
    stream = sys.stdout if common.dry_run else sys.stderr
    paint = Paint(colourful(stream, common.no_color))
    stream.write(render(plan, observation, paint, diffs=diffs, whole=output_of(common) == "wide"))
    stream.flush()


def _require_change(session: Live | Offline, common: Common) -> None:
    """Raise `UsageError` where nothing can be changed, or nobody can be asked."""
    if isinstance(session, Offline):
        raise UsageError("files cannot be changed, only planned against", where="-f", fix="add --dry-run")
    if not common.yes and not sys.stdin.isatty():
        raise UsageError("this changes the cluster and there is no terminal to ask on", fix="add --yes, or --dry-run")


def ask(common: Common) -> None:
    """Ask on a terminal; without one, `--yes` is needed. Raises `UsageError` or `typer.Abort`."""
    if common.yes:
        return
    typer.confirm("Go on?", abort=True, err=True)


def _refusal(plan: Plan) -> Refused:
    """One reason as it is; several as a list under what was asked for."""
    if len(plan.refusals) == 1:
        return Refused(plan.refusals[0], fix=plan.remedy)
    left = len(plan.refusals) - REASONS
    more = (f"and {left} more",) if left > 0 else ()
    what = f"{plan.title}: refused for {len(plan.refusals)} reasons"
    return Refused(what, fix=plan.remedy, details=(*plan.refusals[:REASONS], *more))


def tell(plan: Plan, observation: Observation, common: Common) -> None:
    """The plan as it stands now, where a document was asked for."""
    from kntls.report.document import emit
    from kntls.report.plans import body

    if output_of(common) in DOCUMENTS:
        emit("Plan", body(plan, observation), output_of(common))


def run(
    plan: Plan, session: Live | Offline, common: Common, namespace: str, *, force: bool, done: str
) -> Observation | None:
    """Carry the plan out and say that it is `done`, or that there is nothing to do; None where nothing was written."""
    if not plan.refusals and not common.dry_run and _is_done(plan, session.observation):
        tell(plan, session.observation, common)
        sys.stderr.write(f"Nothing to do: {done}.\n")
        return None
    after = carry_out(plan, session, common, namespace=namespace, force=force)
    if after is not None:
        tell(plan, after, common)
        sys.stderr.write(f"\nDone: {done}.\n")
    return after


def _is_done(plan: Plan, observation: Observation) -> bool:
    return all(action.done(observation).complete for action in plan.actions)


def carry_out(
    plan: Plan, session: Live | Offline, common: Common, *, namespace: str, force: bool = False
) -> Observation | None:
    """Show, ask, run. None after a dry run. Raises `Refused` where the plan is refused."""
    limit = seconds(common.timeout or "10m", "--timeout")
    if plan.refusals:
        if common.dry_run:
            tell(plan, session.observation, common)
        raise _refusal(plan)
    if not common.dry_run:
        _require_change(session, common)
    show(plan, session.observation, common, diffs=bool(common.dry_run) or not common.yes)
    if common.dry_run or isinstance(session, Offline):
        return None
    ask(common)
    return _write(plan, session, common, namespace, limit, force=force)


def _write(plan: Plan, session: Live, common: Common, namespace: str, limit: float, *, force: bool) -> Observation:
    """Run the plan under the lease in that namespace."""
    from kntls.engine.lease import Lease
    from kntls.engine.run import Engine
    from kntls.report.plans import Lines
    from kntls.report.text import Paint, colourful

    lines = Lines(len(plan.actions), Paint(colourful(sys.stderr, common.no_color)))
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with Lease(session.cluster, namespace) as lease:
        engine = Engine(
            session.cluster,
            session.look,
            lines,
            timeout=limit,
            force=force,
            still_ours=lambda: lease.lost,
        )
        return engine.run(plan, session.observation)
