"""`kntls demo`: the whole story on a cluster of its own, with the same engine that works on yours."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kntls.cli.options import LOCAL, SIMPLE, Common, group, with_common
from kntls.errors import ClusterError, ExitCode, KntlsError

if TYPE_CHECKING:
    from kntls.cli.session import Live
    from kntls.lab.clients import Clients
    from kntls.lab.world import World
    from kntls.model.plan import Action, Change, Plan, Progress
    from kntls.report.text import Paint

app = group(
    """The whole story on the embedded lab, in under a minute.

    A cluster appears, encryption goes on under traffic, the CA is rotated under
    new handshakes, and the old CA is refused at the end.
    """
)
SPEED = 60.0
SOAK, GRACE = 2.0, 2.5
"""Seconds; at this speed a queue-proxy's minute lasts one."""
POLL = 0.25
NEW_SECRET = "ca2"  # noqa: S105 - an object's name


@dataclass
class Teller:
    """Says what happens as it happens: lines in a pipe, with a moving last line on a terminal."""

    paint: Paint
    quiet: bool
    moving: bool
    clients: Clients | None = None
    _now: str = ""

    def _write(self, text: str) -> None:
        if not self.quiet:
            sys.stdout.write(text)
            sys.stdout.flush()

    def title(self, text: str) -> None:
        """A new act."""
        self._clear()
        self._write(f"\n{self.paint(text, 'bold')}\n")

    def line(self, text: str, mark: str = "√", style: str = "green") -> None:
        """Something that is so now."""
        self._clear()
        self._write(f"{self.paint(mark, style)} {text}\n")

    def _clear(self) -> None:
        if self.moving:
            self._write("\r\033[K")

    def _move(self) -> None:
        if not self.moving:
            return
        count = f"{self.clients.requests:,} requests, {self.clients.failed} failed" if self.clients else ""
        room = max(shutil.get_terminal_size().columns - len(count) - 5, 0)
        self._clear()
        self._write(self.paint(f"… {self._now[:room]}  {count}", "dim"))

    # what the engine tells

    def begin(self, action: Action) -> None:
        """An action starts."""
        self._now = action.sentence
        self._move()

    def wrote(self, action: Action, change: Change) -> None:
        """A change was written."""

    def progress(self, action: Action, progress: Progress, held: float) -> None:
        """How far it is."""
        self._move()

    def end(self, action: Action, seconds: float, skipped: bool) -> None:
        """An action is done; what was so already is not worth a line."""
        if not skipped:
            self.line(_shortened(action.sentence) + self.paint(f"  {seconds:.1f}s", "dim"))

    def restored(self, action: Action) -> None:
        """A temporary change was taken back."""

    def deferred(self) -> None:
        """An interrupt waits until it does no harm."""


def _shortened(sentence: str, size: int = 70) -> str:
    if len(sentence) <= size:
        return sentence
    return sentence[: size - 1].rsplit(" ", 1)[0].rstrip(",:;") + " …"


@dataclass
class Figures:
    """What is told at the end."""

    services: int = 0
    namespaces: int = 0
    requests: int = 0
    handshakes: int = 0
    failed: int = 0
    old_refused: bool = False
    new_accepted: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long an act takes."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)

    def body(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "services": self.services,
            "namespaces": self.namespaces,
            "requests": self.requests,
            "handshakes": self.handshakes,
            "failed": self.failed,
            "oldCaRefused": self.old_refused,
            "newCaAccepted": self.new_accepted,
            "seconds": {**self.seconds, "total": round(sum(self.seconds.values()), 1)},
        }

    @property
    def good(self) -> bool:
        """Whether the story ended as it should."""
        return not self.failed and self.old_refused and self.new_accepted


def demo(common: Common) -> int:
    """Show the whole story, on a cluster of its own that ends with it."""
    from kntls.cli.session import output_of
    from kntls.lab.embedded import Lab
    from kntls.lab.world import part
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful

    output = output_of(common)
    colour = colourful(sys.stdout, common.no_color)
    teller = Teller(Paint(colour), output != "table", colour and output == "table")
    figures, worlds = Figures(), []

    def keep(lab: Lab) -> World:
        worlds.append(part("upstream", SPEED)(lab))
        return worlds[0]

    with figures.timed("cluster"):
        lab = Lab(parts=(keep,)).start()
    try:
        _story(lab, worlds[0], teller, figures, common)
    except KntlsError as error:
        raise _cut_short(error) from None
    finally:
        lab.stop()
    if output != "table":
        emit("Demo", figures.body(), output)
    else:
        _close(teller, figures)
    return int(ExitCode.OK if figures.good else ExitCode.FINDINGS)


def _cut_short(error: KntlsError) -> BaseException:
    """What to raise instead: the demo's cluster ends with it, so there is nothing to go on with or to take back."""
    if isinstance(error.__context__, KeyboardInterrupt):
        return KeyboardInterrupt()
    return ClusterError(f"the demo did not come to its end: {error.what}", where=error.where, fix="kntls demo")


def _story(lab: Any, world: World, teller: Teller, figures: Figures, common: Common) -> None:
    from kntls.lab.clients import Clients, accepted, services

    count, ready, homes = services(world)
    figures.services, figures.namespaces = count, homes
    teller.title("A cluster")
    teller.line(f"Knative Serving, Kourier and cert-manager in {figures.seconds['cluster']:.1f} s, on loopback")
    teller.line(f"{ready} of {count} Services Ready in {homes} namespaces; nothing is encrypted")
    clients = teller.clients = Clients(world)
    clients.start()
    try:
        with figures.timed("enable"):
            _enable(lab, teller)
        with figures.timed("check"):
            _check(lab, teller)
        before = clients.handshakes
        with figures.timed("rotate"):
            old = _rotate(lab, teller, world)
        teller.line(f"{clients.handshakes - before:,} new handshakes meanwhile, {clients.failed} failed")
    finally:
        clients.stop()
    for reason, count in clients.reasons.most_common(3):
        teller.line(f"{count} failed: {reason}", "×", "red")
    figures.requests, figures.handshakes, figures.failed = clients.requests, clients.handshakes, clients.failed
    teller.title("The old CA")
    figures.old_refused = not any(accepted(world, old).values())
    figures.new_accepted = all(accepted(world, NEW_SECRET).values())
    word = "refused" if figures.old_refused else "still accepted"
    teller.line(f"a leaf of the old CA is {word} by activator and gateway", *_mark(figures.old_refused))
    word = "accepted" if figures.new_accepted else "refused"
    teller.line(f"a leaf of the new one is {word} by both", *_mark(figures.new_accepted))


def _mark(good: bool) -> tuple[str, str]:
    return ("√", "green") if good else ("×", "red")


def _session(lab: Any) -> Live:
    from kntls.cli.session import live

    return live(Common(kubeconfig=str(lab.kubeconfig)), handshakes=True)


def _run(plan: Plan, session: Live, teller: Teller, namespace: str) -> None:
    """Carry a plan out as any changing command does, with shorter pauses between two looks."""
    from kntls.engine.lease import Lease
    from kntls.engine.run import Engine

    with Lease(session.cluster, namespace) as lease:
        engine = Engine(session.cluster, session.look, teller, timeout=120.0, poll=POLL, still_ours=lambda: lease.lost)
        engine.run(plan, session.observation)


def _enable(lab: Any, teller: Teller) -> None:
    from kntls.engine.holding import holder
    from kntls.knative.installation import detect
    from kntls.knative.names import Surface
    from kntls.surfaces.enable import enable
    from kntls.surfaces.request import Request

    teller.title("kntls enable --system-internal --cluster-local")
    session = _session(lab)
    request = Request(frozenset({Surface.SYSTEM_INTERNAL, Surface.CLUSTER_LOCAL}), holder())
    _run(enable(session.observation, request), session, teller, detect(session.observation).namespace)
    clients = teller.clients
    if clients is not None:
        teller.line(f"every hop encrypted; {clients.requests:,} requests meanwhile, {clients.failed} failed")


def _check(lab: Any, teller: Teller) -> None:
    from kntls.checks.run import Outcome, run, select

    teller.title("kntls check")
    report = run(_session(lab).observation, select(()))
    for found in report.errors:
        teller.line(f"{found.check.id} {found.check.sentence}", "×", "red")
    fine = len(report.with_outcome(Outcome.SUCCESS))
    warned = f", {len(report.warnings)} warnings" if report.warnings else ""
    teller.line(f"{fine} checks passed, {len(report.errors)} errors{warned}", *_mark(not report.errors))


def _rotate(lab: Any, teller: Teller, world: World) -> str:
    """Rotate; returns the Secret of the CA that was retired."""
    from datetime import UTC, datetime

    from kntls.rotation.plan import choose_issuer, rotation
    from kntls.rotation.situation import Target, situation

    teller.title(f"kntls rotate-ca --new-secret {NEW_SECRET}")
    session = _session(lab)
    issuer = choose_issuer(session.observation, "")
    target = Target(issuer, NEW_SECRET, soak=SOAK, grace=GRACE, started_at=datetime.now(UTC))
    now = situation(session.observation, target)
    _run(rotation(session.observation, target, ""), session, teller, now.installation.namespace)
    return now.olds[0].secret.name


def _close(teller: Teller, figures: Figures) -> None:
    body = figures.body()
    teller.title("In figures")
    rows: tuple[tuple[str, Callable[[], str]], ...] = (
        ("requests", lambda: f"{figures.requests:,}, {figures.failed} failed"),
        ("TLS handshakes", lambda: f"{figures.handshakes:,}, each on a connection of its own"),
        ("seconds", lambda: ", ".join(f"{name} {took:g}" for name, took in body["seconds"].items())),
    )
    for name, value in rows:
        sys.stdout.write(f"  {name:<16}{value()}\n")
    sys.stdout.write(
        "\nNext, the same with your own hands:\n"
        "  kntls lab up && kntls --lab enable --system-internal --cluster-local\n"
        "or, on your cluster, without changing anything:\n"
        "  kntls status\n"
    )


app.command()(with_common(demo, LOCAL | {"no_color"}, SIMPLE))
