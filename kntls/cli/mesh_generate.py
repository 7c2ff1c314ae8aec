"""`kntls mesh generate`: manifests for tenants, policies, mTLS and the control plane."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from kntls.cli.mesh_input import read_text
from kntls.cli.options import CHANGES, MANIFESTS, Common, family, with_common
from kntls.cli.session import output_of
from kntls.errors import Refused, UsageError

if TYPE_CHECKING:
    from kntls.mesh.generate.model import Generated, Target

app = family("Manifests for the mesh: YAML on standard output, a directory, a kustomization, or applied.")

OUTSIDERS = "see in these files who would break under STRICT"
"""Help of `-f`."""
Many = list[str] | None
Switch = bool | None


def _flag(*names: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False)


NAMESPACES = Annotated[Many, _flag("--namespace", "-n", help="namespace; repeat for more", metavar="NS")]
SELECTOR = Annotated[str | None, _flag("--selector", "-l", help="labels of the workload", metavar="K=V,…")]
PORTS = Annotated[Many, _flag("--port", help="container port; repeat for more", metavar="PORT")]

TARGET_FLAGS: dict[str, Any] = {
    "flavour": Annotated[
        str | None, _flag("--flavour", help="whose mesh: istio, ossm2 or ossm3 (istio)", metavar="FLAVOUR")
    ],
    "root_namespace": Annotated[
        str | None, _flag("--root-namespace", help="the control plane's namespace (istio-system)", metavar="NS")
    ],
    "cluster_domain": Annotated[
        str | None, _flag("--cluster-domain", help="the cluster's domain (cluster.local)", metavar="DOMAIN")
    ],
    "directory": Annotated[str | None, _flag("--directory", help="write one file an object", metavar="DIR")],
    "kustomize": Annotated[str | None, _flag("--kustomize", help="the same, with a kustomization", metavar="DIR")],
    "apply": Annotated[bool, typer.Option("--apply", help="apply to the cluster, after plan and diff")],
    "outside": Annotated[
        Many, _flag("--outside", help="accept that this one outside the mesh breaks", metavar="NS[/NAME]")
    ],
}


@dataclass(frozen=True)
class _Where:
    """Where generated manifests go."""

    directory: str | None
    kustomize: str | None
    apply: bool
    accepted: tuple[str, ...]


def _take(values: dict[str, Any]) -> tuple[Target, _Where]:
    from kntls.mesh.generate.model import Flavour, Target, check_label, check_name

    taken = {key: values.pop(key, None) for key in TARGET_FLAGS}
    given = {key: taken[key] for key in ("root_namespace", "cluster_domain") if taken[key]}
    check_label(given.get("root_namespace", "a"), "root namespace")
    check_name(given.get("cluster_domain", "a"), "cluster domain")
    flavour = taken["flavour"] or Flavour.ISTIO
    if flavour not in tuple(Flavour):
        raise UsageError(f"no flavour {flavour!r}", where="--flavour", fix="istio, ossm2 or ossm3")
    accepted = tuple(taken["outside"] or ())
    where = _Where(taken["directory"], taken["kustomize"], bool(taken["apply"]), accepted)
    if sum(map(bool, (where.directory, where.kustomize, where.apply))) > 1:
        raise UsageError("--directory, --kustomize and --apply exclude each other")
    return Target(Flavour(flavour), **given), where


def _generator(function: Callable[..., Generated]) -> Callable[..., None]:
    """A command from a function `(common, target, **own) -> Generated`: adds the target's flags, writes the result."""
    # the mesh's own types are not imported before the command runs
    types = get_type_hints(function, localns={"Target": object, "Generated": object}, include_extras=True)
    plain = inspect.signature(function).parameters.values()
    first = [parameter.replace(annotation=types[parameter.name]) for parameter in plain]
    kind = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, kind, default=None, annotation=annotation) for name, annotation in TARGET_FLAGS.items()
    ]

    @functools.wraps(function)
    def command(common: Common, **values: Any) -> None:
        target, where = _take(values)
        _finish(common, function(common, target, **values), where, target)

    command.__signature__ = inspect.Signature([first[0], *first[2:], *shared])  # type: ignore[attr-defined]
    wrapped: Callable[..., None] = app.command(function.__name__.strip("_").replace("_", "-"))(
        with_common(command, CHANGES, MANIFESTS, files=OUTSIDERS)
    )
    return wrapped


def _refuse_outsiders(common: Common, generated: Generated, where: _Where) -> None:
    """List who would break under STRICT, and refuse unless each is accepted. Raises `Refused`."""
    from kntls.cli.mesh_input import load
    from kntls.mesh.outsiders import outsiders, unseen

    if generated.strict is None:
        return
    if not (common.files or where.apply):
        _say("note: nothing was read, so who would break under STRICT is unknown: add -f FILES, or use --apply")
        return
    resources, unread = load(common)
    found = outsiders(resources, generated.strict)
    for entry in unread:
        _say(f"not looked at: {entry.what}: {entry.reason}")
    if quiet := unseen(resources, found):
        _say(f"note: pods outside the mesh, not seen to call anything that becomes STRICT: {', '.join(quiet)}")
    for each in found:
        _say(f"{'accepted' if each.named(where.accepted) else 'would break'}: {each}")
    left = [each for each in found if not each.named(where.accepted)]
    if left:
        raise Refused(
            f"{len(left)} outside the mesh would break under STRICT",
            fix="give them a sidecar, exclude them, or accept each with --outside NS/NAME",
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _finish(common: Common, generated: Generated, where: _Where, target: Target) -> None:
    from kntls.report.manifests import Manifests, stream, write

    _refuse_outsiders(common, generated, where)
    if where.apply:
        from kntls.cli.mesh_apply import apply_generated

        apply_generated(common, "Apply the generated mesh resources", generated, target.root_namespace)
        return
    manifests = Manifests(generated.objects, generated.files, generated.secret_files)
    directory = where.directory or where.kustomize
    if directory:
        for path in write(directory, manifests, kustomize=bool(where.kustomize)):
            typer.echo(path)
    else:
        typer.echo(stream(manifests, output_of(common)), nl=False)
    for note in generated.notes:
        _say(f"note: {note}")


@_generator
def _tenant(
    common: Common,
    target: Target,
    name: Annotated[str, typer.Argument(help="the tenant's name", metavar="NAME")],
    namespaces: NAMESPACES = None,
    serving: Annotated[bool, typer.Option("--serving/--no-serving", help="the tenant uses Serving")] = True,
    eventing: Annotated[bool, typer.Option("--eventing/--no-eventing", help="the tenant uses Eventing")] = True,
    harden: Annotated[bool, typer.Option("--harden", help="check the activator's namespace header too")] = False,
) -> Generated:
    """Isolate a tenant: everything its namespaces and the shared components allow it, and nothing else."""
    from kntls.mesh.generate.tenant import Tenant, tenant

    return tenant(Tenant(name, tuple(namespaces or ()), serving, eventing, harden), target)


@_generator
def _baseline(common: Common, target: Target) -> Generated:
    """Close knative-serving and knative-eventing, and open what their components need of each other."""
    from kntls.mesh.generate.baseline import baseline

    return baseline(target)


@_generator
def _policy(
    common: Common,
    target: Target,
    template: Annotated[
        str,
        typer.Argument(help="allow-all, deny-all, outside-namespace, ingress, caller or tcp-ports", metavar="TEMPLATE"),
    ],
    namespace: Annotated[
        str | None, _flag("--namespace", "-n", help="scope; without it the whole mesh", metavar="NS")
    ] = None,
    selector: SELECTOR = None,
    action: Annotated[str, typer.Option("--action", help="ALLOW or DENY", metavar="ACTION")] = "ALLOW",
    name: Annotated[str | None, _flag("--name", help="the policy's name", metavar="NAME")] = None,
    source_namespaces: Annotated[
        Many, _flag("--source-namespace", help="namespace that counts as inside", metavar="NS")
    ] = None,
    ip_blocks: Annotated[Many, _flag("--ip-block", help="address or CIDR of clients", metavar="CIDR")] = None,
    original_address: Annotated[
        bool, typer.Option("--original-address", help="take clients' addresses from X-Forwarded-For")
    ] = False,
    service_accounts: Annotated[Many, _flag("--service-account", help="caller", metavar="NS/NAME")] = None,
    methods: Annotated[Many, _flag("--method", help="HTTP method", metavar="METHOD")] = None,
    ports: PORTS = None,
) -> Generated:
    """One AuthorizationPolicy from a template, at mesh, namespace or workload scope."""
    from kntls.mesh.generate.model import parse_labels
    from kntls.mesh.generate.policy import Request, policy

    request = Request(
        template,
        action.upper(),
        namespace or "",
        parse_labels(selector) if selector else {},
        name or "",
        tuple(source_namespaces or ()),
        tuple(ip_blocks or ()),
        original_address,
        tuple(service_accounts or ()),
        tuple(methods or ()),
        tuple(ports or ()),
    )
    return policy(request, target)


@_generator
def _integration(
    common: Common,
    target: Target,
    domain: Annotated[str, _flag("--domain", help="wildcard domain of the services", metavar="DOMAIN")],
    secret: Annotated[str | None, _flag("--secret", help="name of its Secret (wildcard-certs)", metavar="NAME")] = None,
    cert: Annotated[str | None, _flag("--cert", help="its certificate", metavar="FILE")] = None,
    key: Annotated[str | None, _flag("--key", help="its key; referred to, never printed", metavar="FILE")] = None,
    issuer: Annotated[
        str | None, _flag("--issuer", help="let this ClusterIssuer sign it instead", metavar="NAME")
    ] = None,
) -> Generated:
    """Tie Knative Serving to the mesh: KnativeServing, gateways, local gateway, wildcard certificate."""
    from kntls.mesh.generate.integration import Integration, integration

    return integration(Integration(domain, secret or "wildcard-certs", cert or "", key or "", issuer or ""), target)


@_generator
def _mtls(
    common: Common,
    target: Target,
    mode: Annotated[str, typer.Option("--mode", help="STRICT, PERMISSIVE or DISABLE", metavar="MODE")] = "STRICT",
    namespaces: NAMESPACES = None,
    selector: SELECTOR = None,
    name: Annotated[str | None, _flag("--name", help="the PeerAuthentication's name", metavar="NAME")] = None,
    ports: Annotated[
        Many, _flag("--port", help="mode of one container port; needs --selector", metavar="PORT=MODE")
    ] = None,
    hosts: Annotated[Many, _flag("--host", help="add a DestinationRule ISTIO_MUTUAL", metavar="HOST")] = None,
    plaintext_hosts: Annotated[
        Many, _flag("--plaintext-host", help="add a DestinationRule DISABLE", metavar="HOST")
    ] = None,
    local_gateway: Annotated[
        bool, typer.Option("--local-gateway", help="knative-local-gateway takes mTLS only")
    ] = False,
    prestop: Annotated[
        Many, _flag("--prestop", help="Knative service whose port 8022 the kubelet may call", metavar="NAME")
    ] = None,
) -> Generated:
    """Who must use mTLS: PeerAuthentications at mesh, namespace or workload level, and what goes with them."""
    from kntls.mesh.generate.model import parse_labels
    from kntls.mesh.generate.mtls import Mode, Mtls, mtls, parse_ports

    if mode.upper() not in Mode.__members__:
        raise UsageError(f"{mode!r} is no mTLS mode", fix="use STRICT, PERMISSIVE or DISABLE")
    wanted = Mtls(
        Mode(mode.upper()),
        tuple(namespaces or ()),
        parse_labels(selector) if selector else {},
        name or "",
        parse_ports(tuple(ports or ())),
        tuple(hosts or ()),
        tuple(plaintext_hosts or ()),
        local_gateway,
        tuple(prestop or ()),
    )
    return mtls(wanted, target)


@_generator
def _control_plane(
    common: Common,
    target: Target,
    name: Annotated[str | None, _flag("--name", help="of the SMCP (basic) or Istio (default)", metavar="NAME")] = None,
    mtls: Annotated[Switch, typer.Option("--mtls/--no-mtls", help="STRICT or PERMISSIVE for the mesh")] = None,
    auto_mtls: Annotated[
        Switch, typer.Option("--auto-mtls/--no-auto-mtls", help="clients find out by themselves")
    ] = None,
    min_tls: Annotated[str | None, _flag("--min-tls", help="TLSv1_2, TLSv1_3, …", metavar="VERSION")] = None,
    max_tls: Annotated[str | None, _flag("--max-tls", help="OSSM 2 only", metavar="VERSION")] = None,
    ciphers: Annotated[Many, _flag("--cipher", help="IANA name, in order of priority", metavar="SUITE")] = None,
    curves: Annotated[Many, _flag("--curve", help="CurveP256, X25519, …", metavar="CURVE")] = None,
    jwks_ca: Annotated[str | None, _flag("--jwks-ca", help="CA of the servers that hold JWKS", metavar="FILE")] = None,
    knative: Annotated[bool, typer.Option("--knative", help="add what Knative Serving needs")] = False,
    mesh_version: Annotated[str | None, _flag("--mesh-version", help="spec.version", metavar="VERSION")] = None,
) -> Generated:
    """The control plane's TLS: an SMCP (OSSM 2), an Istio CR (OSSM 3) or Helm values (Istio)."""
    from dataclasses import replace

    from kntls.mesh.generate.control_plane import ControlPlane, control_plane

    wanted = ControlPlane(
        mtls,
        auto_mtls,
        min_tls or "",
        max_tls or "",
        tuple(ciphers or ()),
        tuple(curves or ()),
        read_text(jwks_ca) if jwks_ca else "",
        knative,
        mesh_version or "",
    )
    return control_plane(wanted, replace(target, control_plane=name or ""))


@_generator
def _member_roll(
    common: Common,
    target: Target,
    namespaces: NAMESPACES = None,
    revision: Annotated[str | None, _flag("--revision", help="control-plane revision", metavar="REV")] = None,
    static: Annotated[
        bool, typer.Option("--knative/--no-knative", help="add knative-serving and knative-eventing")
    ] = True,
) -> Generated:
    """Who is in the mesh: the member roll (OSSM 2) or the injection labels."""
    from kntls.mesh.generate.member_roll import Members, member_roll

    return member_roll(Members(tuple(namespaces or ()), revision or "", static), target)


@_generator
def _jwt(
    common: Common,
    target: Target,
    name: Annotated[str, typer.Argument(help="name of the RequestAuthentication", metavar="NAME")],
    namespace: Annotated[str, _flag("--namespace", "-n", help="the workload's namespace", metavar="NS")],
    issuer: Annotated[str, _flag("--issuer", help="the tokens' issuer", metavar="URL")],
    jwks_uri: Annotated[str | None, _flag("--jwks-uri", help="where its keys are", metavar="URL")] = None,
    jwks: Annotated[str | None, _flag("--jwks", help="its public keys, as JSON", metavar="FILE")] = None,
    audiences: Annotated[Many, _flag("--audience", help="accepted audience", metavar="TEXT")] = None,
    selector: SELECTOR = None,
    claims: Annotated[Many, _flag("--claim", help="claim that must hold", metavar="NAME=VALUE")] = None,
    ports: PORTS = None,
) -> Generated:
    """Ask for JSON Web Tokens: RequestAuthentication and the policies that make it count."""
    from kntls.mesh.generate.jwt import Jwt, jwt
    from kntls.mesh.generate.model import parse_labels

    wanted = Jwt(
        name,
        namespace,
        issuer,
        jwks_uri or "",
        read_text(jwks).strip() if jwks else "",
        tuple(audiences or ()),
        parse_labels(selector) if selector else {},
        tuple(claims or ()),
        tuple(ports or ()),
    )
    return jwt(wanted, target)
