"""How the smoke test looks: one line a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kntls.checks.smoke import Step
from kntls.report.text import Paint


def line(step: Step, paint: Paint) -> str:
    """`√ https://… answers with a certificate of the CA`, and beneath it what was seen."""
    sign = paint("√", "green") if step.ok else paint("×", "red")
    return f"{sign} {step.sentence}\n" + (f"    {step.detail}\n" if step.detail else "")


def body(steps: Iterable[Step]) -> dict[str, Any]:
    """The document `SmokeReport`."""
    steps = tuple(steps)
    return {
        "success": all(step.ok for step in steps),
        "steps": [{"description": step.sentence, "ok": step.ok, "detail": step.detail} for step in steps],
    }
