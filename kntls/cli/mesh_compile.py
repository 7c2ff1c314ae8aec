"""`kntls mesh compile`: the RBAC filters Istio generates for one workload."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.mesh_input import input_of
from kntls.cli.options import READS, Common, group, with_common
from kntls.cli.session import output_of
from kntls.errors import UsageError

if TYPE_CHECKING:
    from kntls.mesh.authz import Workload

app = group("Policies as Envoy configuration.")

_WORKLOAD = typer.Option("--workload", help="its namespace and labels: foo/app=httpbin,version=v1", metavar="NS/LABELS")
_ROOT = typer.Option("--root-namespace", help="the mesh's root namespace (istio-system)", metavar="NS")
_TRUST = typer.Option("--trust-domain", help="the mesh's trust domain (cluster.local)", metavar="TD")
_ALIAS = typer.Option("--trust-domain-alias", help="another name of the trust domain; repeatable", metavar="TD")


def compile_filters(
    common: Common,
    workload: Annotated[str, _WORKLOAD],
    root_namespace: Annotated[str | None, _ROOT] = None,
    trust_domain: Annotated[str | None, _TRUST] = None,
    trust_domain_alias: Annotated[list[str] | None, _ALIAS] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="the filters of a TCP port")] = False,
) -> None:
    """Print the RBAC filters Istio 1.31 generates for a workload, in the order of the chain.

    What a proxy is sent is what a reviewer can compare before a policy is merged.

    \b
        kntls mesh compile -f policies/ --workload foo/app=httpbin
        diff <(kntls mesh compile -f old/ --workload foo) <(kntls mesh compile -f new/ --workload foo)
    """
    from kntls.mesh.settings import mesh_settings
    from kntls.mesh.world import build
    from kntls.report.document import dump_yaml

    output = output_of(common)
    found = input_of(common)
    mesh = mesh_settings(found)
    mesh = replace(
        mesh,
        root_namespace=root_namespace or mesh.root_namespace,
        trust_domain=trust_domain or mesh.trust_domain,
        aliases=tuple(trust_domain_alias or mesh.aliases),
    )
    filters = build(found, mesh).engine.filters(_workload(workload), tcp=tcp)
    typer.echo(json.dumps(filters, indent=2) if output == "json" else dump_yaml(filters).rstrip("\n"))


def _workload(text: str) -> Workload:
    from kntls.mesh.authz import Workload

    namespace, _, labels = text.partition("/")
    pairs = [pair.partition("=") for pair in labels.split(",") if pair]
    if not namespace or any(not key or not equals for key, equals, _ in pairs):
        raise UsageError(
            f"not a workload: {text!r}", where="--workload", fix="write it like foo/app=httpbin,version=v1"
        )
    return Workload(text, namespace, labels={key: value for key, _, value in pairs})


app.command(name="compile")(with_common(compile_filters, READS - {"namespace"}, ("yaml", "json")))
