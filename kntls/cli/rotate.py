"""`kntls rotate-ca`: a command, and a group with plan, apply, status and rollback."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.carry import carry_out, tell
from kntls.cli.options import CHANGES, DOCUMENTS, PLANNED, READS, TABLES, Common, group, with_common
from kntls.cli.session import Live, Offline, live_or_files, look_of, object_name, observe, output_of, seconds
from kntls.errors import UsageError
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, KCERT, POD, SECRET

if TYPE_CHECKING:
    from kntls.model.objects import ObjectRef
    from kntls.model.observation import Observation
    from kntls.rotation.situation import Target
    from kntls.rotation.status import RotationStatus

HELP = """Replace a CA, stage by stage, without a failed handshake.

prepare, distribute, consume, switch, reissue, serve, retire. It can be stopped and started again anywhere: where it
stands is read from the certificates themselves.

\b
    kntls rotate-ca --new-secret ca2 --dry-run
    kntls rotate-ca --new-secret ca2 --yes
    kntls rotate-ca --new-secret ca3 --until reissue --yes
    kntls rotate-ca status
    kntls rotate-ca rollback --yes
"""

app = group(HELP)

NEEDS = (DEPLOYMENT, CONFIG_MAP, CLUSTER_ISSUER, CERTIFICATE, KCERT, SECRET, POD)
"""Kinds by which it is told where a rotation stands."""

NewSecret = Annotated[str, typer.Option("--new-secret", help="Secret of the new CA; made if missing", metavar="NAME")]
Issuer = Annotated[str, typer.Option("--issuer", help="ClusterIssuer whose CA it is", metavar="NAME")]
Until = Annotated[str, typer.Option("--until", help="stop after this stage", metavar="STAGE")]
Soak = Annotated[
    str, typer.Option("--soak", help="wait before switching (60s)", metavar="DURATION", show_default=False)
]
Grace = Annotated[
    str, typer.Option("--grace", help="wait before retiring the old CA (90s)", metavar="DURATION", show_default=False)
]
OldSecret = Annotated[
    str, typer.Option("--old-secret", help="Secret of the CA to retire, where unclear", metavar="NAME")
]
ToSecret = Annotated[str, typer.Option("--to-secret", help="Secret to go back to", metavar="NAME")]
BundleName = Annotated[str, typer.Option("--bundle-name", help="name of the trust bundle kntls keeps", metavar="NAME")]
CommonName = Annotated[str, typer.Option("--common-name", help="common name of a new CA", metavar="CN")]
Duration = Annotated[
    str, typer.Option("--duration", help="lifetime of a new CA (87600h)", metavar="DURATION", show_default=False)
]
Include = Annotated[list[str] | None, typer.Option("--include", help="re-issue this one too", metavar="NS/NAME")]
Adopt = Annotated[list[str] | None, typer.Option("--adopt", help="take over this bundle", metavar="NS/NAME")]
Window = Annotated[
    int, typer.Option("--window", help="certificates re-issued at a time (20)", metavar="N", min=1, show_default=False)
]
AcceptForeign = Annotated[bool, typer.Option("--accept-foreign", help="leave others' Certificates to their renewal")]
Force = Annotated[bool, typer.Option("--force", help="write objects that Argo CD or Flux track, too")]


def references(names: list[str] | None) -> tuple[ObjectRef, ...]:
    """`NS/NAME` of ConfigMaps. Raises `UsageError`."""
    from kntls.model.objects import ObjectRef

    pairs = [name.split("/") for name in _paired(names, "--adopt")]
    return tuple(ObjectRef(CONFIG_MAP, name, namespace) for namespace, name in pairs)


def included(names: list[str] | None) -> tuple[str, ...]:
    """`NS/NAME` of Certificates. Raises `UsageError`."""
    return _paired(names, "--include")


def _paired(names: list[str] | None, flag: str) -> tuple[str, ...]:
    for name in names or ():
        if name.count("/") != 1 or not all(name.split("/")):
            raise UsageError(f"not a namespace and name: {name!r}", where=flag, fix="write it as NS/NAME")
    return tuple(names or ())


def rotate(
    common: Common,
    new_secret: NewSecret = "",
    issuer: Issuer = "",
    until: Until = "",
    soak: Soak = "60s",
    grace: Grace = "90s",
    window: Window = 20,
    old_secret: OldSecret = "",
    include: Include = None,
    accept_foreign: AcceptForeign = False,
    adopt: Adopt = None,
    bundle_name: BundleName = "",
    common_name: CommonName = "",
    duration: Duration = "",
    force: Force = False,
) -> None:
    """Rotate; what the group does when no subcommand is called."""
    from kntls.certmanager.manifests import root_options
    from kntls.rotation.plan import choose_issuer
    from kntls.rotation.situation import Target
    from kntls.trust.bundles import BUNDLE_NAME

    if not new_secret:
        raise UsageError(
            "no Secret for the new CA", fix="`kntls rotate-ca --new-secret ca2`; see also status, rollback"
        )
    target = Target(
        "",
        object_name(new_secret, "--new-secret"),
        old_secret,
        seconds(soak, "--soak"),
        seconds(grace, "--grace"),
        window,
        object_name(bundle_name, "--bundle-name") or BUNDLE_NAME,
        references(adopt),
        included(include),
        accept_foreign,
        datetime.now(UTC),
        root_options(common_name, duration, ""),
    )
    session = live_or_files(common, NEEDS)
    chosen = replace(target, issuer=choose_issuer(session.observation, issuer))
    _carry_out(session, common, chosen, until, force)


def _carry_out(session: Live | Offline, common: Common, target: Target, until: str, force: bool) -> None:
    from kntls.model.plan import Plan
    from kntls.rotation.plan import finished, rotation
    from kntls.rotation.situation import situation

    now = situation(session.observation, target)
    if finished(now) and not until:
        if common.dry_run:
            tell(Plan("Nothing to do", ()), session.observation, common)
        elif output_of(common) in DOCUMENTS:
            show_status(session.observation, target.issuer, target.new_secret, common)
        sys.stderr.write(
            f"Nothing to do: ClusterIssuer {target.issuer} signs with {target.new_secret} and no other CA is trusted.\n"
        )
        return
    plan = rotation(session.observation, target, until)
    after = carry_out(plan, session, common, namespace=now.installation.namespace, force=force)
    if after is not None:
        _conclude(after, target, until, common, retired=tuple(ca.secret for ca in now.olds))


def _conclude(after: Observation, target: Target, until: str, common: Common, retired: tuple[ObjectRef, ...]) -> None:
    """What is true now, what was kept, and the next command."""
    from kntls.model.objects import name_of
    from kntls.rotation.situation import situation
    from kntls.rotation.stages.prepare import root_of

    space = situation(after, target).manager.resource_namespace
    if until and until != "retire":
        lines = [
            f"Stopped after {until}, as asked.",
            f"Go on:  kntls rotate-ca --new-secret {target.new_secret}",
            "Undo:   kntls rotate-ca rollback",
        ]
    else:
        lines = [f"Done: every server presents a leaf of Secret {target.new_secret}."]
        for secret in retired:
            maker = root_of(after, secret)
            certificate = f"certificate/{name_of(maker)} " if maker else ""
            lines += [
                f"Kept, and no longer trusted: Secret {space}/{secret.name}"
                + (" and the Certificate that made it." if maker else "."),
                f"Delete:  kubectl delete -n {space} {certificate}secret/{secret.name}",
            ]
    if output_of(common) in DOCUMENTS:
        show_status(after, target.issuer, target.new_secret, common)
    sys.stderr.write("\n" + "\n".join(lines) + "\n")


def status(common: Common, issuer: Issuer = "") -> None:
    """Where the rotation stands, read from certificates."""
    from kntls.rotation.plan import choose_issuer

    seen = observe(common, NEEDS, handshakes=True)
    show_status(seen, choose_issuer(seen, issuer), "", common)


def show_status(observation: Observation, issuer: str, target: str, common: Common) -> None:
    """The rotation's state as table or document."""
    from kntls.report.document import emit
    from kntls.report.rotation import body, render
    from kntls.rotation.status import status as judge

    state: RotationStatus = judge(observation, issuer, target)
    wanted = output_of(common)
    if wanted in ("json", "yaml"):
        emit("RotationStatus", body(state, observation), wanted)
        return
    sys.stdout.write(render(state, observation, look_of(common)))


def rollback(
    common: Common,
    issuer: Issuer = "",
    to_secret: ToSecret = "",
    soak: Soak = "60s",
    grace: Grace = "90s",
    window: Window = 20,
    include: Include = None,
    accept_foreign: AcceptForeign = False,
    adopt: Adopt = None,
    force: Force = False,
) -> None:
    """Go back to the previous CA: it is trusted first, then signs again, then the new one is retired."""
    from kntls.rotation.plan import choose_issuer, previous_secret
    from kntls.rotation.situation import Target

    session = live_or_files(common, NEEDS)
    name = choose_issuer(session.observation, issuer)
    to, away = previous_secret(session.observation, name, to_secret)
    target = Target(
        name,
        to,
        away,
        seconds(soak, "--soak"),
        seconds(grace, "--grace"),
        window,
        adopted=references(adopt),
        include=included(include),
        accept_foreign=accept_foreign,
        started_at=datetime.now(UTC),
        rollback=True,
    )
    _carry_out(session, common, target, "", force)


def plan(common: Common, **asked: Any) -> None:
    """Show what a rotation would do; the same as `--dry-run`."""
    rotate(replace(common, dry_run=True), **asked)


plan.__signature__ = inspect.signature(rotate, eval_str=True)  # type: ignore[attr-defined]


app.callback(invoke_without_command=True)(with_common(rotate, CHANGES, TABLES, files=PLANNED))
app.command("plan")(with_common(plan, READS - {"namespace"}, TABLES))
app.command("apply")(with_common(rotate, CHANGES, TABLES, files=PLANNED))
app.command("status")(with_common(status, READS - {"namespace"}, TABLES))
app.command("rollback")(with_common(rollback, CHANGES, TABLES, files=PLANNED))
