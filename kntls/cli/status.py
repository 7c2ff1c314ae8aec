"""`kntls status`: one screen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kntls.cli.options import READS, TABLES, Common, group, with_common
from kntls.cli.session import look_of, observe, output_of
from kntls.errors import KntlsError
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, KCERT, POD, SECRET

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.rotation.status import RotationStatus
    from kntls.surfaces.overview import Overview

app = group("Surfaces, issuers, CAs, trust, leaves, restarts owed: one screen.")

NEEDS = (DEPLOYMENT, CONFIG_MAP, CLUSTER_ISSUER, CERTIFICATE, KCERT, SECRET, POD)
"""Kinds without which the screen has gaps."""


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
    from kntls.surfaces.overview import overview, within

    wanted = output_of(common)
    seen = observe(common, NEEDS, handshakes=True)
    view = overview(seen)
    if common.namespace:
        view = within(view, common.namespace)
    rotations = _rotations(view, seen)
    if wanted in ("json", "yaml"):
        emit("Status", body(view, rotations, seen), wanted)
        return
    sys.stdout.write(render(view, rotations, seen, look_of(common)))


app.command()(with_common(status, READS, TABLES))
