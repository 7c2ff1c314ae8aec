"""The control plane's own TLS: an SMCP, an Istio CR, or Helm values for istiod, from one description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.baseline import SERVING
from kntls.mesh.generate.model import Flavour, Generated, Manifest, Target
from kntls.mesh.generate.mtls import Mode, Mtls, mtls
from kntls.mesh.outsiders import Scope
from kntls.mesh.tls_values import (
    CIPHERS,
    CURVES,
    HTTP2_CIPHERS,
    ISTIO_VERSIONS,
    SMCP_VERSIONS,
    contradiction,
    lacks_http2,
)
from kntls.model.kinds import ISTIO, SMCP

_VERSION = re.compile(r"v\d+(\.\d+){1,2}([.-][a-z0-9]+)*|master")
KNATIVE_PORTS = (8444, 8022)
"""Ports of Knative's pods that stay outside the sidecar: the webhooks' and queue-proxy's admin port."""


@dataclass(frozen=True)
class ControlPlane:
    """What the control plane enforces; names are the SMCP's, whatever the flavour."""

    mtls: bool | None = None
    auto_mtls: bool | None = None
    minimum: str = ""
    maximum: str = ""
    ciphers: tuple[str, ...] = ()
    """In order of priority."""
    curves: tuple[str, ...] = ()
    jwks_ca: str = ""
    """PEM certificates that istiod trusts when it fetches JWKS."""
    knative: bool = False
    """Add what Knative needs: the gateway's label and the ports outside the sidecar."""
    version: str = ""
    """`spec.version` of the resource; empty leaves an existing one's as it is."""


def _known(values: Sequence[str], legal: Sequence[str], what: str) -> None:
    for value in values:
        if value not in legal:
            raise UsageError(f"{value!r} is no {what}", fix=f"one of {', '.join(legal)}")
        if list(values).count(value) > 1:
            raise UsageError(f"{what} {value} is given twice")


def _check(wanted: ControlPlane) -> None:
    _known([each for each in (wanted.minimum,) if each], SMCP_VERSIONS, "minimum TLS version")
    _known([each for each in (wanted.maximum,) if each], SMCP_VERSIONS, "maximum TLS version")
    _known(wanted.ciphers, tuple(CIPHERS), "cipher suite")
    _known(wanted.curves, tuple(CURVES), "ECDH curve")
    if contradiction(wanted.minimum, wanted.maximum):
        raise Refused(f"minimum {wanted.minimum} is above maximum {wanted.maximum}: no version would be left")
    if wanted.ciphers and wanted.minimum == "TLSv1_3":
        raise Refused("cipher suites have no effect on TLS 1.3", fix="drop --cipher, or lower --min-tls")
    if lacks_http2(wanted.ciphers):
        raise Refused("HTTP/2 needs an AES-128-GCM ECDHE suite in the list", fix=f"add {' or '.join(HTTP2_CIPHERS)}")
    if wanted.version and not _VERSION.fullmatch(wanted.version):
        raise UsageError(f"{wanted.version!r} is no version", where="--mesh-version", fix="write it like v2.6")
    if wanted.jwks_ca and "PRIVATE KEY" in wanted.jwks_ca:
        raise Refused("the JWKS CA file holds a private key", fix="give certificates only")
    if wanted.jwks_ca and "BEGIN CERTIFICATE" not in wanted.jwks_ca:
        raise UsageError("the JWKS CA file holds no PEM certificate")


def _smcp_tls(wanted: ControlPlane) -> dict[str, Any]:
    fields = {
        "minProtocolVersion": wanted.minimum,
        "maxProtocolVersion": wanted.maximum,
        "cipherSuites": list(wanted.ciphers),
        "ecdhCurves": list(wanted.curves),
    }
    return {key: value for key, value in fields.items() if value}


def _smcp_security(wanted: ControlPlane) -> dict[str, Any]:
    switches = {"mtls": wanted.mtls, "automtls": wanted.auto_mtls}
    data_plane = {key: value for key, value in switches.items() if value is not None}
    tls = _smcp_tls(wanted)
    security: dict[str, Any] = {}
    if data_plane:
        security["dataPlane"] = data_plane
    if tls:
        security["controlPlane"] = {"tls": tls}
    if wanted.jwks_ca:
        security["jwksResolverCA"] = wanted.jwks_ca
    return security


def _smcp_knative() -> dict[str, Any]:
    label = {"knative": "ingressgateway"}
    inbound = {"trafficControl": {"inbound": {"excludedPorts": list(KNATIVE_PORTS)}}}
    return {
        "gateways": {"ingress": {"service": {"metadata": {"labels": label}}}},
        "proxy": {"networking": inbound},
    }


def _smcp(wanted: ControlPlane, target: Target) -> Generated:
    spec: dict[str, Any] = {"version": wanted.version} if wanted.version else {}
    if security := _smcp_security(wanted):
        spec["security"] = security
    if wanted.knative:
        spec |= _smcp_knative()
    manifest = target.manifest(SMCP, target.control_plane_name, target.root_namespace, spec=spec)
    notes = []
    if wanted.mtls:
        notes.append(
            "the operator also makes a DestinationRule *.cluster.local ISTIO_MUTUAL: mesh clients of Services without "
            "a sidecar fail until those get a DISABLE rule (kntls mesh generate mtls --plaintext-host)"
        )
    if wanted.jwks_ca:
        notes.append("the CA lands in ConfigMap pilot-jwks-extra-cacerts-REVISION, key extra.pem")
    return Generated((manifest,), tuple(notes))


def _istio_versions(wanted: ControlPlane) -> dict[str, Any]:
    if not wanted.minimum:
        return {}
    version = ISTIO_VERSIONS.get(wanted.minimum)
    if version is None:
        raise Refused(f"Istio has no TLS below 1.2: {wanted.minimum} cannot be carried over", fix="use TLSv1_2")
    return {"minProtocolVersion": version}


def _istio_ciphers(wanted: ControlPlane) -> dict[str, Any]:
    refused = [name for name in wanted.ciphers if not CIPHERS[name].istio]
    if refused:
        raise Refused(f"Istio does not accept {refused[0]}", fix="drop it; only an SMCP knows it")
    return {"cipherSuites": [CIPHERS[name].openssl for name in wanted.ciphers]} if wanted.ciphers else {}


def _mesh_config(wanted: ControlPlane) -> dict[str, Any]:
    tls = {**_istio_versions(wanted), **_istio_ciphers(wanted)}
    curves = {"ecdhCurves": [CURVES[name] for name in wanted.curves]} if wanted.curves else {}
    sections = {"meshMTLS": tls, "tlsDefaults": {**tls, **curves}}
    config: dict[str, Any] = {key: value for key, value in sections.items() if value}
    if wanted.auto_mtls is not None:
        config["enableAutoMtls"] = wanted.auto_mtls
    return config


def istio_values(wanted: ControlPlane) -> dict[str, Any]:
    """The Helm values of the istiod chart, which are also `spec.values` of an Istio CR."""
    values: dict[str, Any] = {}
    if config := _mesh_config(wanted):
        values["meshConfig"] = config
    if wanted.jwks_ca:
        values["pilot"] = {"jwksResolverExtraRootCA": wanted.jwks_ca}
    if wanted.knative:
        values["global"] = {"proxy": {"excludeInboundPorts": ",".join(map(str, KNATIVE_PORTS))}}
    return values


def _without_equivalent(wanted: ControlPlane) -> list[str]:
    notes = []
    if wanted.maximum not in ("", "TLS_AUTO"):
        notes.append(f"maximum {wanted.maximum} has no equivalent: Istio's maximum is always TLS 1.3")
    if wanted.curves:
        notes.append("curves apply to gateways and other TLS only: meshMTLS ignores them")
    if wanted.mtls is not None:
        notes.append(
            "mtls has no equivalent in the control plane: a PeerAuthentication says it, no DestinationRule is made"
        )
    if wanted.knative:
        notes.append(
            f"label the ingress gateway's pods for Knative's gateways (see the Gateway selectors in {SERVING})"
        )
    return notes


def _peer(wanted: ControlPlane, target: Target) -> tuple[Manifest, ...]:
    if wanted.mtls is None:
        return ()
    mode = Mode.STRICT if wanted.mtls else Mode.PERMISSIVE
    return mtls(Mtls(mode), target).objects


def _istio(wanted: ControlPlane, target: Target) -> Generated:
    if wanted.mtls and wanted.auto_mtls is False:
        raise Refused(
            "STRICT without auto-mTLS: clients send plaintext wherever no DestinationRule says ISTIO_MUTUAL",
            fix="keep auto-mTLS on; only an SMCP brings a DestinationRule for the whole mesh",
        )
    values = istio_values(wanted)
    notes = tuple(_without_equivalent(wanted))
    peers = _peer(wanted, target)
    if target.flavour is Flavour.OSSM3:
        spec: dict[str, Any] = {"namespace": target.root_namespace}
        if wanted.version:
            spec["version"] = wanted.version
        else:
            notes = (*notes, "spec.version is left as it is; a new Istio resource needs --mesh-version")
        if values:
            spec["values"] = values
        return Generated((target.manifest(ISTIO, target.control_plane_name, spec=spec), *peers), notes)
    files = {"istiod-values.yaml": values} if values else {}
    return Generated(peers, notes, files)


def control_plane(wanted: ControlPlane, target: Target) -> Generated:
    """The control plane's resource for the flavour; for upstream Istio a Helm values file and a PeerAuthentication.

    Raises `UsageError` for names that do not exist, `Refused` for settings that contradict each other or that the
    flavour cannot carry.
    """
    if wanted == ControlPlane():
        raise UsageError("nothing to set", fix="add --mtls, --min-tls, --cipher, --jwks-ca or another setting")
    _check(wanted)
    ossm2 = target.flavour is Flavour.OSSM2
    generated = _smcp(wanted, target) if ossm2 else _istio(wanted, target)
    scope = Scope(root_namespace=target.root_namespace, mutual_rule=ossm2) if wanted.mtls else None
    return replace(generated, strict=scope)
