"""Whether what was measured is what the policies say: the code, the proxy that refused, the path that was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kntls.mesh.verify.probes import Probe
from kntls.mesh.walk import Verdict


class Kind(StrEnum):
    """What differs."""

    CODE = "code"
    HOP = "hop"
    """The right code, refused by another proxy."""
    PATH = "path"
    """The right code, by another way."""
    UNMEASURED = "unmeasured"


@dataclass(frozen=True)
class Measured:
    """What one request came to."""

    code: str
    """HTTP status, or `000` where no answer came."""
    seen: frozenset[str] | None = None
    """Workloads whose proxies counted the request; None where their counters could not be read."""
    problem: str = ""
    """Why it could not be measured at all."""
    by_policy: bool | None = None
    """Whether a 403 is the proxy's own (`RBAC: access denied`), not the application's."""


@dataclass(frozen=True)
class Outcome:
    """One probe, what the policies say, what was measured, and how they differ."""

    probe: Probe
    expected: tuple[str, ...]
    """Codes, one a route."""
    denied_at: tuple[str, ...]
    measured: Measured
    kind: Kind | None = None
    difference: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing differs."""
        return self.kind is None


def judge(probe: Probe, verdicts: Sequence[Verdict], measured: Measured) -> Outcome:
    """Set the measurement beside the verdicts; where a route is uncertain, one of them must fit entirely."""
    codes = tuple(dict.fromkeys(each.code for each in verdicts))
    denied = tuple(dict.fromkeys(each.denied_at.name for each in verdicts if each.denied_at))
    kind, text = _difference(probe, verdicts, measured, codes)
    return Outcome(probe, codes, denied, measured, kind, text)


def _difference(
    probe: Probe, verdicts: Sequence[Verdict], measured: Measured, codes: tuple[str, ...]
) -> tuple[Kind | None, str]:
    if measured.problem:
        return Kind.UNMEASURED, measured.problem
    fitting = [each for each in verdicts if each.code == measured.code]
    if not fitting:
        return Kind.CODE, f"the policies say {' or '.join(codes)}, measured {measured.code}"
    if measured.code == "403" and measured.by_policy is False:
        return Kind.HOP, "403 comes from the application, not from a proxy"
    if measured.seen is None or any(_reached(each) == _known(probe, measured.seen) for each in fitting):
        return None, ""
    return _by_hops(fitting[0], measured.seen)


def _known(probe: Probe, seen: frozenset[str]) -> frozenset[str]:
    """The proxies of the probe's own routes that counted the request."""
    return seen & {workload.name for route in probe.routes for workload in route.chain[1:]}


def _reached(verdict: Verdict) -> frozenset[str]:
    """The proxies that get to see the request as a request: not one that takes no connection."""
    return frozenset(hop.server.name for hop in verdict.hops if hop.server.mesh and hop.decision.code != "000")


def _by_hops(verdict: Verdict, seen: frozenset[str]) -> tuple[Kind, str]:
    saw = ", ".join(sorted(seen)) or "no proxy"
    if verdict.denied_at is not None:
        return Kind.HOP, f"the policies refuse it at {verdict.denied_at.name}; it was seen by {saw}"
    return Kind.PATH, f"the policies expect it by {' → '.join(h.server.name for h in verdict.hops)}; seen by {saw}"
