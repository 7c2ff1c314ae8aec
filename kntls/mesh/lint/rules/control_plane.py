"""SMCPs and Istio CRs: values their CRDs let pass and istiod does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kntls.mesh.control import get
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.resources import Resource
from kntls.mesh.tls_values import (
    CIPHERS,
    CURVES,
    HTTP2_CIPHERS,
    ISTIO_CIPHERS,
    ISTIO_CURVES,
    ISTIO_VERSIONS,
    SMCP_VERSIONS,
    contradiction,
    lacks_http2,
)
from kntls.model.findings import Severity

SECURITY = frozenset(
    (
        "trust",
        "certificateAuthority",
        "identity",
        "dataPlane",
        "controlPlane",
        "manageNetworkPolicy",
        "jwksResolverCA",
    )
)
AUTHORITIES = ("Istiod", "Custom", "cert-manager")


def smcps(world: World) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    """Every SMCP and its `spec.security.controlPlane.tls`."""
    for plane in world.resources.all("ServiceMeshControlPlane"):
        yield plane, get(plane.spec, "security", "controlPlane", "tls") or {}


def _listed(tls: Mapping[str, Any], key: str) -> list[str]:
    value = tls.get(key)
    return [str(each) for each in value] if isinstance(value, list) else []


@rule(
    "MESH-CP-001",
    Severity.ERROR,
    "A TLS version that does not exist",
    fix="TLS_AUTO, TLSv1_0, TLSv1_1, TLSv1_2 or TLSv1_3",
)
def unknown_version(world: World) -> Iterator[Hit]:
    """The SMCP's CRD takes any string; istiod fails on an unknown one when it is restarted."""
    for plane, tls in smcps(world):
        for key in ("minProtocolVersion", "maxProtocolVersion"):
            if tls.get(key) and tls[key] not in SMCP_VERSIONS:
                yield Hit(plane, f"{key} {tls[key]!r}")


@rule("MESH-CP-002", Severity.ERROR, "The minimum TLS version is above the maximum", fix="lower minProtocolVersion")
def minimum_above_maximum(world: World) -> Iterator[Hit]:
    """No version is left, and no handshake succeeds."""
    for plane, tls in smcps(world):
        low, high = str(tls.get("minProtocolVersion") or ""), str(tls.get("maxProtocolVersion") or "")
        if contradiction(low, high):
            yield Hit(plane, f"minProtocolVersion {low} above maxProtocolVersion {high}")


@rule("MESH-CP-003", Severity.ERROR, "A cipher suite that does not exist", fix="use the IANA names of the SMCP's list")
def unknown_cipher(world: World) -> Iterator[Hit]:
    """The CRD takes any string; istiod knows nineteen suites, by their IANA names."""
    for plane, tls in smcps(world):
        for name in _listed(tls, "cipherSuites"):
            if name not in CIPHERS:
                yield Hit(plane, f"cipherSuites: {name!r}")


@rule("MESH-CP-004", Severity.ERROR, "No cipher suite for HTTP/2", fix=f"add {' or '.join(HTTP2_CIPHERS)}")
def no_http2(world: World) -> Iterator[Hit]:
    """HTTP/2 asks for an ECDHE suite with AES-128-GCM; without one gRPC and xDS fail on TLS 1.2."""
    for plane, tls in smcps(world):
        if lacks_http2(_listed(tls, "cipherSuites")):
            yield Hit(plane, "cipherSuites has no ECDHE suite with AES-128-GCM")


@rule(
    "MESH-CP-005",
    Severity.WARNING,
    "Cipher suites with TLS 1.3",
    fix="drop cipherSuites, or lower the minimum to TLSv1_2",
)
def ciphers_with_13(world: World) -> Iterator[Hit]:
    """The list is for TLS 1.2 and below and changes nothing once the minimum is 1.3."""
    for plane, tls in smcps(world):
        if tls.get("minProtocolVersion") == "TLSv1_3" and tls.get("cipherSuites"):
            yield Hit(plane, "cipherSuites has no effect with minProtocolVersion TLSv1_3")


@rule("MESH-CP-006", Severity.ERROR, "An ECDH curve that does not exist", fix=f"one of {', '.join(CURVES)}")
def unknown_curve(world: World) -> Iterator[Hit]:
    """The CRD takes any string; istiod knows four curves."""
    for plane, tls in smcps(world):
        for name in _listed(tls, "ecdhCurves"):
            if name not in CURVES:
                yield Hit(plane, f"ecdhCurves: {name!r}")


@rule("MESH-CP-007", Severity.ERROR, "Suites or curves as one text", fix="write a YAML list, one name an item")
def text_for_list(world: World) -> Iterator[Hit]:
    """Documentation speaks of a comma separated list, but the fields are arrays; the API server refuses a text."""
    for plane, tls in smcps(world):
        for key in ("cipherSuites", "ecdhCurves"):
            if isinstance(tls.get(key), str):
                yield Hit(plane, f"{key} is a text, not a list")


@rule(
    "MESH-CP-008",
    Severity.ERROR,
    "A security field the SMCP does not have",
    fix="mind the case: controlPlane, dataPlane",
)
def unknown_field(world: World) -> Iterator[Hit]:
    """The API server drops unknown fields silently: `controlplane`, as documentation spells it, sets nothing."""
    for plane, _ in smcps(world):
        for key in set(get(plane.spec, "security") or {}) - SECURITY:
            yield Hit(plane, f"spec.security.{key} is not a field and is dropped")


@rule("MESH-CP-009", Severity.WARNING, "Weak cipher suites", fix="keep the ECDHE suites with GCM or CHACHA20")
def weak_cipher(world: World) -> Iterator[Hit]:
    """3DES is broken, and plain RSA key exchange has no forward secrecy."""
    for plane, tls in smcps(world):
        weak = [name for name in _listed(tls, "cipherSuites") if name in CIPHERS and CIPHERS[name].weak]
        if weak:
            yield Hit(plane, f"cipherSuites: {', '.join(weak)}")


@rule(
    "MESH-CP-010",
    Severity.ERROR,
    "cert-manager CA without ThirdParty identity",
    fix="set spec.security.identity.type: ThirdParty",
)
def cert_manager_identity(world: World) -> Iterator[Hit]:
    """istio-csr verifies tokens of the third-party kind; nothing in the operator checks that the two settings go
    together."""
    for plane, _ in smcps(world):
        authority = get(plane.spec, "security", "certificateAuthority", "type")
        identity = get(plane.spec, "security", "identity", "type")
        if authority == "cert-manager" and identity != "ThirdParty":
            yield Hit(plane, f"certificateAuthority.type cert-manager with identity.type {identity or 'unset'}")


@rule(
    "MESH-CP-011", Severity.ERROR, "A certificate authority that does not exist", fix=f"one of {', '.join(AUTHORITIES)}"
)
def unknown_authority(world: World) -> Iterator[Hit]:
    """The CRD takes any string; the operator falls back to its own CA."""
    for plane, _ in smcps(world):
        authority = get(plane.spec, "security", "certificateAuthority", "type")
        if authority and authority not in AUTHORITIES:
            yield Hit(plane, f"certificateAuthority.type {authority!r}")


@rule(
    "MESH-CP-012",
    Severity.WARNING,
    "A field the operator never reads",
    fix="name the Secret istiod-tls and drop the field",
)
def unread_field(world: World) -> Iterator[Hit]:
    """The operator's Deployment mounts the Secret istiod-tls whatever pilotSecretName says."""
    for plane, _ in smcps(world):
        name = get(plane.spec, "security", "certificateAuthority", "cert-manager", "pilotSecretName")
        if name and name != "istiod-tls":
            yield Hit(plane, f"cert-manager.pilotSecretName {name}: istiod-tls is used")


@rule("MESH-CP-013", Severity.WARNING, "A JWKS CA that is not read", fix="set spec.security.jwksResolverCA in the SMCP")
def jwks_name(world: World) -> Iterator[Hit]:
    """istiod mounts pilot-jwks-extra-cacerts-REVISION, which the operator makes from jwksResolverCA; documentation
    names pilot-jwks-cacerts-SMCP, which nothing reads."""
    for found in world.resources.in_group("ConfigMap", ""):
        wrong = found.name.startswith("pilot-jwks-") and not found.name.startswith("pilot-jwks-extra-cacerts")
        if wrong and found.body.get("data"):
            yield Hit(found, f"nothing mounts ConfigMap {found.name}")


def _istio_tls(world: World) -> Iterator[tuple[Resource, str, Mapping[str, Any]]]:
    for plane in world.resources.all("Istio"):
        for section in ("meshMTLS", "tlsDefaults"):
            yield plane, section, get(plane.spec, "values", "meshConfig", section) or {}


@rule(
    "MESH-CP-014",
    Severity.ERROR,
    "TLS values an Istio CR does not know",
    fix="TLSV1_2 or TLSV1_3; OpenSSL cipher names; P-256, X25519, …",
)
def istio_values(world: World) -> Iterator[Hit]:
    """Istio writes versions as TLSV1_2 (an SMCP: TLSv1_2), ciphers by their OpenSSL names and curves as P-256; names
    taken over from an SMCP are ignored or refused."""
    for plane, section, tls in _istio_tls(world):
        version = tls.get("minProtocolVersion")
        if version and version not in ISTIO_VERSIONS.values():
            yield Hit(plane, f"{section}.minProtocolVersion {version!r}")
        for key, legal in (("cipherSuites", ISTIO_CIPHERS), ("ecdhCurves", ISTIO_CURVES)):
            for name in _listed(tls, key):
                if name not in legal:
                    yield Hit(plane, f"{section}.{key}: {name!r}")


@rule(
    "MESH-CP-015",
    Severity.WARNING,
    "Settings of an Istio CR without effect",
    fix="move curves to tlsDefaults; drop ciphers or lower the minimum",
)
def istio_without_effect(world: World) -> Iterator[Hit]:
    """meshMTLS ignores curves, and cipher suites do nothing from TLS 1.3 on."""
    for plane, section, tls in _istio_tls(world):
        if section == "meshMTLS" and tls.get("ecdhCurves"):
            yield Hit(plane, "meshMTLS.ecdhCurves is ignored")
        if tls.get("minProtocolVersion") == "TLSV1_3" and tls.get("cipherSuites"):
            yield Hit(plane, f"{section}.cipherSuites has no effect with TLSV1_3")
