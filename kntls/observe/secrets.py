"""Where private keys end: a Secret becomes its certificates and the hash of its public key, nothing else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from kntls.errors import InputError
from kntls.pki.pem import public_key_hash_of_private_key

CERTIFICATES = ("tls.crt", "ca.crt", "ca-cert.pem", "root-cert.pem", "cert-chain.pem")
"""The only values of a Secret that are kept: those of a TLS Secret, and of Istio's plug-in CA."""
KEY, PLUG_IN_KEY = "tls.key", "ca-key.pem"
KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels", "ownerReferences")


def _decode(value: Any) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _annotations(secret: Mapping[str, Any]) -> dict[str, str]:
    """cert-manager's annotations only: `last-applied-configuration` repeats a Secret's data."""
    found = secret.get("metadata", {}).get("annotations") or {}
    return {key: value for key, value in found.items() if key.startswith("cert-manager.io/")}


def _public_key(data: Mapping[str, Any]) -> dict[str, str]:
    name = KEY if data.get(KEY) or not data.get(PLUG_IN_KEY) else PLUG_IN_KEY
    if not data.get(name):
        return {"publicKey": "", "keyProblem": f"it has no {name}"}
    try:
        return {"publicKey": public_key_hash_of_private_key(_decode(data[name])), "keyProblem": ""}
    except InputError:
        return {"publicKey": "", "keyProblem": f"its {name} is not a private key in PEM"}


def scrub(secret: Mapping[str, Any]) -> dict[str, Any]:
    """A Secret without its secrets.

    `data` keeps the certificates as text; `keys` names every key there was; `publicKey` is the SHA-256 of the
    private key's SubjectPublicKeyInfo (hex), or empty with the reason in `keyProblem`.
    """
    plain = {k: base64.b64encode(str(v).encode()).decode() for k, v in (secret.get("stringData") or {}).items()}
    data = {**(secret.get("data") or {}), **plain}
    metadata = {key: secret["metadata"][key] for key in KEPT_METADATA if key in secret.get("metadata", {})}
    kept = {key: _decode(data[key]).decode("utf-8", "replace") for key in CERTIFICATES if data.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret.get("type", "Opaque"),
        "metadata": {**metadata, "annotations": _annotations(secret)},
        "data": kept,
        "keys": sorted(data),
        **_public_key(data),
    }
