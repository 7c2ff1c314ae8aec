"""How fast the cluster's own waits pass: 1 on a real one, the lab's factor there (KNTLS_E2E_SPEED)."""

from __future__ import annotations

import os


def speed() -> float:
    """How much faster than real the cluster waits, drains and polls."""
    return float(os.environ.get("KNTLS_E2E_SPEED", "1"))


def hurried() -> bool:
    """Whether the cluster's waits are shortened, so that ours may be, too."""
    return speed() > 1


def settle() -> float:
    """Seconds of traffic before and after what is watched."""
    return 0.5 if hurried() else 5


def follow() -> float:
    """How often a client reads anew whom to trust: well within the time a rotation gives it before it switches."""
    return 0.3 if hurried() else 1


def rate() -> float:
    """Counted requests a second to each Service: more of them where everything happens sooner."""
    return 5.0 if hurried() else 3.0


def requests() -> int:
    """How many counted requests a run must have seen at least to say anything."""
    return 40 if hurried() else 200


def default_waits() -> tuple[str, ...]:
    """Options of a rotation with the waits users get; the lab's caches are quicker, so less will do there."""
    return short_waits() if hurried() else ()


def short_waits() -> tuple[str, ...]:
    """Options of a rotation in which waiting is not the point."""
    return ("--soak", "1s", "--grace", "1s") if hurried() else ("--soak", "5s", "--grace", "10s")
