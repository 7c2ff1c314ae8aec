"""A heat map as one HTML page that needs nothing else: right cells green, wrong ones red, the reason on hover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; }
th, td { border: 1px solid #ccc; padding: .4em .8em; text-align: center; }
th[scope=row] { text-align: left; font-weight: 600; }
.right { background: #d8f0d8; }
.wrong { background: #f7c6c6; font-weight: 700; }
"""


@dataclass(frozen=True)
class HeatCell:
    """What a cell shows, whether it is as it should be, and why."""

    text: str
    right: bool
    reason: str


@dataclass(frozen=True)
class HeatMap:
    """A title, and the cells by (row, column)."""

    title: str
    cells: Mapping[tuple[str, str], HeatCell]


def heat_map(found: HeatMap) -> str:
    """The page, ending in a newline."""
    rows = list(dict.fromkeys(row for row, _ in found.cells))
    columns = list(dict.fromkeys(column for _, column in found.cells))
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "\n".join(_row(found, row, columns) for row in rows)
    wrong = sum(not cell.right for cell in found.cells.values())
    title = escape(found.title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>{len(found.cells)} cells, {wrong} not as they should be. Hover over a cell for the reason.</p>\n"
        f"<table>\n<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</body>\n</html>\n"
    )


def _row(found: HeatMap, row: str, columns: list[str]) -> str:
    cells = "".join(_cell(found.cells.get((row, column))) for column in columns)
    return f'<tr><th scope="row">{escape(row)}</th>{cells}</tr>'


def _cell(cell: HeatCell | None) -> str:
    if cell is None:
        return "<td></td>"
    kind = "right" if cell.right else "wrong"
    return f'<td class="{kind}" title="{escape(cell.reason)}">{escape(cell.text)}</td>'
