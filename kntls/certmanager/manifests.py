"""The issuer chain kntls makes: a SelfSigned ClusterIssuer, a root Certificate, a CA ClusterIssuer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
