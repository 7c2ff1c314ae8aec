"""`kntls trust`: bundles, what consumers accept, adding, removing, publishing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.carry import run
from kntls.cli.options import CHANGES, LISTS, PLANNED, READS, TABLES, Common, family, with_common
from kntls.cli.session import Live, live_or_files, look_of, object_name, observe, output_of
from kntls.errors import InputError, NotFound, Refused, UsageError
from kntls.model.kinds import BUNDLE, CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, CRD, DEPLOYMENT, NAMESPACE, SECRET

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.pki.certificate import Certificate
    from kntls.trust.bundles import TrustBundle

app = family("Trust bundles: who keeps them, who reads them, what is in them.")

NEEDS = (DEPLOYMENT, CONFIG_MAP, CERTIFICATE, SECRET)
"""Kinds by which it is judged who reads what, and who needs which CA."""

CaFile = Annotated[
    str, typer.Option("--ca", help="file with CA certificates in PEM, - for standard input", metavar="FILE|-")
]
Adopt = Annotated[list[str] | None, typer.Option("--adopt", help="take over this bundle", metavar="NS/NAME")]
Fingerprint = Annotated[
    str, typer.Argument(help="SHA-256 of the certificate, or its first 8 or more digits", metavar="SHA256")
]
PublishedKind = Annotated[
    str, typer.Option("--as-kind", help="configmap, secret or bundle (trust-manager)", metavar="KIND")
]
BundleName = Annotated[str, typer.Option("--bundle-name", help="name of the trust bundle kntls keeps", metavar="NAME")]
Force = Annotated[bool, typer.Option("--force", help="write objects that Argo CD or Flux track, too")]


def read_cas(path: str) -> tuple[Certificate, ...]:
    """The CA certificates of a PEM file.

    Raises `InputError` for a file that holds none, a private key, or a certificate that is no CA.
    """
    from kntls.pki.pem import certificates, has_private_key

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or 'not text'}", where=path) from None
    if has_private_key(text):
        raise InputError(
            "it holds a private key; a trust bundle is public", where=path, fix="keep the CERTIFICATE blocks"
        )
    found = certificates(text, path)
    if not found:
        raise InputError("no certificate in PEM", where=path)
    for certificate in found:
        if not certificate.is_ca:
            raise InputError(f"{certificate.subject} is not a CA", where=path)
    return found


def _bundles(observation: Observation, namespace: str | None) -> list[TrustBundle]:
    from kntls.trust.bundles import bundles, published

    found = [*bundles(observation), *published(observation)]
    return [bundle for bundle in found if namespace in (None, bundle.ref.namespace)]


def list_(common: Common) -> None:
    """List trust bundles: who keeps each, who reads it, whether all readers accept it."""
    from kntls.knative.installation import detect
    from kntls.report.document import emit
    from kntls.report.trust import listing, listing_body

    wanted = output_of(common)
    seen = observe(common, (DEPLOYMENT, CONFIG_MAP))
    found, place = _bundles(seen, common.namespace), detect(seen)
    if wanted in ("json", "yaml"):
        emit("TrustBundleList", listing_body(found, place, seen.unread), wanted)
    elif wanted == "name":
        sys.stdout.write("".join(f"{bundle.ref.namespace}/{bundle.ref.name}\n" for bundle in found))
    elif found:
        sys.stdout.write(listing(found, place, look_of(common)))
    else:
        sys.stderr.write("No trust bundles.\n")


def show(common: Common) -> None:
    """Show what each of Knative's consumers really accepts, and from which object each CA comes."""
    from kntls.knative.installation import detect
    from kntls.report.document import emit
    from kntls.report.trust import effective, effective_body
    from kntls.trust.consumers import consumers, effective_trust

    wanted = output_of(common)
    seen = observe(common, (DEPLOYMENT, CONFIG_MAP, SECRET))
    known = [entry for entry in consumers(detect(seen)) if common.namespace in (None, entry.namespace)]
    found = tuple(effective_trust(seen, consumer) for consumer in known)
    if wanted in ("json", "yaml"):
        emit("TrustReport", effective_body(found, seen.unread), wanted)
    elif found:
        sys.stdout.write(effective(found, seen, look_of(common)))
    else:
        sys.stderr.write(f"None of Knative's consumers is in {common.namespace}.\n")


def add(
    common: Common, ca: CaFile = "", bundle_name: BundleName = "", adopt: Adopt = None, force: Force = False
) -> None:
    """Add CAs to the bundle of every namespace that Knative's consumers read."""
    from kntls.cli.rotate import references
    from kntls.knative.installation import detect
    from kntls.trust.bundles import BUNDLE_NAME
    from kntls.trust.plans import add_plan

    if not ca:
        raise UsageError("which CA?", fix="--ca FILE")
    wanted = object_name(bundle_name, "--bundle-name") or BUNDLE_NAME
    session = live_or_files(common, NEEDS, handshakes=False)
    place = detect(session.observation)
    plan = add_plan(session.observation, place, read_cas(ca), wanted, references(adopt))
    run(plan, session, common, place.namespace, force=force, done="every bundle that is read holds it")


def remove(
    common: Common,
    fingerprint: Fingerprint,
    adopt: Adopt = None,
    accept_impact: Annotated[bool, typer.Option("--accept-impact", help="even if something stops verifying")] = False,
    force: Force = False,
) -> None:
    """Remove a CA from every bundle; refused while something observed still needs it."""
    from kntls.cli.rotate import references
    from kntls.knative.installation import detect
    from kntls.trust.plans import remove_plan

    session = live_or_files(common, NEEDS)
    certificate = _by_fingerprint(session.observation, fingerprint)
    place = detect(session.observation)
    plan = remove_plan(session.observation, place, certificate, references(adopt), accept_impact=accept_impact)
    run(plan, session, common, place.namespace, force=force, done="no bundle of ours holds it")


def _by_fingerprint(observation: Observation, prefix: str) -> Certificate:
    wanted = prefix.lower().replace(":", "")
    if len(wanted) < 8:
        raise UsageError("too short to be sure", where=prefix, fix="give 8 or more digits of the SHA-256")
    found = {cert for bundle in _bundles(observation, None) for cert in bundle.certificates}
    matching = [cert for cert in found if cert.fingerprint.startswith(wanted)]
    if not matching:
        raise NotFound("no bundle holds such a certificate", where=prefix, fix="`kntls trust show` lists them")
    if len(matching) > 1:
        raise Refused("several certificates begin so", where=prefix, fix="give more digits")
    return matching[0]


def publish(
    common: Common,
    kind: PublishedKind = "configmap",
    name: Annotated[str, typer.Option("--name", help="name of the object", metavar="NAME")] = "",
    eventing: Annotated[bool, typer.Option("--eventing", help="give Knative Eventing the CAs as well")] = False,
    force: Force = False,
) -> None:
    """Publish the CAs in use to a user namespace (`-n NAME`); rotations keep it right."""
    from kntls.certmanager.installation import detect as cert_manager
    from kntls.knative.installation import detect
    from kntls.observe.evidence import definitions
    from kntls.report.trust import snippets
    from kntls.trust.bundles import BUNDLE_NAME
    from kntls.trust.publish import anchors_in_use, publish_plan, ways

    if kind not in ("configmap", "secret", "bundle"):
        raise UsageError(f"no such kind: {kind!r}", where="--as-kind", fix="configmap, secret or bundle")
    wanted = object_name(name, "--name") or BUNDLE_NAME
    if not common.namespace and not eventing:
        raise UsageError("publish where?", fix="-n NAMESPACE (several with commas), or --eventing")
    session = live_or_files(common, (*NEEDS, CLUSTER_ISSUER), handshakes=False)
    if isinstance(session, Live) and kind == "bundle":
        session.observer.senses = {CRD: definitions((BUNDLE.resource,))}
        session.look((CRD,), session.observation)
    seen, place = session.observation, detect(session.observation)
    anchors = anchors_in_use(seen, place.namespace, cert_manager(seen).resource_namespace)
    spaces = tuple(filter(None, (common.namespace or "").split(",")))
    for space in spaces:
        if seen.get(NAMESPACE, space) is None:
            raise NotFound("no such namespace", where=space, fix="`kubectl get namespaces` lists them")
    plan = publish_plan(seen, spaces, anchors, kind=kind, name=wanted, eventing=eventing)
    after = run(plan, session, common, place.namespace, force=force, done="published, and rotations keep it right")
    if after is not None and spaces:
        sys.stderr.write("\nHow a workload can take it:\n\n" + snippets(ways(wanted, _title(kind))))


def _title(kind: str) -> str:
    return "Secret" if kind == "secret" else "ConfigMap"


PUBLISHED = "namespace to publish to; several with commas"

app.command("list")(with_common(list_, READS, LISTS))
app.command("show")(with_common(show, READS, TABLES))
app.command("add")(with_common(add, CHANGES, TABLES, files=PLANNED))
app.command("remove")(with_common(remove, CHANGES, TABLES, files=PLANNED))
app.command("publish")(with_common(publish, CHANGES | {"namespace"}, TABLES, files=PLANNED, namespace=PUBLISHED))
