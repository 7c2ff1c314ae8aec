"""Faults on request, for tests and rehearsals: what goes wrong, where, and how often.

The API server asks before each answer, the simulated components before each step.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from kntls.errors import UsageError

KINDS: dict[str, str] = {
    "slow": "answer after this many seconds (1)",
    "conflict": "409 for writes",
    "throttle": "429 with Retry-After of this many seconds (1)",
    "error": "this status code (503)",
    "reset": "close the connection without an answer",
    "watch-drop": "end watches after this many events (0)",
    "gone": "410 for watches and continued lists",
    "cert-manager": "`down`, or `failing` to sign",
    "no-reload": "this consumer (activator, queue-proxy, gateway) never reloads what it trusts",
}
"""Fault → what it does; the value in brackets is the default."""

NAMED: dict[str, tuple[str, ...]] = {
    "cert-manager": ("down", "failing"),
    "no-reload": ("activator", "queue-proxy", "gateway"),
}
"""The faults of components, and the values they take; one of them must be given."""
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*")
NUMBERS = ("slow", "throttle", "error", "watch-drop")
"""The faults whose value is a number."""

_SPEC = re.compile(
    r"^(?P<kind>[a-z-]+)(=(?P<value>[^@*]+))?(@(?P<verb>[a-z]+|\*)(:(?P<resource>[a-z0-9.-]+|\*))?)?(\*(?P<times>\d+))?$"
)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    kind: str
    value: str = ""
    verb: str = "*"
    resource: str = "*"
    """`plural.group`, or the plural alone for the core group."""
    times: int | None = None
    """How often; None: until it is removed."""

    def hits(self, verb: str, resource: str) -> bool:
        """Whether it concerns a request."""
        return self.verb in ("*", verb) and self.resource in ("*", resource)


def parse(spec: str) -> Fault:
    """A fault from `KIND[=VALUE][@VERB[:RESOURCE]][*TIMES]`, such as `throttle=2@update:secrets*3`.

    Raises `UsageError` for anything else.
    """
    match = _SPEC.match(spec)
    if not match or match["kind"] not in KINDS:
        raise UsageError(
            f"no such fault: {spec}", fix=f"KIND[=VALUE][@VERB[:RESOURCE]][*TIMES] with KIND of {', '.join(KINDS)}"
        )
    _check_value(spec, match["kind"], match["value"] or "")
    times = int(match["times"]) if match["times"] else None
    if times == 0:
        raise UsageError("a fault that never happens", where=spec, fix="leave *0 out, or the fault")
    if match["verb"] and match["verb"] not in VERBS:
        raise UsageError(f"no such verb: {match['verb']}", where=spec, fix=f"one of {', '.join(VERBS)}")
    return Fault(match["kind"], match["value"] or "", match["verb"] or "*", match["resource"] or "*", times)


def _check_value(spec: str, kind: str, value: str) -> None:
    if kind in NAMED and value not in NAMED[kind]:
        raise UsageError(f"{kind} is none of {', '.join(NAMED[kind])}", where=spec, fix=f"{kind}={NAMED[kind][0]}")
    if kind in NUMBERS and not re.fullmatch(r"(\d+(\.\d+)?)?", value):
        raise UsageError(f"{value} is no number", where=spec)
    if kind == "error" and value and not re.fullmatch(r"[45]\d\d", value):
        raise UsageError(f"{value} is no code of an error", where=spec, fix="400 to 599")


def check_resource(spec: str, known: Iterable[str]) -> None:
    """Raise `UsageError` if a fault concerns none of these resources (`plural.group`): it would never happen."""
    wanted, served = parse(spec).resource, tuple(known)
    if wanted == "*" or wanted in served:
        return
    near = [one for one in served if one.partition(".")[0] in (wanted, f"{wanted}s")]
    fix = " or ".join(near) if near else "plural.group, as `kubectl api-resources -o name` prints it"
    raise UsageError(f"no such resource: {wanted}", where=spec, fix=fix)


@dataclass
class Faults:
    """What goes wrong at the moment; may be changed from any thread."""

    _left: dict[Fault, int | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, specs: Iterable[str]) -> Faults:
        """From the command line."""
        faults = cls()
        for spec in specs:
            faults.add(spec)
        return faults

    def add(self, fault: Fault | str) -> Fault:
        """Let something go wrong from now on."""
        added = parse(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._left[added] = added.times
        return added

    def remove(self, fault: Fault) -> None:
        """Let it go wrong no longer."""
        with self._lock:
            self._left.pop(fault, None)

    def clear(self) -> None:
        """Let everything go right."""
        with self._lock:
            self._left.clear()

    def active(self, kind: str, value: str = "") -> bool:
        """Whether such a fault is on; without a value, any of its kind."""
        with self._lock:
            return any(fault.kind == kind and value in ("", fault.value) for fault in self._left)

    def take(self, verb: str, resource: str, *kinds: str) -> Fault | None:
        """The first fault of these kinds that concerns a request; counts it as happened."""
        with self._lock:
            hits = (fault for fault in self._left if fault.kind in kinds and fault.hits(verb, resource))
            fault = next(hits, None)
            if fault is not None and (left := self._left[fault]) is not None:
                self._left[fault] = left - 1
                if left <= 1:
                    del self._left[fault]
            return fault
