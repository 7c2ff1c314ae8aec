"""Plain building blocks of what people read: columns, colour only where wanted, ages and fingerprints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

WIDTH = 80
LEAST = 12
"""Characters of a cell that are kept at least where a table is made to fit."""
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def colourful(stream: TextIO, no_color: bool | None = None) -> bool:
    """Whether to colour: on a terminal that is not dumb, unless told not to (`NO_COLOR`)."""
    plain = no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()


def width(stream: TextIO | None = None) -> int:
    """Columns of the terminal; 80 where there is none."""
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns
    except (OSError, ValueError):
        return WIDTH


class Paint:
    """Colours text, or leaves it alone."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, style: str) -> str:
        """The text in that style."""
        return f"\033[{STYLES[style]}m{text}\033[0m" if self.on and text else text


@dataclass(frozen=True)
class Look:
    """How tables are to look."""

    paint: Paint
    room: int | None = None
    """Columns they may take; None where nothing is cut."""
    wide: bool = False
    """Whether fingerprints are whole, and what is of less interest is shown, too."""

    @staticmethod
    def of(stream: TextIO, *, wide: bool = False, no_color: bool | None = None) -> Look:
        """The look on that stream: only on a terminal tables are made to fit, for in a pipe names are looked for."""
        fits = stream.isatty() and not wide
        return Look(Paint(colourful(stream, no_color)), width(stream) if fits else None, wide)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], spare: str = "") -> str:
        """The table in the room there is; the `spare` column is cut first."""
        return table(head, rows, self.room, spare)

    def fingerprint(self, whole: str) -> str:
        """As much of it as is wanted."""
        return whole if self.wide else short(whole)


def cut(text: str, size: int) -> str:
    """The text, its middle left out where it is longer than that."""
    tail = size // 2 - 1
    return text if len(text) <= size else f"{text[: size - tail - 1]}…{text[-tail:]}"


def _fitted(head: Sequence[str], rows: list[list[str]], room: int, spare: str) -> list[list[str]]:
    """The rows, their longest cells cut until all columns fit, those of the `spare` column before all others."""
    sizes = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    least = [max(LEAST, len(title)) for title in head]
    for _ in range(sum(sizes) + 2 * (len(sizes) - 1) - room):
        longer = [at for at, size in enumerate(sizes) if size > least[at]]
        if longer:
            sizes[max(longer, key=lambda at: (head[at] == spare, sizes[at]))] -= 1
    return [[cut(cell, size) for cell, size in zip(row, sizes, strict=True)] for row in rows]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], room: int | None = None, spare: str = "") -> str:
    """Aligned columns in kubectl's manner, closer together where they would not fit; the last one is not padded.

    Where `room` says how many columns there are, the longest cells are cut to fit, first those under `spare`.
    """
    cells = [list(map(str, row)) for row in rows]
    rows = _fitted(head, cells, room, spare) if room else cells
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    gap = "   " if sum(widths) + 3 * (len(widths) - 1) <= (room or WIDTH) else "  "
    padded = ([cell.ljust(size) for cell, size in zip(row, widths, strict=True)] for row in (head, *rows))
    return "".join(gap.join(cells).rstrip() + "\n" for cells in padded)


def span(seconds: float) -> str:
    """`45s`, `3m10s`, `5h`, `89d`."""
    whole = int(abs(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m" + (f"{whole % 60}s" if whole % 60 else "")
    return f"{whole // 3600}h" if whole < 172800 else f"{whole // 86400}d"


def until(moment: datetime, now: datetime) -> str:
    """`in 89d`, `3d ago`."""
    left = (moment - now).total_seconds()
    return f"in {span(left)}" if left >= 0 else f"{span(left)} ago"


def short(fingerprint: str) -> str:
    """The first twelve characters: enough for people."""
    return fingerprint[:12]
