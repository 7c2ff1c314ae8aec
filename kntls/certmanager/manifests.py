"""The issuer chain kntls makes: a SelfSigned ClusterIssuer, a root Certificate, a CA ClusterIssuer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kntls.errors import UsageError

SELF_SIGNED_ISSUER = "knative-serving-selfsigned-issuer"
ROOT_CERTIFICATE = "knative-serving-selfsigned-ca"
ROOT_SECRET = "knative-serving-ca"  # noqa: S105 - a Secret's name
CA_ISSUER = "knative-serving-ca-issuer"
FIRST_COMMON_NAME = "selfsigned-ca"
LABELS = {"app.kubernetes.io/managed-by": "kntls"}


@dataclass(frozen=True)
class RootOptions:
    """How a root certificate is made; the defaults keep it for ten years with one key."""

    common_name: str = FIRST_COMMON_NAME
    duration: str = "87600h"
    renew_before: str = "8760h"
    """Explicit, so that the day on which cert-manager would renew it is known."""
    algorithm: str = "ECDSA"
    size: int = 256


ALGORITHMS = {
    "ecdsa-p256": ("ECDSA", 256),
    "ecdsa-p384": ("ECDSA", 384),
    "ecdsa-p521": ("ECDSA", 521),
    "rsa-2048": ("RSA", 2048),
    "rsa-3072": ("RSA", 3072),
    "rsa-4096": ("RSA", 4096),
}
"""Keys of CAs: what activator, queue-proxy and Envoy all accept, as cert-manager's algorithm and size."""
LONGEST_COMMON_NAME = 64
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s))+")


def root_options(common_name: str = "", duration: str = "", algorithm: str = "") -> RootOptions:
    """Options from what was typed, the default where empty; renewed a tenth of its life before the end.

    Raises `UsageError` for what cert-manager's webhook would reject.
    """
    default = RootOptions()
    if len(common_name) > LONGEST_COMMON_NAME:
        raise UsageError(f"longer than {LONGEST_COMMON_NAME} characters", where="--common-name")
    if algorithm and algorithm not in ALGORITHMS:
        raise UsageError(f"no such key type: {algorithm!r}", where="--algorithm", fix=f"one of {', '.join(ALGORITHMS)}")
    kind, size = ALGORITHMS.get(algorithm, (default.algorithm, default.size))
    hours = _hours(duration) if duration else 0.0
    lasting = f"{hours:g}h" if duration else default.duration
    renewed = _tenth(hours) if duration else default.renew_before
    return RootOptions(common_name or default.common_name, lasting, renewed, kind, size)


def _tenth(hours: float) -> str:
    minutes = int(hours * 6)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _hours(text: str) -> float:
    """A Go duration, or days, in hours. Raises `UsageError`."""
    days = re.fullmatch(r"(\d+)d", text)
    units = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600}
    if not days and not DURATION.fullmatch(text):
        raise UsageError(f"not a duration: {text!r}", where="--duration", fix="write it like 87600h or 3650d")
    found = re.findall(r"(\d+(?:\.\d+)?)(h|m|s)", text)
    hours = float(days[1]) * 24 if days else sum(float(number) * units[unit] for number, unit in found)
    if hours < 1:
        raise UsageError(f"too short for a CA: {text}", where="--duration", fix="at least 1h; leaves last 90 days")
    return hours


def self_signed_issuer(name: str = SELF_SIGNED_ISSUER) -> dict[str, Any]:
    """The ClusterIssuer that makes roots."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": {"selfSigned": {}},
    }


def root_certificate(
    name: str, secret: str, namespace: str, options: RootOptions, issuer: str = SELF_SIGNED_ISSUER
) -> dict[str, Any]:
    """A CA Certificate: `rotationPolicy: Never`, so that a renewal never changes the key behind everybody's trust."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(LABELS)},
        "spec": {
            "isCA": True,
            "commonName": options.common_name,
            "secretName": secret,
            "duration": options.duration,
            "renewBefore": options.renew_before,
            "privateKey": {"algorithm": options.algorithm, "size": options.size, "rotationPolicy": "Never"},
            "usages": ["cert sign", "crl sign", "digital signature"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer},
        },
    }


def ca_issuer(secret: str, name: str = CA_ISSUER) -> dict[str, Any]:
    """The ClusterIssuer that signs with the CA in that Secret."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": {"ca": {"secretName": secret}},
    }
