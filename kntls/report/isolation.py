"""The isolation matrix: as a table, as JSON, as an HTML heat map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kntls.mesh.matrix import Cell, Matrix
from kntls.report.heatmap import HeatCell, HeatMap, heat_map
from kntls.report.text import table
from kntls.report.verdicts import wrap


def text(found: Matrix, *, wide: bool) -> Iterator[str]:
    """The matrix as a table, and a sentence for every wrong cell (for all of them with `wide`)."""
    rows = [(cell.source, cell.target, cell.path, "/".join(cell.codes), cell.mark) for cell in found.cells]
    yield table(("FROM", "TO", "PATH", "CODE", ""), rows).rstrip("\n")
    wrong = [cell for cell in found.cells if not cell.right]
    for cell in wrong if not wide else found.cells:
        yield from wrap(f"{cell.source} → {cell.target}, {cell.path}: {cell.reason}", "")
    yield f"{len(found.cells)} cells: {len(found.cells) - len(wrong)} as isolation demands, {len(wrong)} not"


def body(found: Matrix) -> dict[str, Any]:
    """The matrix for JSON and YAML."""
    return {"isolated": found.isolated, "cells": [_cell(cell) for cell in found.cells]}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "from": cell.source,
        "to": cell.target,
        "path": cell.path,
        "codes": list(cell.codes),
        "expected": cell.expected,
        "right": cell.right,
        "deniedAt": cell.denied_at,
        "reason": cell.reason,
    }


def html(found: Matrix) -> str:
    """The matrix as a heat map, one HTML page."""
    cells = {
        (f"{cell.source} → {cell.target}", cell.path): HeatCell("/".join(cell.codes), cell.right, cell.reason)
        for cell in found.cells
    }
    return heat_map(HeatMap("Tenant isolation", cells))
