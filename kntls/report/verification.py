"""`kntls mesh verify` as a table and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from kntls.mesh.verify.judge import Outcome
from kntls.mesh.verify.live import Wire
from kntls.report.text import WIDTH, table


def render(outcomes: Sequence[Outcome], wires: Sequence[Wire]) -> str:
    """A row a request, the differences in words, and one line of totals."""
    rows = [(each.probe.id, "/".join(each.expected), each.measured.code or "-", each.kind or "ok") for each in outcomes]
    lines = [table(("REQUEST", "POLICIES", "MEASURED", ""), rows).rstrip("\n"), ""] if rows else []
    for each in outcomes:
        if not each.right:
            text = f"{each.probe.id}: {each.difference}"
            lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False)
    if wires:
        plain = [(each.target, str(each.port), each.mode.value, _accepted(each)) for each in wires]
        lines += ["", table(("PLAINTEXT TO", "PORT", "MODE", "MEASURED"), plain).rstrip("\n")]
    wrong = sum(not each.right for each in outcomes) + sum(not each.right for each in wires)
    total = len(outcomes) + len(wires)
    return "\n".join([*lines, f"{total} measured: {total - wrong} as the policies say, {wrong} not"]) + "\n"


def _accepted(wire: Wire) -> str:
    if wire.accepted is None:
        return wire.problem
    return f"{'accepted' if wire.accepted else 'refused'}{'' if wire.right else ' (WRONG)'}"


def body(outcomes: Sequence[Outcome], wires: Sequence[Wire]) -> dict[str, Any]:
    """The verification for JSON and YAML."""
    return {
        "requests": [
            {
                "id": each.probe.id,
                "from": each.probe.client.name,
                "to": each.probe.target.name,
                "url": each.probe.url,
                "expected": list(each.expected),
                "deniedAt": list(each.denied_at),
                "measured": each.measured.code,
                "seenBy": sorted(each.measured.seen) if each.measured.seen is not None else None,
                "right": each.right,
                "difference": each.difference,
            }
            for each in outcomes
        ],
        "plaintext": [
            {
                "to": each.target,
                "port": each.port,
                "mode": each.mode.value,
                "accepted": each.accepted,
                "right": each.right,
            }
            for each in wires
        ],
    }
