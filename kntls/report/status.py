"""How `kntls status` looks: one screen, and the same as a document."""

from __future__ import annotations

import textwrap
from typing import Any

from kntls.certmanager.authority import Authority
from kntls.model.observation import Observation
from kntls.pki.certificate import Certificate
from kntls.report.text import WIDTH, Look, Paint, until
from kntls.rotation.status import RotationStatus
from kntls.surfaces.overview import PLAIN, Overview, SurfaceState
from kntls.trust.consumers import EffectiveTrust

FIRST_STEP = "kntls enable --system-internal --cluster-local --dry-run"


def _stamp(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _manager(view: Overview) -> str:
    if view.manager is None:
        return "cert-manager is not installed"
    return f"cert-manager {view.manager.version}, CA Secrets in {view.manager.resource_namespace}"


def _head(view: Overview, paint: Paint) -> list[str]:
    place = view.installation
    layer = place.layer.name if place.layer else f"unknown ingress class {place.ingress_class}"
    ingress = f"{layer} in {place.ingress_namespace}" if place.ingress_namespace else f"{layer} (not running)"
    title = f"Knative Serving {place.version or '(version unknown)'} in {place.namespace}, by {place.flavour}"
    return [
        paint(title, "bold"),
        textwrap.fill(f"{ingress}; {_manager(view)}", WIDTH, break_on_hyphens=False),
        "",
    ]


def _surface_row(state: SurfaceState, view: Overview, observation: Observation) -> tuple[str, ...]:
    on = "on" if state.on else "off"
    if state.surface.value == "external-domain" and view.external_terminator:
        on = "elsewhere"
    issuer = f"{state.issuer} ({state.issuer_kind})" if state.on or state.leaves else "-"
    leaves = f"{state.ready}/{len(state.leaves)}" if state.leaves else "-"
    expiry = until(state.first_expiry, observation.taken_at) if state.first_expiry else "-"
    return (state.surface.value, on, issuer, leaves, expiry)


def _trust_rows(trust: EffectiveTrust, look: Look) -> list[tuple[str, str, str]]:
    anchors = [_named(certificate, look) for certificate in trust.anchors] or ["(nothing)"]
    return [(trust.consumer.name, trust.consumer.namespace, anchor) for anchor in anchors]


def _named(certificate: Certificate, look: Look) -> str:
    return f"{certificate.common_name} {look.fingerprint(certificate.fingerprint)}"


def _notes(view: Overview, observation: Observation, paint: Paint) -> list[str]:
    lines = [f"{paint('‼', 'yellow')} restart owed: {owed.reason}\n    {owed.command}" for owed in view.restarts]
    lines += [f"{paint('‼', 'yellow')} {text}" for text in view.left_over]
    for trust in view.trust:
        lines += [f"{paint('×', 'red')} {trust.consumer.name} ignores {source}: {why}" for source, why in trust.dropped]
        lines += [f"{paint('×', 'red')} {trust.consumer.name} crashes on {source}" for source in trust.crashes]
    lines += [f"{paint('‼', 'yellow')} nobody reads {bundle.ref}" for bundle in view.unread_bundles]
    lines += [f"published to workloads: {bundle.ref}" for bundle in view.published]
    return [*lines, ""] if lines else []


def _closing(view: Overview, observation: Observation) -> list[str]:
    lines = []
    if not any(state.on for state in view.surfaces):
        lines += ["Nothing is encrypted. See what turning it on would do:", f"  {FIRST_STEP}", ""]
    if view.external_terminator:
        lines.append(f"TLS of external domains ends at {view.external_terminator}.")
    lines.append(textwrap.fill(f"Stays plain in any case: {PLAIN}. The feature is {view.support}.", WIDTH))
    if observation.unread:
        missing = "; ".join(f"{entry.what} ({entry.reason})" for entry in observation.unread)
        lines.append(textwrap.fill(f"Not looked at: {missing}", WIDTH, break_on_hyphens=False))
    return lines


def render(view: Overview, rotations: tuple[RotationStatus, ...], observation: Observation, look: Look) -> str:
    """The screen."""
    lines = _head(view, look.paint)
    rows = [_surface_row(state, view, observation) for state in view.surfaces]
    lines += [look.table(("SURFACE", "STATE", "ISSUER", "READY", "EXPIRES"), rows)]
    for rotation in rotations:
        cas = [_generation_row(rotation, ca, observation, look) for ca in rotation.generations]
        lines += [f"CAs of ClusterIssuer {rotation.issuer}", look.table(("SECRET", "CA", "ROLE", "EXPIRES"), cas)]
    trusted = [row for trust in view.trust for row in _trust_rows(trust, look)]
    if any(trust.anchors for trust in view.trust) or any(state.on for state in view.surfaces):
        lines += [look.table(("TRUSTED BY", "IN", "CA"), trusted)]
    for rotation in rotations:
        if rotation.under_way:
            where = rotation.stage.name if rotation.stage else "all stages done"
            lines += [f"A rotation to {rotation.target} is under way: {where}. See `kntls rotate-ca status`.", ""]
    lines += _notes(view, observation, look.paint)
    lines += _closing(view, observation)
    return "\n".join(lines).rstrip() + "\n"


def _generations(rotations: tuple[RotationStatus, ...]) -> list[tuple[RotationStatus, Authority]]:
    return [(rotation, ca) for rotation in rotations for ca in rotation.generations]


def _generation_row(rotation: RotationStatus, ca: Authority, observation: Observation, look: Look) -> tuple[str, ...]:
    expiry = until(ca.anchor.not_after, observation.taken_at)
    return (ca.secret.name, _named(ca.anchor, look), _role(rotation, ca.secret.name), expiry)


def _role(rotation: RotationStatus, secret: str) -> str:
    if secret == rotation.secret:
        return "signs"
    return "to retire" if secret in rotation.retiring else "trusted"


def body(view: Overview, rotations: tuple[RotationStatus, ...], observation: Observation) -> dict[str, Any]:
    """The document."""
    place = view.installation
    return {
        "source": observation.source,
        "takenAt": _stamp(observation.taken_at),
        "serving": {
            "version": place.version,
            "namespace": place.namespace,
            "installedBy": place.flavour.value,
            "ingress": place.layer.name if place.layer else place.ingress_class,
            "ingressNamespace": place.ingress_namespace,
            "gatewayNamespace": place.gateway_namespace,
        },
        "certManager": {"version": view.manager.version, "resourceNamespace": view.manager.resource_namespace}
        if view.manager
        else None,
        "surfaces": [
            {
                "name": state.surface.value,
                "on": state.on,
                "issuer": state.issuer,
                "issuerKind": state.issuer_kind,
                "leaves": len(state.leaves),
                "ready": state.ready,
                "firstExpiry": _stamp(state.first_expiry),
            }
            for state in view.surfaces
        ],
        "authorities": [
            {
                "issuer": rotation.issuer,
                "secret": ca.secret.name,
                "commonName": ca.signer.common_name,
                "fingerprint": ca.anchor.fingerprint,
                "role": _role(rotation, ca.secret.name),
                "notAfter": _stamp(ca.anchor.not_after),
            }
            for rotation, ca in _generations(rotations)
        ],
        "trust": [
            {
                "consumer": trust.consumer.name,
                "namespace": trust.consumer.namespace,
                "trusts": [certificate.fingerprint for certificate in trust.anchors],
                "ignores": [{"source": str(source), "reason": why} for source, why in trust.dropped],
                "crashesOn": [str(source) for source in trust.crashes],
            }
            for trust in view.trust
        ],
        "restartsOwed": [
            {"deployment": str(owed.deployment), "reason": owed.reason, "fix": owed.command} for owed in view.restarts
        ],
        "externalDomainTerminatedBy": view.external_terminator,
        "staysPlain": PLAIN,
        "support": view.support,
        "notLookedAt": [{"what": entry.what, "reason": entry.reason} for entry in observation.unread],
    }
