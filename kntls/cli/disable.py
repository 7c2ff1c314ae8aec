"""`kntls disable`: turn encryption off for one or more surfaces."""

from __future__ import annotations

from typing import Annotated

import typer

from kntls.cli.carry import run
from kntls.cli.enable import NEEDS, ClusterLocal, ExternalDomain, Force, SystemInternal, may_hold, surfaces_of
from kntls.cli.options import CHANGES, PLANNED, TABLES, Common, group, with_common
from kntls.cli.session import live_or_files

app = group("Turn encryption off for a surface, without dropping a request.")

Clean = Annotated[bool, typer.Option("--clean", help="delete certificates that surfaces which are off left behind")]


def disable(
    common: Common,
    system_internal: SystemInternal = False,
    cluster_local: ClusterLocal = False,
    external_domain: ExternalDomain = False,
    clean: Clean = False,
    force: Force = False,
) -> None:
    """Turn encryption off for good: the legacy flag too, and the components that read it only at start."""
    from kntls.engine.holding import holder
    from kntls.knative.installation import detect
    from kntls.knative.names import Surface
    from kntls.surfaces.disable import disable as plan_of
    from kntls.surfaces.request import Request

    surfaces = surfaces_of(system_internal, cluster_local, external_domain)
    session = live_or_files(common, NEEDS)
    place = detect(session.observation).namespace
    request = Request(surfaces, holder(), may_hold=may_hold(session, place), clean=clean)
    plan = plan_of(session.observation, request)
    listed = " and ".join(surface for surface in Surface if surface in surfaces)
    run(plan, session, common, place, force=force, done=f"{listed} off")


app.command()(with_common(disable, CHANGES, TABLES, files=PLANNED))
