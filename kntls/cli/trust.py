"""`kntls trust`: bundles, what consumers accept, adding, removing, publishing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.carry import carry_out
from kntls.cli.options import Common, group, with_common
from kntls.cli.session import live, observe, output_of
from kntls.errors import InputError, NotFound, Refused, UsageError

if TYPE_CHECKING:
    from kntls.model.observation import Observation
    from kntls.pki.certificate import Certificate
    from kntls.trust.bundles import TrustBundle

app = group("Trust bundles: who keeps them, who reads them, what is in them.")

CaFile = Annotated[str, typer.Option("--ca", help="file with CA certificates in PEM", metavar="FILE")]
Adopt = Annotated[list[str] | None, typer.Option("--adopt", help="take over this bundle", metavar="NS/NAME")]
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
    seen = observe(common)
    found, place = _bundles(seen, common.namespace), detect(seen)
    if wanted in ("json", "yaml"):
        emit("TrustBundleList", listing_body(found, place), wanted)
    elif wanted == "name":
        sys.stdout.write("".join(f"{bundle.ref.namespace}/{bundle.ref.name}\n" for bundle in found))
    elif found:
        sys.stdout.write(listing(found, place))
    else:
        sys.stderr.write("No trust bundles.\n")


def show(common: Common) -> None:
    """Show what each of Knative's consumers really accepts, and from which object each CA comes."""
    from kntls.knative.installation import detect
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful
    from kntls.report.trust import effective, effective_body
    from kntls.trust.consumers import consumers, effective_trust

    wanted = output_of(common)
    seen = observe(common)
    found = tuple(effective_trust(seen, consumer) for consumer in consumers(detect(seen)))
    if wanted in ("json", "yaml"):
        emit("TrustReport", effective_body(found), wanted)
        return
    sys.stdout.write(effective(found, seen, Paint(colourful(sys.stdout, common.no_color))))


def add(common: Common, ca: CaFile = "", bundle_name: str = "", adopt: Adopt = None, force: Force = False) -> None:
    """Add CAs to the bundle of every namespace that Knative's consumers read."""
    from kntls.cli.rotate import references
    from kntls.knative.installation import detect
    from kntls.trust.bundles import BUNDLE_NAME
    from kntls.trust.plans import add_plan

    if not ca:
        raise UsageError("which CA?", fix="--ca FILE")
    session = live(common)
    place = detect(session.observation)
    plan = add_plan(session.observation, place, read_cas(ca), bundle_name or BUNDLE_NAME, references(adopt))
    carry_out(plan, session, common, namespace=place.namespace, force=force)


def remove(
    common: Common,
    fingerprint: Annotated[str, typer.Argument(help="SHA-256 of the certificate, or its first 8 or more digits")],
    adopt: Adopt = None,
    accept_impact: Annotated[bool, typer.Option("--accept-impact", help="even if something stops verifying")] = False,
    force: Force = False,
) -> None:
    """Remove a CA from every bundle; refused while something observed still needs it."""
    from kntls.cli.rotate import references
    from kntls.knative.installation import detect
    from kntls.trust.plans import remove_plan

    session = live(common, handshakes=True)
    certificate = _by_fingerprint(session.observation, fingerprint)
    place = detect(session.observation)
    plan = remove_plan(session.observation, place, certificate, references(adopt), accept_impact=accept_impact)
    carry_out(plan, session, common, namespace=place.namespace, force=force)


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
    kind: Annotated[str, typer.Option("--as-kind", help="configmap, secret or bundle (trust-manager)")] = "configmap",
    name: Annotated[str, typer.Option("--name", help="name of the object", metavar="NAME")] = "",
    eventing: Annotated[bool, typer.Option("--eventing", help="give Knative Eventing the CAs as well")] = False,
    force: Force = False,
) -> None:
    """Publish the CAs in use to a user namespace (`-n NS`); rotations keep it right."""
    from kntls.certmanager.installation import detect as cert_manager
    from kntls.knative.installation import detect
    from kntls.model.kinds import NAMESPACE
    from kntls.report.trust import snippets
    from kntls.trust.bundles import BUNDLE_NAME
    from kntls.trust.publish import anchors_in_use, publish_plan, ways

    if kind not in ("configmap", "secret", "bundle"):
        raise UsageError(f"no such kind: {kind!r}", where="--as-kind", fix="configmap, secret or bundle")
    if not common.namespace and not eventing:
        raise UsageError("publish where?", fix="-n NAMESPACE (several with commas), or --eventing")
    session = live(common)
    seen, place = session.observation, detect(session.observation)
    anchors = anchors_in_use(seen, place.namespace, cert_manager(seen).resource_namespace)
    spaces = tuple(filter(None, (common.namespace or "").split(",")))
    for space in spaces:
        if seen.get(NAMESPACE, space) is None:
            raise NotFound("no such namespace", where=space, fix="`kubectl get namespaces` lists them")
    plan = publish_plan(seen, spaces, anchors, kind=kind, name=name or BUNDLE_NAME, eventing=eventing)
    after = carry_out(plan, session, common, namespace=place.namespace, force=force)
    if after is not None and spaces:
        sys.stderr.write("\nHow a workload can take it:\n\n" + snippets(ways(name or BUNDLE_NAME, _title(kind))))


def _title(kind: str) -> str:
    return "Secret" if kind == "secret" else "ConfigMap"


app.command("list")(with_common(list_))
app.command("show")(with_common(show))
app.command("add")(with_common(add))
app.command("remove")(with_common(remove))
app.command("publish")(with_common(publish))
