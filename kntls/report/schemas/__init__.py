"""One JSON Schema for each kind of document; every output is validated against it in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def kinds() -> tuple[str, ...]:
    """Every kind there is a schema for."""
    return tuple(sorted(path.stem for path in HERE.glob("*.json")))


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises `FileNotFoundError` for a kind without one."""
    found: dict[str, Any] = json.loads((HERE / f"{kind}.json").read_text())
    return found
