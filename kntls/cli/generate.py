"""`kntls generate`: what `enable` would write, as YAML or JSON, without a cluster."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.enable import (
    Algorithm,
    BundleName,
    ClusterLocal,
    CommonName,
    Duration,
    ExternalDomain,
    SystemInternal,
    surfaces_of,
)
from kntls.cli.options import LOCAL, Common, family, with_common
from kntls.cli.session import object_name, output_of
from kntls.cli.trust import read_cas

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP = """What `enable` would write, without a cluster: to be committed, reviewed, applied by somebody else.

\b
    kntls generate issuers | kubectl apply --server-side -f -
    kntls generate trust-bundle --ca ca.crt
    kntls generate config --system-internal --cluster-local
    kntls generate config --system-internal --operator
"""

app = family(HELP, ())

CaFile = Annotated[
    str, typer.Option("--ca", help="file with CA certificates in PEM, - for standard input", metavar="FILE|-")
]
Issuer = Annotated[str, typer.Option("--issuer", help="ClusterIssuer to name", metavar="NAME")]
Operator = Annotated[bool, typer.Option("--operator", help="as a KnativeServing instead of ConfigMaps")]


def _print(manifests: Iterable[dict[str, Any]], common: Common) -> None:
    """YAML documents, or with `-o json` one List."""
    from kntls.report.document import dump_yaml

    if output_of(common) == "json":
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        sys.stdout.write(json.dumps(items, indent=2) + "\n")
        return
    sys.stdout.write("---\n".join(dump_yaml(manifest) for manifest in manifests))


def issuers(common: Common, common_name: CommonName = "", duration: Duration = "", algorithm: Algorithm = "") -> None:
    """A CA and its issuers: a SelfSigned ClusterIssuer, a root Certificate and the ClusterIssuer that signs with it."""
    from kntls.certmanager.manifests import root_options
    from kntls.surfaces.generate import RESOURCE_NAMESPACE
    from kntls.surfaces.generate import issuers as make

    _print(make(root_options(common_name, duration, algorithm), common.namespace or RESOURCE_NAMESPACE), common)


def trust_bundle(common: Common, ca: CaFile, bundle_name: BundleName = "") -> None:
    """The trust bundle that activator and Kourier read."""
    from kntls.surfaces.generate import SERVING_NAMESPACE
    from kntls.surfaces.generate import trust_bundle as make
    from kntls.trust.bundles import BUNDLE_NAME

    spaces = (common.namespace or SERVING_NAMESPACE,)
    _print(make(read_cas(ca), object_name(bundle_name, "--bundle-name") or BUNDLE_NAME, spaces), common)


def config(
    common: Common,
    system_internal: SystemInternal = False,
    cluster_local: ClusterLocal = False,
    external_domain: ExternalDomain = False,
    issuer: Issuer = "",
    operator: Operator = False,
) -> None:
    """Flags and issuer references: the keys alone, for `kubectl apply --server-side`."""
    from kntls.certmanager.manifests import CA_ISSUER
    from kntls.surfaces.generate import SERVING_NAMESPACE, config_maps, knative_serving

    make = knative_serving if operator else config_maps
    surfaces = surfaces_of(system_internal, cluster_local, external_domain)
    _print(make(surfaces, issuer or CA_ISSUER, common.namespace or SERVING_NAMESPACE), common)


TAKES, FORMATS = LOCAL | {"namespace"}, ("yaml", "json")
SECRETS = "where cert-manager keeps the Secrets of ClusterIssuers (cert-manager)"
SERVING = "where Knative Serving is installed (knative-serving)"

app.command("issuers")(with_common(issuers, TAKES, FORMATS, namespace=SECRETS))
app.command("trust-bundle")(with_common(trust_bundle, TAKES, FORMATS, namespace=SERVING))
app.command("config")(with_common(config, TAKES, FORMATS, namespace=SERVING))
