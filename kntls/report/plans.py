"""How plans look: actions with their diffs before, one line each while they run, and as JSON."""

from __future__ import annotations

import difflib
import sys
import textwrap
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TextIO

from kntls.engine.predict import before_and_after, predicted
from kntls.errors import KntlsError
from kntls.model.concealed import Concealed
from kntls.model.kinds import SECRET
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from kntls.pki.pem import has_private_key
from kntls.report.document import dump_yaml
from kntls.report.text import WIDTH, Paint, span


def _yaml(value: Any, *, whole: bool) -> list[str]:
    lines = [] if value is None else dump_yaml(_readable(value)).splitlines()
    return lines if whole else _without_long_pem(lines)


def _readable(value: Any) -> Any:
    """A Secret's data as text, as an observation has it; what is concealed stays so."""
    if value.get("kind") != SECRET.name or not isinstance(value.get("data"), dict):
        return value
    return {**value, "data": {key: _decoded(text) for key, text in value["data"].items()}}


def _decoded(text: Any) -> Any:
    if isinstance(text, Concealed):
        return text
    try:
        return Concealed(found) if has_private_key(found := b64decode(text, validate=True).decode()) else found
    except ValueError:  # text already, as observed
        return text


def _without_long_pem(lines: list[str]) -> list[str]:
    """PEM bodies shortened to one line that still tells two certificates apart."""
    kept: list[str] = []
    inside = 0
    for line in lines:
        inside = 1 if "-----BEGIN" in line else 0 if "-----END" in line else inside and inside + 1
        if inside == 3:
            kept.append(f"{line[: len(line) - len(line.lstrip()) + 24]}…")
        elif inside < 3:
            kept.append(line)
    return kept


def diff(change: Change, observation: Observation, *, whole: bool = False) -> str:
    """A unified diff of the part of the object that the change touches, without file headers; with `whole`, PEM blocks
    are. None where it is deleted: what goes need not be read."""
    if change.verb == Verb.DELETE:
        return ""
    before, after = before_and_after(observation.find(change.ref), change)
    lines = difflib.unified_diff(_yaml(before, whole=whole), _yaml(after, whole=whole), lineterm="", n=2)
    return "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))


def _coloured(text: str, paint: Paint) -> str:
    styles = {"+": "green", "-": "red"}
    return "\n".join(paint(line, styles.get(line[:1], "dim")) for line in text.splitlines())


def _done(plan: Plan, observation: Observation) -> int:
    """How many actions, from the first one on, are done already. What comes after the first that is not may look so
    now, but is judged again when its turn comes."""
    for number, action in enumerate(plan.actions):
        try:
            if not action.done(observation).complete:
                return number
        except KntlsError:
            return number
    return len(plan.actions)


def _foreseen(plan: Plan, observation: Observation) -> Iterator[tuple[Action, tuple[Change, ...], Observation]]:
    """Each action with its changes and what they change: what is there once the actions before it are through."""
    for action in plan.actions:
        changes = _told(action.changes, observation)
        yield action, changes or _told(action.preview, observation), observation
        observation = predicted(observation, changes)


def _told(changes: Callable[[Observation], tuple[Change, ...]], observation: Observation) -> tuple[Change, ...]:
    with suppress(KntlsError):
        return changes(observation)
    return ()


def _fill(text: str, first: str, then: str) -> str:
    """Wrapped at spaces only, so that names and commands stay whole."""
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False, break_long_words=False
    )


def _listing(title: str, lines: Iterable[str], paint: Paint, style: str) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    wrapped = [_fill(line, "  - ", "    ") for line in lines]
    return [paint(title, style), *wrapped, ""]


def render(plan: Plan, observation: Observation, paint: Paint, *, diffs: bool = True, whole: bool = False) -> str:
    """The plan as text, with its diffs, and the PEM blocks in them `whole`."""
    lines = [paint(plan.title, "bold"), ""]
    stage, ready = None, _done(plan, observation)
    for number, (action, changes, seen) in enumerate(_foreseen(plan, observation), 1):
        if action.stage and action.stage != stage:
            stage = action.stage
            lines.append(paint(stage, "cyan"))
        done = number <= ready and not action.hold
        lines += _sentence(number, action, paint, done)
        lines += _diffs(changes, seen, paint, whole) if diffs and not done else []
    lines.append("")
    lines += _listing("Who is interrupted", plan.interruptions, paint, "yellow")
    if plan.actions and not plan.interruptions and not plan.refusals:
        lines += ["Nobody is interrupted.", ""]
    lines += _listing("To know", plan.notes, paint, "bold")
    lines += _listing(
        "Not proven by this", (action.unproven for action in plan.actions if action.unproven), paint, "bold"
    )
    lines += _listing("Refused", plan.refusals, paint, "red")
    if plan.eta and not plan.refusals:
        lines.append(f"Takes about {span(plan.eta)}.")
    return "\n".join(lines).rstrip() + "\n"


def _sentence(number: int, action: Action, paint: Paint, done: bool) -> list[str]:
    mark = paint("√", "green") if done else " "
    text = _fill(action.sentence, f"{number:3}. ", "     ")
    return [f"{mark}{text[1:]}" if done else text]


def _diffs(changes: Iterable[Change], seen: Observation, paint: Paint, whole: bool) -> Iterator[str]:
    for change in changes:
        yield f"       {change.verb} {change.ref}" + (f" ({change.note})" if change.note else "")
        yield from (f"         {line}" for line in _coloured(diff(change, seen, whole=whole), paint).splitlines())


def body(plan: Plan, observation: Observation) -> dict[str, Any]:
    """The plan for JSON."""
    ready = _done(plan, observation)
    return {
        "title": plan.title,
        "actions": [
            {
                "id": action.id,
                "stage": action.stage,
                "sentence": action.sentence,
                "done": number < ready,
                "holdSeconds": action.hold,
                "changes": [
                    {"verb": str(change.verb), "object": str(change.ref), "diff": diff(change, seen)}
                    for change in changes
                ],
            }
            for number, (action, changes, seen) in enumerate(_foreseen(plan, observation))
        ],
        "notes": list(plan.notes),
        "interruptions": list(plan.interruptions),
        "refusals": list(plan.refusals),
        "etaSeconds": plan.eta,
    }


class Lines:
    """Progress as lines: one when an action ends, and on a terminal a live one while it runs."""

    EVERY = 10.0
    """Seconds between two lines about a wait, where nothing can be redrawn."""

    def __init__(self, total: int, paint: Paint, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.paint = paint
        self.total = total
        self.number = 0
        self.redraw = self.stream.isatty()
        self._said = 0.0

    def begin(self, action: Action) -> None:
        """Count it."""
        self.number += 1
        self._said = time.monotonic()

    def wrote(self, action: Action, change: Change) -> None:
        """Nothing: the action's own line says it."""

    def progress(self, action: Action, progress: Progress, held: float) -> None:
        """A live line, or now and then a plain one."""
        if self.redraw:
            self._live(f"  {action.sentence}{_count(progress, action, held)}")
        elif time.monotonic() - self._said >= self.EVERY:
            self._said = time.monotonic()
            print(f"      … {action.sentence}{_count(progress, action, held)}", file=self.stream, flush=True)

    def end(self, action: Action, seconds: float, skipped: bool) -> None:
        """One line with what was done and how long it took."""
        took = "already so" if skipped else span(seconds)
        head = f"[{self.number}/{self.total}]"
        text = f"{self.paint('√', 'green')} {head} {action.sentence} {self.paint(f'({took})', 'dim')}"
        self._clear()
        print(text, file=self.stream, flush=True)

    def restored(self, action: Action) -> None:
        """Say what was taken back."""
        self._clear()
        print(f"{self.paint('‼', 'yellow')} taken back: {action.sentence}", file=self.stream, flush=True)

    def deferred(self) -> None:
        """Say why it goes on for a moment."""
        self._say("interrupted: this part is finished first (a few seconds); once more stops at once")

    def _say(self, line: str) -> None:
        self._clear()
        self.stream.write(f"{line}\n")
        self.stream.flush()

    def _live(self, text: str) -> None:
        self._clear()
        self.stream.write(text[: WIDTH - 1])
        self.stream.flush()

    def _clear(self) -> None:
        if self.redraw:
            self.stream.write("\r\033[K")


def _count(progress: Progress, action: Action, held: float) -> str:
    if progress.complete and action.hold:
        return f" {held:.0f}/{action.hold:.0f} s"
    missing = f", waiting for {progress.missing[0]}" if progress.missing else ""
    return f" {progress.done}/{progress.total}{missing}"
