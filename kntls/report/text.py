"""Plain building blocks of what people read: columns, colour only where wanted, ages and fingerprints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TextIO

WIDTH = 80
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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns in kubectl's manner, closer together where they would not fit; the last one is not padded."""
    rows = [list(map(str, row)) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    gap = "   " if sum(widths) + 3 * (len(widths) - 1) <= WIDTH else "  "
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
