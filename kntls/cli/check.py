"""`kntls check`: is everything right?"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.options import CHANGES, DOCUMENTS, READS, SIMPLE, Common, group, with_common
from kntls.cli.session import live, output_of, require_namespace, seconds
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.checks import Check
    from kntls.checks.run import Report, Result
    from kntls.cli.session import Live
    from kntls.model.kinds import Kind
    from kntls.model.objects import ObjectRef
    from kntls.model.observation import Observation

app = group("Is everything right?")

FORMATS = ("table", "wide", "short", "name", "json", "yaml", "junit", "sarif")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE = 3.0
"""Seconds between two looks with `--wait`."""

Names = Annotated[
    list[str] | None, typer.Argument(help="checks (KN-TRUST-003) or categories; all without", metavar="NAME...")
]
Pre = Annotated[bool, typer.Option("--pre", help="is this cluster ready for encryption?")]
Wait = Annotated[
    str, typer.Option("--wait", help="look again until nothing is wrong, at most so long", metavar="DURATION")
]
FailOn = Annotated[
    str, typer.Option("--fail-on", help="exit 1 from this severity on: error or warning", metavar="LEVEL")
]
Smoke = Annotated[bool, typer.Option("--smoke", help="call a throw-away Service by every name it has")]
Image = Annotated[str, typer.Option("--image", help="its image (that of a running Service)", metavar="IMAGE")]
Fix = Annotated[bool, typer.Option("--fix", help="mend what can be mended without breaking a connection")]


def _kinds() -> list[Kind]:
    """What a check sees beyond objects; logs last, for they are read where handshakes failed."""
    from kntls.model.kinds import CRD, HANDSHAKES, LOG, SELF_SUBJECT_ACCESS_REVIEW

    return [HANDSHAKES, CRD, SELF_SUBJECT_ACCESS_REVIEW, LOG]


def _session(common: Common, *, smoke: bool = False) -> Live:
    """Connect, observe, and gather the evidence only checks need; Services only for a smoke test."""
    from kntls.checks.certmanager import REQUIRED_CRDS
    from kntls.checks.essence import SEEN, essence
    from kntls.checks.facts import Facts
    from kntls.checks.permissions import everything
    from kntls.model.kinds import CRD, KSERVICE, LOG, SELF_SUBJECT_ACCESS_REVIEW
    from kntls.observe.access import asking
    from kntls.observe.evidence import definitions, log_lines

    def silent(observation: Observation) -> list[ObjectRef]:
        return [shown.server for shown in observation.presented if shown.role == "queue-proxy" and shown.error]

    kinds = SEEN | {KSERVICE} if smoke else SEEN
    session = live(common, partial=True, kinds=kinds, reduce=essence)
    session.observer.senses = {
        **session.observer.senses,
        CRD: definitions(REQUIRED_CRDS),
        SELF_SUBJECT_ACCESS_REVIEW: asking(lambda seen: everything(Facts(seen))),
        LOG: log_lines(silent, "queue-proxy"),
    }
    require_namespace(session.observation, common.namespace)
    session.look(_kinds(), session.observation)
    return session


def _again(session: Live) -> Observation:
    from kntls.checks.essence import SEEN

    return session.look([*SEEN, *_kinds()], session.observation)


def _offline(common: Common) -> Observation:
    from kntls.observe.files import from_files

    found = from_files(common.files or (), datetime.now(UTC))
    require_namespace(found, common.namespace)
    return found


def _judge(observation: Observation, checks: tuple[Check, ...], namespace: str | None) -> Report:
    from kntls.checks.run import run, within

    report = run(observation, checks)
    return within(report, namespace) if namespace else report


def _bad(report: Report, *, strict: bool) -> tuple[Result, ...]:
    """What makes the command fail."""
    return (*report.errors, *(report.warnings if strict else ()))


def _until_right(
    session: Live, checks: tuple[Check, ...], namespace: str | None, limit: float, *, strict: bool
) -> Report:
    """Look again and again until nothing makes it fail or the time is up; says on a terminal what still does."""
    end = time.monotonic() + limit
    report = _judge(session.observation, checks, namespace)
    while (bad := _bad(report, strict=strict)) and time.monotonic() < end:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{len(bad)} wrong, first {bad[0].check.id}; looking again …")
        time.sleep(min(PAUSE, max(0.0, end - time.monotonic())))
        report = _judge(_again(session), checks, namespace)
    if sys.stderr.isatty() and limit:
        sys.stderr.write("\r\033[K")
    return report


def _show(report: Report, output: str, common: Common, *, strict: bool) -> None:
    from kntls.report import check_junit, checks, sarif
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful, width

    if output in ("json", "yaml"):
        emit("CheckReport", checks.body(report), output)
    elif output == "junit":
        sys.stdout.write(check_junit.render(report, strict=strict))
    elif output == "sarif":
        sys.stdout.write(sarif.render(report))
    elif output == "name":
        sys.stdout.write(checks.names(report))
    else:
        paint = Paint(colourful(sys.stdout, common.no_color))
        everything, short = output == "wide", output == "short"
        sys.stdout.write(checks.render(report, paint, min(width(), 120), short=short, everything=everything))


def _mend(session: Live, report: Report, common: Common) -> bool:
    """Plan, ask, apply; whether anything may look different now. What is not mended is told with its command."""
    from kntls.checks.facts import Facts
    from kntls.checks.repair import plan
    from kntls.cli.carry import carry_out, tell

    mending = plan(session.observation, report)
    if not report.errors and not report.warnings:
        sys.stderr.write("There is nothing to mend.\n")
        return not common.dry_run
    if not mending.actions:
        reasons = "".join(f"  {note}\n" for note in mending.notes)
        sys.stderr.write(f"Nothing here can be mended without a decision of yours.\n{reasons}")
        if common.dry_run:
            tell(mending, session.observation, common)
        return not common.dry_run
    plain = common if common.output in DOCUMENTS else replace(common, output="table")
    return carry_out(mending, session, plain, namespace=Facts(session.observation).serving) is not None


def _interrupt_once(*_: object) -> None:
    """Interrupt; whatever comes after that must not keep the Service from being removed."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    sys.stderr.write("kntls: interrupted; removing the Service …\n")
    raise KeyboardInterrupt


def _smoke(session: Live, common: Common, image: str, output: str) -> int:
    """Run the smoke test, each step shown as it is seen. An interrupt removes the Service, too; a second one waits."""
    from kntls.checks.facts import Facts
    from kntls.checks.smoke import Smoke, home_of, require_knative, running_image
    from kntls.probe.reach import dialer_for
    from kntls.report import smoke
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful

    facts = Facts(session.observation)
    require_knative(facts)
    test = Smoke(
        session.cluster,
        facts,
        dialer_for(session.cluster),
        common.namespace or home_of(facts),
        image or running_image(facts),
        seconds(common.timeout or "2m", "--timeout"),
    )
    for number in STOPPING:
        signal.signal(number, _interrupt_once)
    seen = []
    paint = Paint(colourful(sys.stdout, common.no_color))
    try:
        for step in test.run():
            seen.append(step)
            if output not in ("json", "yaml"):
                sys.stdout.write(smoke.line(step, paint))
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("kntls: the Service is removed again\n")
        return int(ExitCode.INTERRUPTED)
    if output in ("json", "yaml"):
        emit("SmokeReport", smoke.body(seen), output)
    return int(ExitCode.OK if all(step.ok for step in seen) else ExitCode.FINDINGS)


def _require_alone(output: str, *, other: bool) -> None:
    """Raise `UsageError` for a smoke test that is to do something else, too."""
    if other:
        raise UsageError("it runs alone", where="--smoke", fix="leave out names, --pre, --fix, --wait and --dry-run")
    if output not in SIMPLE:
        raise UsageError(f"the smoke test has no {output!r}", where="-o", fix=f"one of {', '.join(SIMPLE)}")


def check(
    common: Common,
    names: Names = None,
    pre: Pre = False,
    wait: Wait = "",
    fail_on: FailOn = "error",
    fix: Fix = False,
    smoke: Smoke = False,
    image: Image = "",
) -> int:
    """Check everything that transport encryption needs, and say what is wrong, why, and how to mend it.

    Exits 1 when something is wrong. What could not be looked at is listed, never taken for fine.
    """
    from kntls.checks.run import select

    output = output_of(common)
    if smoke:
        _require_alone(output, other=bool(fix or wait or pre or names or common.dry_run))
    if image and not smoke:
        raise UsageError("it is the smoke test's", where="--image", fix="add --smoke")
    if fail_on not in ("error", "warning"):
        raise UsageError(f"no such level: {fail_on!r}", where="--fail-on", fix="error or warning")
    chosen = select(names or (), pre=pre)
    limit, strict = seconds(wait, "--wait") if wait else 0.0, fail_on == "warning"
    if common.files:
        if fix or wait or smoke:
            raise UsageError("files do not change", where="-f", fix="leave --fix, --smoke and --wait out")
        report = _judge(_offline(common), chosen, common.namespace)
    else:
        session = _session(common, smoke=smoke)
        if smoke:
            return _smoke(session, common, image, output)
        report = _until_right(session, chosen, common.namespace, 0.0 if fix else limit, strict=strict)
        if fix and not _mend(session, report, common):
            return int(ExitCode.OK)
        if fix:
            _again(session)
            report = _until_right(session, chosen, common.namespace, limit, strict=strict)
    _show(report, output, common, strict=strict)
    if report.blind:
        return int(ExitCode.UNAVAILABLE)
    return int(ExitCode.FINDINGS if _bad(report, strict=strict) else ExitCode.OK)


app.command()(
    with_common(
        check,
        READS | CHANGES,
        FORMATS,
        dry_run="with --fix: print actions and diffs, change nothing",
        yes="with --fix: do not ask",
        timeout="with --fix (10m) or --smoke (2m): limit for each single wait",
    )
)
