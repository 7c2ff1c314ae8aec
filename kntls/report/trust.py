"""How trust looks: bundles, what each consumer accepts and from where, snippets for workloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kntls.knative.installation import Installation
from kntls.knative.names import EVENTING
from kntls.model.observation import Observation, Unread
from kntls.report.document import dump_yaml
from kntls.report.text import Look, until
from kntls.trust.bundles import TrustBundle, readings
from kntls.trust.consumers import EffectiveTrust
from kntls.trust.publish import Way


def readers(bundle: TrustBundle, installation: Installation) -> str:
    """Who reads a bundle, by its namespace."""
    if bundle.published:
        return "workloads there"
    found = []
    if bundle.ref.namespace == installation.namespace:
        found.append("activator")
    if bundle.ref.namespace == installation.ingress_namespace:
        found.append("Envoy")
    if bundle.ref.namespace == EVENTING:
        found.append("Eventing")
    return ", ".join(found) or "nobody"


def problem(bundle: TrustBundle) -> str:
    """What the strictest reader of a bundle objects to; empty where all is well."""
    if bundle.published:
        return ""
    found = [
        f"{key}: {reading.problem}"
        for key, text in bundle.data.items()
        for reading in readings(text)[1:]
        if reading.problem
    ]
    return "; ".join(found)


def listing(bundles: list[TrustBundle], installation: Installation, look: Look) -> str:
    """The bundles as a table; a wide one has the fingerprints of what is in them, too."""
    rows = [
        (
            bundle.ref.namespace,
            f"{bundle.ref.name}" + (" (Secret)" if bundle.ref.kind.name == "Secret" else ""),
            str(len(bundle.certificates)),
            readers(bundle, installation),
            bundle.owner.value + (f" {bundle.owner_name}" if bundle.owner_name else ""),
            problem(bundle) or "ok",
            *([",".join(certificate.fingerprint for certificate in bundle.certificates)] if look.wide else []),
        )
        for bundle in sorted(bundles, key=lambda entry: entry.ref)
    ]
    head = ("NAMESPACE", "NAME", "CAS", "READ BY", "KEPT BY", "STATUS", *(["SHA-256"] if look.wide else []))
    return look.table(head, rows)


def listing_body(bundles: list[TrustBundle], installation: Installation, unread: Iterable[Unread]) -> dict[str, Any]:
    """The bundles for JSON."""
    return {
        "bundles": [
            {
                "namespace": bundle.ref.namespace,
                "name": bundle.ref.name,
                "kind": bundle.ref.kind.name,
                "readBy": readers(bundle, installation),
                "keptBy": bundle.owner.value,
                "published": bundle.published,
                "certificates": [_certificate(certificate) for certificate in bundle.certificates],
                "problem": problem(bundle),
            }
            for bundle in sorted(bundles, key=lambda entry: entry.ref)
        ],
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in unread],
    }


def _certificate(certificate: Any) -> dict[str, Any]:
    return {
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "publicKey": certificate.public_key_hash,
        "notAfter": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "isCa": certificate.is_ca,
    }


def effective(trust: tuple[EffectiveTrust, ...], observation: Observation, look: Look) -> str:
    """What each consumer accepts, and from where."""
    blocks = []
    for entry in trust:
        rows = [
            (
                certificate.common_name or certificate.subject,
                look.fingerprint(certificate.fingerprint),
                until(certificate.not_after, observation.taken_at),
                ", ".join(source.ref.name for source in sources),
            )
            for certificate, sources in entry.anchors.items()
        ]
        title = look.paint(f"{entry.consumer.name} in {entry.consumer.namespace} accepts", "bold")
        body = look.table(("CA", "SHA-256", "EXPIRES", "FROM"), rows) if rows else "  nothing\n"
        dropped = [f"  {look.paint('×', 'red')} ignores {source}: {why}\n" for source, why in entry.dropped]
        crashes = [f"  {look.paint('×', 'red')} crashes on {source}\n" for source in entry.crashes]
        blocks.append("".join([title, "\n", body, *dropped, *crashes]))
    return "\n".join(blocks)


def effective_body(trust: tuple[EffectiveTrust, ...], unread: Iterable[Unread]) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "consumers": [
            {
                "name": entry.consumer.name,
                "namespace": entry.consumer.namespace,
                "trusts": [
                    {**_certificate(certificate), "from": [str(source) for source in sources]}
                    for certificate, sources in entry.anchors.items()
                ],
                "ignores": [{"source": str(source), "reason": why} for source, why in entry.dropped],
                "crashesOn": [str(source) for source in entry.crashes],
            }
            for entry in trust
        ],
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in unread],
    }


def snippets(found: tuple[Way, ...]) -> str:
    """The four ways a workload can take the published CAs."""
    blocks = []
    for way in found:
        text = way.snippet if isinstance(way.snippet, str) else dump_yaml(way.snippet)
        indented = "\n".join(f"    {line}" for line in text.rstrip().splitlines())
        blocks.append(f"{way.name} — a rotation needs: {way.rotation}\n{indented}\n")
    return "\n".join(blocks)
