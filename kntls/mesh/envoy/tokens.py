"""Signed tokens for a throw-away issuer, and the key set that verifies them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_BYTES = 32


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs claims with one ES256 key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> str:
        """The public key as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_encode(value.to_bytes(_BYTES, "big")) for value in (numbers.x, numbers.y))
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "kntls", "x": x, "y": y}]})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWT of these claims."""
        head = _encode(json.dumps({"alg": "ES256", "typ": "JWT", "kid": "kntls"}).encode())
        signed = f"{head}.{_encode(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(_BYTES, 'big') + s.to_bytes(_BYTES, 'big'))}"
