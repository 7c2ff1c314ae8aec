"""`kntls enable`: turn encryption on for one or more surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.carry import run
from kntls.cli.options import CHANGES, PLANNED, TABLES, Common, group, with_common
from kntls.cli.rotate import references
from kntls.cli.session import Live, Offline, live_or_files, object_name
from kntls.errors import UsageError
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, KCERT, KINGRESS, LEASE, POD, REVISION, ROUTE, SECRET

if TYPE_CHECKING:
    from kntls.knative.names import Surface
    from kntls.surfaces.request import Request

app = group("Turn encryption on for a surface, without dropping a request.")

NEEDS = (DEPLOYMENT, CONFIG_MAP, POD, LEASE, REVISION, ROUTE, KINGRESS, KCERT, SECRET)
"""Kinds that decide about the order."""

SystemInternal = Annotated[bool, typer.Option("--system-internal", help="between gateway, activator and queue-proxies")]
ClusterLocal = Annotated[bool, typer.Option("--cluster-local", help="cluster-local addresses of Services")]
ExternalDomain = Annotated[bool, typer.Option("--external-domain", help="public addresses of Services")]
Issuer = Annotated[str, typer.Option("--issuer", help="existing ClusterIssuer for all of them", metavar="NAME")]
SystemInternalIssuer = Annotated[str, typer.Option("--system-internal-issuer", help="where it differs", metavar="NAME")]
ClusterLocalIssuer = Annotated[str, typer.Option("--cluster-local-issuer", help="where it differs", metavar="NAME")]
ExternalDomainIssuer = Annotated[str, typer.Option("--external-domain-issuer", help="where it differs", metavar="NAME")]
BundleName = Annotated[str, typer.Option("--bundle-name", help="name of the trust bundle kntls keeps", metavar="NAME")]
Adopt = Annotated[list[str] | None, typer.Option("--adopt", help="take over this bundle", metavar="NS/NAME")]
CommonName = Annotated[str, typer.Option("--common-name", help="common name of a CA that is made", metavar="CN")]
Duration = Annotated[
    str, typer.Option("--duration", help="its lifetime (87600h)", metavar="DURATION", show_default=False)
]
Algorithm = Annotated[str, typer.Option("--algorithm", help="its key (ecdsa-p256)", metavar="TYPE", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="write objects that Argo CD or Flux track, too")]


def surfaces_of(system_internal: bool, cluster_local: bool, external_domain: bool) -> frozenset[Surface]:
    """The surfaces that were named. Raises `UsageError` where none was."""
    from kntls.knative.names import Surface

    asked = {
        Surface.SYSTEM_INTERNAL: system_internal,
        Surface.CLUSTER_LOCAL: cluster_local,
        Surface.EXTERNAL_DOMAIN: external_domain,
    }
    if not any(asked.values()):
        fix = "one or more of --system-internal, --cluster-local, --external-domain"
        raise UsageError("which surface?", fix=fix)
    return frozenset(surface for surface, wanted in asked.items() if wanted)


def may_hold(session: Live | Offline, namespace: str) -> bool:
    """Whether we may do what the order without interruption needs; planning against files, that is assumed."""
    from kntls.model.kinds import DEPLOYMENT, LEASE, POD

    if isinstance(session, Offline):
        return True
    needed = (("update", LEASE), ("delete", POD), ("patch", DEPLOYMENT))
    return all(session.cluster.can(verb, kind, namespace) for verb, kind in needed)


def enable(
    common: Common,
    system_internal: SystemInternal = False,
    cluster_local: ClusterLocal = False,
    external_domain: ExternalDomain = False,
    issuer: Issuer = "",
    system_internal_issuer: SystemInternalIssuer = "",
    cluster_local_issuer: ClusterLocalIssuer = "",
    external_domain_issuer: ExternalDomainIssuer = "",
    bundle_name: BundleName = "",
    adopt: Adopt = None,
    common_name: CommonName = "",
    duration: Duration = "",
    algorithm: Algorithm = "",
    force: Force = False,
) -> None:
    """Turn encryption on: issuers, trust, flags and restarts in the order that drops no request."""
    from kntls.certmanager.manifests import root_options
    from kntls.engine.holding import holder
    from kntls.knative.installation import detect
    from kntls.knative.names import Surface
    from kntls.surfaces.enable import enable as plan_of
    from kntls.surfaces.request import Request
    from kntls.trust.bundles import BUNDLE_NAME

    surfaces = surfaces_of(system_internal, cluster_local, external_domain)
    named = {
        Surface.SYSTEM_INTERNAL: system_internal_issuer or issuer,
        Surface.CLUSTER_LOCAL: cluster_local_issuer or issuer,
        Surface.EXTERNAL_DOMAIN: external_domain_issuer or issuer,
    }
    root = root_options(common_name, duration, algorithm)
    session = live_or_files(common, NEEDS)
    place = detect(session.observation).namespace
    request: Request = Request(
        surfaces,
        holder(),
        {surface: name for surface, name in named.items() if name and surface in surfaces},
        root,
        object_name(bundle_name, "--bundle-name") or BUNDLE_NAME,
        references(adopt),
        may_hold(session, place),
    )
    plan = plan_of(session.observation, request)
    listed = " and ".join(surface for surface in Surface if surface in surfaces)
    run(plan, session, common, place, force=force, done=f"{listed} on, and every server presents its certificate")


app.command()(with_common(enable, CHANGES, TABLES, files=PLANNED))
