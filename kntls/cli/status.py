"""`kntls status`: one screen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kntls.cli.options import Common, group, with_common
from kntls.cli.session import observe, output_of
from kntls.errors import KntlsError

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.rotation.status import RotationStatus
    from kntls.surfaces.overview import Overview

app = group("Surfaces, issuers, CAs, trust, leaves, restarts owed: one screen.")


def _rotations(view: Overview, observation: Observation) -> tuple[RotationStatus, ...]:
    from kntls.rotation.status import status as judge

    issuers = {state.issuer for state in view.surfaces if state.on and state.issuer_kind == "CA"}
    found = []
    for issuer in sorted(issuers):
        try:
            found.append(judge(observation, issuer))
        except KntlsError as error:
            sys.stderr.write(f"kntls: {error}\n")
    return tuple(found)


def status(common: Common) -> None:
    """Show surfaces, issuers, CAs, trust, leaves, restarts owed and expiry on one screen."""
    from kntls.report.document import emit
    from kntls.report.status import body, render
    from kntls.report.text import Paint, colourful
    from kntls.surfaces.overview import overview

    wanted = output_of(common)
    seen = observe(common, handshakes=True)
    view = overview(seen)
    rotations = _rotations(view, seen)
    if wanted in ("json", "yaml"):
        emit("Status", body(view, rotations, seen), wanted)
        return
    sys.stdout.write(render(view, rotations, seen, Paint(colourful(sys.stdout, common.no_color))))


app.command()(with_common(status))
