"""How a rotation's state looks: three axes (trust, issue, serve), the stages, what is next."""

from __future__ import annotations

import textwrap
from typing import Any

from kntls.model.observation import Observation
from kntls.report.text import WIDTH, Look, Paint, until
from kntls.rotation.status import RotationStatus, StageState

BAR = 24


def _bar(done: int, total: int) -> str:
    filled = BAR if not total else round(BAR * done / total)
    return "[" + "=" * filled + " " * (BAR - filled) + f"] {done}/{total}"


def _next(state: RotationStatus) -> list[str]:
    if not state.under_way:
        return ["No rotation is under way.", "Next:  kntls rotate-ca --new-secret NAME --dry-run"]
    return [f"Next:  kntls rotate-ca --new-secret {state.target}", "Undo:  kntls rotate-ca rollback"]


def render(state: RotationStatus, observation: Observation, look: Look) -> str:
    """The state as text."""
    lines = [look.paint(f"ClusterIssuer {state.issuer} signs with Secret {state.secret}", "bold")]
    if state.under_way:
        where = f"stage {state.stage.name}" if state.stage else "all stages done"
        away = f" (to retire: {', '.join(state.retiring)})" if state.retiring else ""
        told = f"Rotation to {state.target}{away}: {where}, as the certificates show"
        lines.append(textwrap.fill(told, WIDTH, break_on_hyphens=False))
    rows = [
        (
            ca.secret.name,
            ca.signer.common_name,
            look.fingerprint(ca.anchor.fingerprint),
            until(ca.signer.not_after, observation.taken_at),
        )
        for ca in sorted(state.generations, key=lambda ca: ca.signer.not_before)
    ]
    lines += ["", look.table(("SECRET", "COMMON NAME", "SHA-256", "EXPIRES"), rows).rstrip(), ""]
    if state.under_way:
        lines += [_stage_line(entry, look.paint) for entry in state.stages]
        missing = state.stage.progress.missing if state.stage else ()
        lines += ["", *(f"  {look.paint('×', 'red')} {name}" for name in missing[:5])]
        lines += [f"    and {len(missing) - 5} more"] if len(missing) > 5 else []
    lines += ["", *_next(state)]
    if observation.unread:
        unread = "; ".join(f"{entry.what} ({entry.reason})" for entry in observation.unread)
        lines += ["", textwrap.fill(f"Not looked at: {unread}", WIDTH, break_on_hyphens=False)]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _stage_line(stage: StageState, paint: Paint) -> str:
    done, total = stage.progress.done, stage.progress.total
    mark = paint("√", "green") if done == total else paint("·", "yellow")
    return f"  {mark} {stage.name:<11}{_bar(done, total)}"


def body(state: RotationStatus, observation: Observation) -> dict[str, Any]:
    """The state for JSON."""
    return {
        "issuer": state.issuer,
        "secret": state.secret,
        "underWay": state.under_way,
        "target": state.target,
        "retiring": list(state.retiring),
        "stage": state.stage.name if state.stage else "",
        "generations": [
            {
                "secret": ca.secret.name,
                "commonName": ca.signer.common_name,
                "fingerprint": ca.anchor.fingerprint,
                "publicKey": ca.signer.public_key_hash,
                "notAfter": ca.signer.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for ca in state.generations
        ],
        "stages": [
            {
                "name": entry.name,
                "done": entry.progress.complete,
                "count": entry.progress.done,
                "total": entry.progress.total,
                "missing": list(entry.progress.missing),
            }
            for entry in state.stages
        ],
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in observation.unread],
    }
