"""cert-manager's validating webhook: the rules that manifests for it must satisfy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from kntls.lab.answers import ApiError
from kntls.lab.certmanager import spec as specs
from kntls.lab.objects import Object
from kntls.lab.store import Admission

SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
ISSUER_TYPES = ("acme", "ca", "selfSigned", "vault", "venafi")
SHORTEST, EARLIEST = timedelta(hours=1), timedelta(minutes=5)
KINDS = ("Issuer", "ClusterIssuer")


def admit(admission: Admission) -> None:
    """Refuse what breaks a rule; status updates are judged like all others.

    Raises:
        ApiError: refused.
    """
    if admission.verb == "delete" or admission.resource.group != "cert-manager.io":
        return
    problems = list(judge(admission.resource.kind, admission.obj, admission.old))
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        message = f'admission webhook "webhook.cert-manager.io" denied the request: {text}'
        raise ApiError(403, "Forbidden", message)


def judge(kind: str, obj: Object, old: Object | None = None) -> Iterator[str]:
    """What is wrong with an object, as `field: problem`."""
    spec = obj.get("spec") or {}
    if kind == "Certificate":
        yield from _certificate(spec)
    elif kind in KINDS:
        yield from _issuer(spec)
    elif kind == "CertificateRequest" and old is not None and old.get("spec") != spec:
        yield "spec: Forbidden: cannot change spec after creation"


def _certificate(spec: Mapping[str, Any]) -> Iterator[str]:
    name = spec.get("secretName", "")
    if not name:
        yield "spec.secretName: Required value: must be specified"
    elif not SUBDOMAIN.match(name):
        yield f'spec.secretName: Invalid value: "{name}": must be a lowercase RFC 1123 subdomain'
    yield from _issuer_ref(spec.get("issuerRef") or {})
    yield from _names(spec)
    yield from _times(spec)
    yield from _key(spec.get("privateKey") or {})
    if "revisionHistoryLimit" in spec and int(spec["revisionHistoryLimit"]) < 1:
        yield f"spec.revisionHistoryLimit: Invalid value: {spec['revisionHistoryLimit']}: must not be less than 1"
    for key in (spec.get("secretTemplate") or {}).get("annotations") or {}:
        if key.startswith("cert-manager.io/") and key != "cert-manager.io/allow-direct-injection":
            yield f'spec.secretTemplate.annotations: Invalid value: "{key}": cert-manager.io/* are not allowed'
    if spec.get("nameConstraints") and not spec.get("isCA"):
        yield "spec.nameConstraints: Invalid value: isCa should be true when nameConstraints is set"


def _issuer_ref(ref: Mapping[str, str]) -> Iterator[str]:
    if not ref.get("name"):
        yield "spec.issuerRef.name: Required value: must be specified"
    kind = ref.get("kind") or "Issuer"
    if ref.get("group") in (None, "", "cert-manager.io") and kind not in KINDS:
        hint = "must be one of Issuer or ClusterIssuer"
        more = "" if ref.get("group") else " (did you forget to set spec.issuerRef.kind.group?)"
        yield f'spec.issuerRef.kind: Invalid value: "{kind}": {hint}{more}'


def _names(spec: Mapping[str, Any]) -> Iterator[str]:
    fields = ("commonName", "dnsNames", "uris", "emailAddresses", "ipAddresses", "otherNames", "literalSubject")
    if not any(spec.get(field) for field in fields):
        yield (
            'spec: Invalid value: "": at least one of commonName (from the commonName field or from a literalSubject), '
            "dnsNames, emailSANs, ipAddresses, otherNames, or uriSANs must be set"
        )
    if len(spec.get("commonName", "")) > 64:
        yield "spec.commonName: Too long: may not be more than 64 bytes"
    if spec.get("literalSubject") and spec.get("commonName"):
        yield "spec.commonName: Invalid value: must not be set when literalSubject is set"
    for position, text in enumerate(spec.get("ipAddresses") or []):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            yield f'spec.ipAddresses[{position}]: Invalid value: "{text}": invalid IP address'


def _times(spec: Mapping[str, Any]) -> Iterator[str]:
    try:
        lifetime = specs.duration(spec)
        before = specs.parse_duration(spec["renewBefore"]) if spec.get("renewBefore") else None
    except ValueError as error:
        yield f"spec.duration: Invalid value: {error}"
        return
    if lifetime < SHORTEST:
        yield f"spec.duration: Invalid value: {_count(lifetime)}: certificate duration must be greater than 1h0m0s"
    if before is not None and spec.get("renewBeforePercentage"):
        yield "spec.renewBefore: Invalid value: renewBefore and renewBeforePercentage are mutually exclusive"
    if before is not None and before < EARLIEST:
        yield f"spec.renewBefore: Invalid value: {_count(before)}: certificate renewBefore must be greater than 5m0s"
    if before is not None and before >= lifetime:
        yield (
            f"spec.renewBefore: Invalid value: {_count(before)}: certificate duration {_go(lifetime)} must be "
            f"greater than renewBefore {_go(before)}"
        )
    policy = (spec.get("renewal") or {}).get("policy")
    if policy not in (None, "RenewBefore", "Disabled"):
        yield f'spec.renewal.policy: Unsupported value: "{policy}": supported values: "RenewBefore", "Disabled"'


def _key(key: Mapping[str, Any]) -> Iterator[str]:
    algorithm, size = key.get("algorithm") or "RSA", int(key.get("size") or 0)
    if algorithm == "RSA" and size and not 2048 <= size <= 8192:
        yield f"spec.privateKey.size: Invalid value: {size}: must be between 2048 and 8192 for rsa keyAlgorithm"
    if algorithm == "ECDSA" and size not in (0, 256, 384, 521):
        yield f'spec.privateKey.size: Unsupported value: {size}: supported values: "256", "384", "521"'


def _issuer(spec: Mapping[str, Any]) -> Iterator[str]:
    found = [name for name in ISSUER_TYPES if name in spec]
    if not found:
        yield "spec: Required value: at least one issuer must be configured"
    for name in found[1:]:
        yield f"spec.{name}: Forbidden: may not specify more than one issuer type"
    if "ca" in spec and not (spec["ca"] or {}).get("secretName"):
        yield "spec.ca.secretName: Required value"


def _count(span: timedelta) -> int:
    """Nanoseconds, as Go prints a duration that is only a number to it."""
    return int(span.total_seconds()) * 1_000_000_000


def _go(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 3600}h{seconds % 3600 // 60}m{seconds % 60}s"
