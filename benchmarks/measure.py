"""Timing and the one table every benchmark prints: what was done, how long it took, and the ratio to kntls."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One way to do the task."""

    name: str
    seconds: float
    """Best of the rounds, for `count` items."""
    count: int
    note: str = ""

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.count / self.seconds


def race(ways: Mapping[str, Callable[[], float | None]], rounds: int) -> dict[str, float]:
    """The best time of each way in seconds, over so many rounds in which all run in turn.

    A way that measures itself gives its seconds. In turn and best, because a busy moment of the machine shall hit
    nobody alone and count for nobody.
    """
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, work in ways.items():
            started = time.perf_counter()
            own = work()
            seconds = time.perf_counter() - started if own is None else own
            best[name] = min(seconds, best.get(name, seconds))
    return best


def on_one_core() -> None:
    """Stay on one core; processes that are started from here stay there too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def arguments(description: str, **numbers: int) -> argparse.Namespace:
    """The command line: `--json`, and a flag for each of these numbers."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"({value})")
    return parser.parse_args()


def report(title: str, rows: list[Row], *, as_json: bool) -> None:
    """Print the rows; the first is kntls, and every ratio is how many times as fast as that row kntls is."""
    first = rows[0]
    if as_json:
        entries = [
            {"name": row.name, "seconds": row.seconds, "count": row.count, "rate": row.rate, "note": row.note}
            | {"ratio": first.rate / row.rate}
            for row in rows
        ]
        machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
        print(json.dumps({"title": title, "machine": machine, "rows": entries}, indent=2))
        return
    width = max(len(row.name) for row in rows)
    print(title)
    for row in rows:
        ratio = "" if row is first else f"{first.rate / row.rate:8.2f}×"
        print(
            f"  {row.name:<{width}}  {row.seconds * 1000:9.1f} ms  {row.rate:10.0f}/s {ratio:>9}  {row.note}".rstrip()
        )
