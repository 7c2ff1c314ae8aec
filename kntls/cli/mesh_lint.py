"""`kntls mesh lint`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.mesh_input import load
from kntls.cli.options import READS, Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.model.findings import Finding
    from kntls.model.observation import Unread

app = group("Rules for mesh resources.")
DOCS = "docs/mesh-lint.md"
FORMATS = ("table", "wide", "json", "yaml", "name", "short", "junit", "sarif")

Rules = Annotated[
    list[str] | None, typer.Option("--rule", help="only this rule; repeat for more", metavar="ID", show_default=False)
]
FailOn = Annotated[
    str, typer.Option("--fail-on", help="exit 1 from this severity on: error, warning or info", metavar="LEVEL")
]
Root = Annotated[
    str | None,
    typer.Option("--root-namespace", help="the control plane's namespace", metavar="NS", show_default=False),
]


def _chosen(names: list[str] | None) -> tuple[str, ...]:
    from kntls.mesh.lint import REGISTRY

    wanted = tuple(name.upper() for name in names or ())
    for name in wanted:
        if name not in REGISTRY:
            raise UsageError(f"no rule {name!r}", where="--rule", fix=f"{DOCS} lists them")
    return wanted


def _show(common: Common, output: str, findings: tuple[Finding, ...], unread: tuple[Unread, ...]) -> str:
    from kntls.mesh.lint import REGISTRY
    from kntls.report import findings as report
    from kntls.report.document import render
    from kntls.report.text import Paint, colourful

    if output in ("json", "yaml"):
        return render("MeshLintReport", report.body(findings, unread), output)
    if output == "junit":
        return report.junit("kntls mesh lint", findings, REGISTRY.values())
    if output == "sarif":
        return report.sarif(findings, REGISTRY.values())
    if output == "short":
        return report.short(findings)
    if output == "name":
        return "".join(f"{name}\n" for name in dict.fromkeys(str(each.object) for each in findings))
    paint = Paint(colourful(sys.stdout, common.no_color))
    return report.table(findings, REGISTRY, unread, paint, DOCS)


def lint(common: Common, rules: Rules = None, fail_on: FailOn = "error", root_namespace: Root = None) -> None:
    """Judge mesh resources: policies, mTLS, gateways, control planes, members, keys.

    \b
        kntls mesh lint -f policies/
        kntls mesh lint -f policies/ -o sarif > lint.sarif
    """
    from kntls.mesh.lint import World
    from kntls.mesh.lint import lint as judge
    from kntls.model.findings import Severity

    output = output_of(common)
    if fail_on not in tuple(Severity):
        raise UsageError(f"no severity {fail_on!r}", where="--fail-on", fix="error, warning or info")
    chosen = _chosen(rules)
    resources, unread = load(common)
    world = World(resources, root_namespace or "", live=not common.files, now=datetime.now(UTC))
    found = judge(world, chosen)
    if common.namespace:
        found = tuple(each for each in found if each.object and each.object.namespace == common.namespace)
    typer.echo(_show(common, output, found, unread), nl=False)
    order = list(Severity)
    if any(order.index(each.severity) <= order.index(Severity(fail_on)) for each in found):
        raise typer.Exit(int(ExitCode.FINDINGS))


app.command()(with_common(lint, READS, FORMATS))
