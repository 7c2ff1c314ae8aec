"""`kntls mesh`: the service-mesh half, one module a family of commands."""

from __future__ import annotations

from kntls.cli.lazy import Table, lazy_group
from kntls.cli.options import CLUSTER, Common, with_common

COMMANDS: Table = {
    "generate": ("mesh_generate", "policies, mTLS, integration and control plane as manifests"),
    "lint": ("mesh_lint", "rules for policies, mTLS, gateways, control planes, members and keys"),
    "verify": ("mesh_verify", "isolation measured, live or on real Envoys, against the verdicts"),
    "status": ("mesh_status", "what every port accepts, what Kiali shows, what Knative still misses"),
    "cacerts": ("mesh_cacerts", "Istio's plug-in CA: create, validate, diff, install, rotate, check"),
    "explain": ("mesh_explain", "would this request pass, why, and what would change the answer"),
    "matrix": ("mesh_explain", "every tenant against every tenant on the eight paths"),
    "test": ("mesh_test", "run a table of requests through the policies"),
    "compile": ("mesh_compile", "the RBAC filters Istio generates for one workload"),
}
"""Command → (module under `kntls.cli`, one-line help); a module may hold several commands by name."""

app = lazy_group(COMMANDS)


def mesh(common: Common) -> None:
    """Istio and OpenShift Service Mesh: policies generated, linted, explained and proven."""


app.callback()(with_common(mesh, CLUSTER - {"output"}))
