"""What a Certificate's spec means once cert-manager's run-time defaults are filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from kntls.lab.x509 import Names, Template

DEFAULT_DURATION = timedelta(days=90)
DEFAULT_USAGES = ("digital signature", "key encipherment")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def parse_duration(text: str) -> timedelta:
    """A Go duration such as `2160h0m0s`.

    Raises:
        ValueError: not such a string.
    """
    parts = re.findall(r"([0-9.]+)(h|ms|us|µs|ns|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"time: invalid duration {text!r}")
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in parts))


def issuer_ref(spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """(name, kind, group) with cert-manager's defaults Issuer and cert-manager.io."""
    ref = spec.get("issuerRef") or {}
    return ref.get("name", ""), ref.get("kind") or "Issuer", ref.get("group") or "cert-manager.io"


def names(spec: Mapping[str, Any]) -> Names:
    """Subject and alternative names as the request will carry them."""
    subject = {key: tuple(values) for key, values in (spec.get("subject") or {}).items() if isinstance(values, list)}
    return Names(
        common_name=spec.get("commonName", ""),
        dns=tuple(spec.get("dnsNames") or ()),
        ips=tuple(spec.get("ipAddresses") or ()),
        uris=tuple(spec.get("uris") or ()),
        emails=tuple(spec.get("emailAddresses") or ()),
        subject=tuple(sorted(subject.items())),
    )


def usages(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The key usages, the default pair if none are listed; a CA always gets `cert sign`."""
    asked = tuple(spec.get("usages") or DEFAULT_USAGES)
    return (*asked, "cert sign") if spec.get("isCA") and "cert sign" not in asked else asked


def duration(spec: Mapping[str, Any]) -> timedelta:
    """How long a certificate of this spec lives."""
    return parse_duration(spec["duration"]) if spec.get("duration") else DEFAULT_DURATION


def template(spec: Mapping[str, Any], crl: tuple[str, ...] = ()) -> Template:
    """What the certificate shall say; works for Certificates and CertificateRequests."""
    return Template(duration(spec), bool(spec.get("isCA")), usages(spec), crl)


def private_key(spec: Mapping[str, Any]) -> tuple[str, int, str]:
    """(algorithm, size, encoding); size 0 means the algorithm's default."""
    key = spec.get("privateKey") or {}
    return key.get("algorithm") or "RSA", int(key.get("size") or 0), key.get("encoding") or "PKCS1"


def reuses_key(spec: Mapping[str, Any]) -> bool:
    """Whether the key outlives a re-issuance: only with `rotationPolicy: Never` (the default is Always from 1.18)."""
    return (spec.get("privateKey") or {}).get("rotationPolicy") == "Never"


def history_limit(spec: Mapping[str, Any]) -> int:
    """How many CertificateRequests are kept (default 1 from cert-manager 1.18)."""
    return int(spec.get("revisionHistoryLimit") or 1)
