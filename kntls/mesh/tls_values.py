"""The legal TLS versions, cipher suites and curves of both control planes, and what each is called in the other.

The SMCP's CRD holds no enumerations, so an illegal value passes the API server and breaks istiod later; the Istio
column follows istio pkg/config/security/security.go (ValidCipherSuites, ValidECDHCurves).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SMCP_VERSIONS: tuple[str, ...] = ("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
"""Ascending; `TLS_AUTO` sets no bound (maistra pkg/apis/maistra/v2/security.go)."""

ISTIO_VERSIONS: Mapping[str, str] = {"TLS_AUTO": "TLS_AUTO", "TLSv1_2": "TLSV1_2", "TLSv1_3": "TLSV1_3"}
"""SMCP name → `meshMTLS.minProtocolVersion`; 1.0 and 1.1 are gone (sail api/v1/values_types.gen.go)."""


@dataclass(frozen=True)
class Cipher:
    """One cipher suite the SMCP documents."""

    openssl: str
    istio: bool = True
    """Whether Istio accepts it."""
    weak: bool = False
    """No forward secrecy, or 3DES."""


CIPHERS: Mapping[str, Cipher] = {
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": Cipher("ECDHE-RSA-CHACHA20-POLY1305"),
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": Cipher("ECDHE-ECDSA-CHACHA20-POLY1305"),
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": Cipher("ECDHE-RSA-AES128-GCM-SHA256"),
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": Cipher("ECDHE-ECDSA-AES128-GCM-SHA256"),
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": Cipher("ECDHE-RSA-AES256-GCM-SHA384"),
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": Cipher("ECDHE-ECDSA-AES256-GCM-SHA384"),
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": Cipher("ECDHE-RSA-AES128-SHA256", istio=False),
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": Cipher("ECDHE-RSA-AES128-SHA"),
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": Cipher("ECDHE-ECDSA-AES128-SHA256", istio=False),
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": Cipher("ECDHE-ECDSA-AES128-SHA"),
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": Cipher("ECDHE-RSA-AES256-SHA"),
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": Cipher("ECDHE-ECDSA-AES256-SHA"),
    "TLS_RSA_WITH_AES_128_GCM_SHA256": Cipher("AES128-GCM-SHA256", weak=True),
    "TLS_RSA_WITH_AES_256_GCM_SHA384": Cipher("AES256-GCM-SHA384", weak=True),
    "TLS_RSA_WITH_AES_128_CBC_SHA256": Cipher("AES128-SHA256", istio=False, weak=True),
    "TLS_RSA_WITH_AES_128_CBC_SHA": Cipher("AES128-SHA", weak=True),
    "TLS_RSA_WITH_AES_256_CBC_SHA": Cipher("AES256-SHA", weak=True),
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": Cipher("ECDHE-RSA-DES-CBC3-SHA", istio=False, weak=True),
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA": Cipher("DES-CBC3-SHA", weak=True),
}
"""SMCP (IANA) name → what Istio calls it."""

HTTP2_CIPHERS: tuple[str, ...] = (
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
)
"""HTTP/2 needs at least one of these in any list that is set."""

CURVES: Mapping[str, str] = {"CurveP256": "P-256", "CurveP384": "P-384", "CurveP521": "P-521", "X25519": "X25519"}
"""SMCP name → `tlsDefaults.ecdhCurves`."""

ISTIO_CURVES: frozenset[str] = frozenset((*CURVES.values(), "P-224", "X25519Kyber768Draft00", "X25519MLKEM768"))
ISTIO_CIPHERS: frozenset[str] = frozenset(cipher.openssl for cipher in CIPHERS.values() if cipher.istio)


def version_rank(version: str) -> int:
    """The place of an SMCP version in the ascending list (`TLS_AUTO` is 0), or -1 if it is none."""
    return SMCP_VERSIONS.index(version) if version in SMCP_VERSIONS else -1


def contradiction(minimum: str, maximum: str) -> bool:
    """Whether the minimum is above the maximum; `TLS_AUTO` on either side contradicts nothing."""
    low, high = version_rank(minimum), version_rank(maximum)
    return low > 0 and high > 0 and low > high


def lacks_http2(ciphers: Sequence[str]) -> bool:
    """Whether a set list holds none of the suites that HTTP/2 needs."""
    return bool(ciphers) and not set(ciphers) & set(HTTP2_CIPHERS)
