"""`kntls mesh cacerts`: Istio's plug-in CA."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.mesh_input import read_text
from kntls.cli.options import CHANGES, CLUSTER, LOCAL, MANIFESTS, SIMPLE, TABLES, Common, family, with_common
from kntls.cli.session import Live, connect, output_of, seconds
from kntls.errors import ExitCode, InputError, NotFound, Refused, UsageError

if TYPE_CHECKING:
    from kntls.mesh.cacerts.chains import ChainVerdict
    from kntls.mesh.cacerts.install import Place
    from kntls.mesh.cacerts.material import CaMaterial
    from kntls.mesh.cacerts.rotation import Next
    from kntls.model.observation import Unread
    from kntls.pki.create import KeyPair

app = family("Istio's plug-in CA, the Secret cacerts: make, judge, install, rotate, and check it in live chains.")

Directory = Annotated[str, typer.Argument(help="directory with the four files", metavar="DIR")]
Source = Annotated[str, typer.Argument(help="directory with the four files; without it the Secret", metavar="[DIR]")]
Root = Annotated[str, typer.Option("--root-namespace", help="istiod's namespace", metavar="NS")]
SYSTEM = "istio-system"


def _now() -> datetime:
    return datetime.now(UTC)


def _source(common: Common, directory: str, namespace: str) -> CaMaterial:
    """A CA from a directory, from the Secret in `-f` files, or from the Secret in the cluster."""
    from kntls.mesh.cacerts.material import NAME, from_files, from_secret
    from kntls.model.kinds import SECRET
    from kntls.model.objects import ObjectRef

    if directory:
        return from_files(directory)
    if common.files:
        return _from_manifests(common)
    ref = ObjectRef(SECRET, NAME, namespace)
    secret = connect(common).get(ref)
    if secret is None:
        raise NotFound("no such Secret", where=str(ref), fix="kntls mesh cacerts install DIR")
    return from_secret(secret)


def _from_manifests(common: Common) -> CaMaterial:
    from kntls.mesh.cacerts.material import FILES, from_secret
    from kntls.mesh.resources import read

    secrets = list(read(common.files or ()).in_group("Secret", ""))
    found = [
        each
        for each in secrets
        if {*FILES, "tls.crt"} & {*(each.body.get("data") or {}), *(each.body.get("stringData") or {})}
    ]
    if not found:
        raise InputError("holds no Secret with a CA", where=", ".join(common.files or ()))
    return from_secret(found[0].body, found[0].location)


def _days(text: str, flag: str) -> timedelta:
    return timedelta(seconds=seconds(text, flag))


def _root_pair(cert: str, key: str) -> KeyPair | None:
    """An existing root, its key from a file that stays where it is."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from kntls.pki.create import KeyPair
    from kntls.pki.pem import certificates, public_key_hash_of_private_key

    if not cert and not key:
        return None
    if not (cert and key):
        raise UsageError("a root's certificate and key go together", fix="give both --root-cert and --root-key")
    found, pem = certificates(read_text(cert), cert), read_text(key).encode()
    if not found:
        raise InputError("holds no certificate", where=cert)
    try:
        same = public_key_hash_of_private_key(pem) == found[0].public_key_hash
    except InputError as error:
        raise InputError(error.what, where=key) from None
    if not same:
        raise Refused("is not the key of the root certificate", where=key)
    loaded: Any = load_pem_private_key(pem, password=None)
    return KeyPair(found[0], loaded)


def create(
    common: Common,
    directory: Annotated[str, typer.Argument(help="new directory for the four files", metavar="DIR")],
    root_name: Annotated[
        str, typer.Option("--root-name", help="common name of the root", metavar="CN")
    ] = "Mesh root CA",
    ca_name: Annotated[
        str, typer.Option("--ca-name", help="common name of the CA", metavar="CN")
    ] = "Mesh intermediate CA",
    lifetime: Annotated[str, typer.Option("--lifetime", help="of the CA", metavar="DURATION")] = "730d",
    root_lifetime: Annotated[str, typer.Option("--root-lifetime", help="of a new root", metavar="DURATION")] = "3650d",
    key_type: Annotated[str, typer.Option("--key-type", help="of new keys", metavar="TYPE")] = "ecdsa-p256",
    root_cert: Annotated[str, typer.Option("--root-cert", help="sign with this root", metavar="FILE")] = "",
    root_key: Annotated[str, typer.Option("--root-key", help="its key", metavar="FILE")] = "",
    root_namespace: Root = SYSTEM,
) -> None:
    """Make an intermediate CA for Istio, and a root unless one is given.

    A new root's key is written beside DIR, never into it: it belongs offline.
    """
    from kntls.mesh.cacerts.create import ROOT_KEY, Wanted, files, write
    from kntls.mesh.cacerts.create import create as make

    given = _root_pair(root_cert, root_key)
    wanted = Wanted(
        root_name,
        ca_name,
        _days(root_lifetime, "--root-lifetime"),
        _days(lifetime, "--lifetime"),
        key_type,
        f"istiod.{root_namespace}.svc",
    )
    root, ca = make(wanted, _now(), given)
    contents = files(root, ca)
    if given is None:
        beside = f"../{Path(directory).resolve().name}-root"
        contents |= {f"{beside}/{ROOT_KEY}": root.key_pem(), f"{beside}/root-cert.pem": root.certificate.pem()}
    paths = write(directory, contents)
    for path in paths:
        typer.echo(path)
    if given is None:
        print(f"note: keep {paths[-2]} offline; it is not part of the Secret", file=sys.stderr)  # noqa: T201


def validate(
    common: Common,
    directory: Source = "",
    old: Annotated[str, typer.Option("--old", help="the CA it follows", metavar="DIR")] = "",
    workload_lifetime: Annotated[
        str, typer.Option("--workload-lifetime", help="of workload certificates", metavar="DURATION")
    ] = "24h",
    root_namespace: Root = SYSTEM,
) -> None:
    """Judge a plug-in CA: what istiod verifies when it starts, and what only proxies notice."""
    from kntls.mesh.cacerts.checks import RULES, Context
    from kntls.mesh.cacerts.checks import validate as judge
    from kntls.mesh.cacerts.material import from_files
    from kntls.model.findings import Severity
    from kntls.report import findings as report
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful

    output = output_of(common)
    ca = _source(common, directory, root_namespace)
    context = Context(
        _now(),
        _days(workload_lifetime, "--workload-lifetime"),
        from_files(old) if old else None,
        root_namespace,
    )
    found = judge(ca, context)
    if output in ("json", "yaml"):
        emit("MeshCaReport", {**_described(ca), **report.body(found, ())}, output)
    else:
        typer.echo(f"{ca.where}: CA {ca.signer}, roots {', '.join(map(str, ca.roots)) or 'none'}\n")
        paint = Paint(colourful(sys.stdout, common.no_color))
        typer.echo(report.table(found, RULES, (), paint, "docs/mesh-lint.md"), nl=False)
    if any(each.severity is Severity.ERROR for each in found):
        raise typer.Exit(int(ExitCode.FINDINGS))


def _described(ca: CaMaterial) -> dict[str, Any]:
    return {
        "source": ca.where,
        "ca": ca.signer.fingerprint if ca.signer else "",
        "roots": [each.fingerprint for each in ca.roots],
        "chain": [each.fingerprint for each in ca.chain],
    }


def diff(
    common: Common,
    first: Annotated[str, typer.Argument(help="directory with the four files", metavar="DIR")],
    second: Annotated[str, typer.Argument(help="the other; without it the Secret", metavar="[DIR]")] = "",
    root_namespace: Root = SYSTEM,
) -> None:
    """What differs between two plug-in CAs; exit code 1 if anything does."""
    from kntls.mesh.cacerts.compare import compare
    from kntls.report.document import emit

    output = output_of(common)
    one, other = _source(common, first, root_namespace), _source(common, second, root_namespace)
    found = compare(one, other)
    if output in ("json", "yaml"):
        rows = [
            {"file": each.file, "onlyFirst": list(each.only_first), "onlySecond": list(each.only_second)}
            for each in found
        ]
        emit("MeshCaDiff", {"first": one.where, "second": other.where, "differences": rows}, output)
    else:
        for each in found:
            typer.echo(each.file)
            for sign, lines in (("-", each.only_first), ("+", each.only_second)):
                for line in lines:
                    typer.echo(f"  {sign} {line}")
        typer.echo(f"{len(found)} of 4 files differ" if found else "no difference")
    if found:
        raise typer.Exit(int(ExitCode.FINDINGS))


def _session(common: Common, place: Place) -> Live:
    from kntls.mesh.cacerts.install import READS
    from kntls.observe.live import Observer

    if common.files:
        raise UsageError("this changes a cluster; -f reads from files", fix="leave -f out")
    cluster = connect(common)
    session = Live(cluster, Observer(cluster, secret_namespaces=(place.namespace,)))
    session.look(READS)
    return session


def _errors(ca: CaMaterial, place: Place, old: CaMaterial | None = None) -> list[str]:
    from kntls.mesh.cacerts.checks import Context
    from kntls.mesh.cacerts.checks import validate as judge
    from kntls.model.findings import Severity

    found = judge(ca, Context(_now(), old=old, namespace=place.namespace))
    return [f"{each.id}: {each.reason}" for each in found if each.severity is Severity.ERROR]


def _contents(directory: str) -> dict[str, str]:
    from pathlib import Path

    from kntls.mesh.cacerts.material import FILES

    return {name: read_text(str(Path(directory) / name)) for name in FILES}


def install(common: Common, directory: Directory, root_namespace: Root = SYSTEM) -> None:
    """Plug a CA in: the Secret, the SMCP's setting, the owed restarts in order; then look at live chains.

    Refused (exit 4) for a CA with errors, and for one that would replace a CA that is in use: that is a rotation
    (`kntls mesh cacerts next`).
    """
    from kntls.cli.carry import carry_out
    from kntls.mesh.cacerts.install import Place, current, install_plan
    from kntls.mesh.cacerts.material import from_files

    place = Place(root_namespace)
    ca = from_files(directory)
    refusals = _errors(ca, place)
    if refusals:
        raise Refused(refusals[0], where=directory, fix=f"kntls mesh cacerts validate {directory}")
    session = _session(common, place)
    old = current(session.observation, place)
    if old is not None and old.signer != ca.signer:
        raise Refused(
            f"{old.signer} is plugged in; workloads would refuse each other's certificates",
            fix=f"kntls mesh cacerts next {directory}",
        )
    plan = install_plan(_contents(directory), ca, session.observation, place)
    if carry_out(plan, session, common, namespace=root_namespace) is not None:
        _prove(common, ca)


def remove(common: Common, root_namespace: Root = SYSTEM) -> None:
    """Back to istiod's own self-signed CA: the SMCP's setting, the Secret, the owed restarts."""
    from kntls.cli.carry import carry_out
    from kntls.mesh.cacerts.install import Place, remove_plan

    place = Place(root_namespace)
    session = _session(common, place)
    carry_out(remove_plan(session.observation, place), session, common, namespace=root_namespace)


def _live_verdicts(common: Common, ca: CaMaterial) -> tuple[list[ChainVerdict], list[Unread]]:
    from kntls.cluster.exec import executor
    from kntls.mesh.cacerts.chains import Presented, judge
    from kntls.mesh.cacerts.live import collect
    from kntls.mesh.inventory import inventory
    from kntls.mesh.live import WORKLOAD_KINDS, read_cluster

    cluster = connect(common)
    resources, _ = read_cluster(cluster, WORKLOAD_KINDS)
    members = [m for m in inventory(resources) if not common.namespace or m.namespace == common.namespace]
    seen = list(collect(members, executor(cluster)))
    verdicts = [judge(each, ca, _now()) for each in seen if isinstance(each, Presented)]
    return verdicts, [each for each in seen if not isinstance(each, Presented)]


def check(
    common: Common,
    directory: Source = "",
    chains: Annotated[
        list[str] | None,
        typer.Option("--chain", help="what openssl s_client -showcerts or config_dump printed", metavar="FILE"),
    ] = None,
    root_namespace: Root = SYSTEM,
) -> None:
    """Look at what workloads really present: is it signed by this CA, does it verify with its roots?

    Live, every sidecar is asked for its certificates; with --chain, captured output is judged instead.
    """
    from kntls.mesh.cacerts.chains import from_config_dump, from_s_client, judge
    from kntls.report.document import emit

    output = output_of(common)
    ca = _source(common, directory, root_namespace)
    unread: list[Unread] = []
    if chains:
        texts = {path: read_text(path) for path in chains}
        read = {p: from_config_dump if t.lstrip().startswith("{") else from_s_client for p, t in texts.items()}
        verdicts = [judge(read[path](text, path), ca, _now()) for path, text in texts.items()]
    else:
        verdicts, unread = _live_verdicts(common, ca)
    if output in ("json", "yaml"):
        emit("MeshChainReport", _chain_body(verdicts, unread), output)
    else:
        _chain_table(verdicts, unread)
    if unread or any(not each.ok for each in verdicts):
        raise typer.Exit(int(ExitCode.FINDINGS))


def _chain_body(verdicts: list[ChainVerdict], unread: list[Unread]) -> dict[str, Any]:
    rows = [
        {
            "workload": v.workload,
            "ok": v.ok,
            "identity": v.identity,
            "signedBy": v.signed_by,
            "problems": list(v.problems),
        }
        for v in verdicts
    ]
    return {"workloads": rows, "unread": [{"what": each.what, "reason": each.reason} for each in unread]}


def _chain_table(verdicts: list[ChainVerdict], unread: list[Unread]) -> None:
    for each in verdicts:
        typer.echo(f"{'√' if each.ok else '×'} {each.workload} {each.identity}")
        for problem in each.problems:
            typer.echo(f"    {problem}")
    for entry in unread:
        typer.echo(f"? {entry.what}: {entry.reason}")
    good = sum(each.ok for each in verdicts)
    typer.echo(
        f"{good} of {len(verdicts)} chains are as they should be" + (f", {len(unread)} not read" if unread else "")
    )


def _step_texts(step: Next) -> list[str]:
    lines = [f"next: {step.step}", f"  {step.sentence}"]
    lines += [f"  before: {each}" for each in step.before]
    return lines + [f"  after:  {each}" for each in step.after]


def _step_body(step: Next) -> dict[str, Any]:
    return {
        "step": step.step.value,
        "sentence": step.sentence,
        "before": list(step.before),
        "after": list(step.after),
        "roots": [each.fingerprint for each in step.roots],
    }


def next_(
    common: Common,
    directory: Annotated[str, typer.Argument(help="the new CA", metavar="DIR")],
    current_directory: Annotated[
        str, typer.Option("--current", help="the CA in use; without it the Secret", metavar="DIR")
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="carry the step out")] = False,
    root_namespace: Root = SYSTEM,
) -> None:
    """The next allowed step of a root rotation: trust both roots, sign with the new CA, retire the old root.

    With --apply it is carried out: the Secret, then the owed restarts. Run it again for the step after that.
    """
    from kntls.mesh.cacerts.install import Place
    from kntls.mesh.cacerts.material import from_files
    from kntls.mesh.cacerts.rotation import next_step
    from kntls.report.document import emit

    output = output_of(common)
    new = from_files(directory)
    place = Place(root_namespace)
    old = _source(common, current_directory, root_namespace)
    if refusals := _errors(new, place, old):
        raise Refused(refusals[0], where=directory, fix=f"kntls mesh cacerts validate {directory}")
    step = next_step(old, new)
    if output in ("json", "yaml"):
        emit("MeshCaStep", _step_body(step), output)
    else:
        typer.echo("\n".join(_step_texts(step)))
    if apply:
        _carry_step(common, step, directory, old, place)


def _carry_step(common: Common, step: Next, directory: str, old: CaMaterial, place: Place) -> None:
    from dataclasses import replace

    from kntls.cli.carry import carry_out
    from kntls.mesh.cacerts.install import multi_root, next_plan
    from kntls.mesh.cacerts.material import from_files
    from kntls.mesh.cacerts.rotation import Step, objections

    if step.step is Step.DONE:
        return
    session = _session(common, place)
    new = from_files(directory)
    proposed = replace(new if step.step is Step.SIGN else old, roots=step.roots)
    refusals = list(objections(old, proposed, multi_root=multi_root(session.observation, place)))
    if step.step in (Step.SIGN, Step.RETIRE):
        refusals += _unready(common, old)
    plan = next_plan(step, _contents(directory), session.observation, place, refusals)
    if carry_out(plan, session, common, namespace=place.namespace) is not None:
        _prove(common, proposed)


def _prove(common: Common, ca: CaMaterial) -> None:
    """Look at what sidecars present now; exit code 1 where one lags behind."""
    from dataclasses import replace

    verdicts, unread = _live_verdicts(replace(common, namespace=None), ca)
    _chain_table(verdicts, unread)
    if unread or any(not each.ok for each in verdicts):
        raise typer.Exit(int(ExitCode.FINDINGS))


def _unready(common: Common, ca: CaMaterial) -> list[str]:
    """Workloads that have not caught up with the CA that is in place now."""
    from dataclasses import replace

    verdicts, unread = _live_verdicts(replace(common, namespace=None), ca)
    lagging = [each.workload for each in verdicts if not each.ok] + [each.what for each in unread]
    return [f"{len(lagging)} workloads have not caught up: {', '.join(lagging[:3])}"] if lagging else []


def istio_csr(
    common: Common,
    flavour: Annotated[str, typer.Option("--flavour", help="istio, ossm2 or ossm3", metavar="FLAVOUR")] = "istio",
    root_namespace: Root = SYSTEM,
    name: Annotated[str, typer.Option("--name", help="of the SMCP or Istio CR", metavar="NAME")] = "",
    namespace_of_csr: Annotated[str, typer.Option("--csr-namespace", help="where istio-csr runs", metavar="NS")] = "",
    mesh_version: Annotated[str, typer.Option("--mesh-version", help="checked if given", metavar="VERSION")] = "",
    csr_version: Annotated[str, typer.Option("--csr-version", help="checked if given", metavar="VERSION")] = "",
    issuer: Annotated[str, typer.Option("--issuer", help="Issuer in istiod's namespace", metavar="NAME")] = "istio-ca",
    root: Annotated[bool, typer.Option("--root/--no-root", help="make a self-signed root and the issuer")] = True,
    directory: Annotated[str, typer.Option("--directory", help="write one file an object", metavar="DIR")] = "",
) -> None:
    """Let cert-manager sign for the mesh: its objects, istio-csr's Helm values, the control plane's setting."""
    from kntls.mesh.cacerts.istio_csr import IstioCsr
    from kntls.mesh.cacerts.istio_csr import istio_csr as make
    from kntls.mesh.generate.model import Flavour, Target
    from kntls.report.manifests import Manifests, stream, write

    if flavour not in tuple(Flavour):
        raise UsageError(f"no flavour {flavour!r}", where="--flavour", fix="istio, ossm2 or ossm3")
    wanted = IstioCsr(namespace_of_csr, issuer, mesh_version, csr_version, root)
    made = make(wanted, Target(Flavour(flavour), root_namespace, control_plane=name))
    manifests = Manifests(made.objects, made.files)
    if directory:
        typer.echo("\n".join(write(directory, manifests)))
    else:
        typer.echo(stream(manifests, output_of(common)), nl=False)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)  # noqa: T201


CA = CLUSTER | {"files"}
"""What a command takes that looks at a CA wherever it lies."""
WRITES = CHANGES - {"files"}

app.command("create")(with_common(create, ()))
app.command("validate")(with_common(validate, CA, TABLES))
app.command("diff")(with_common(diff, CA, SIMPLE))
app.command("install")(with_common(install, WRITES, TABLES))
app.command("remove")(with_common(remove, WRITES, TABLES))
app.command("check")(with_common(check, CA | {"namespace"}, TABLES))
app.command("next")(with_common(next_, CHANGES, SIMPLE))
app.command("istio-csr")(with_common(istio_csr, LOCAL, MANIFESTS))
