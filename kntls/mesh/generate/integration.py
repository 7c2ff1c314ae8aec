"""Knative Serving on the mesh: the KnativeServing, both gateways, the local gateway's Service, the certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kntls.errors import UsageError
from kntls.mesh.generate.baseline import SERVING
from kntls.mesh.generate.model import Flavour, Generated, Manifest, Target, check_name
from kntls.mesh.generate.mtls import LOCAL_GATEWAY_PORT, local_gateway
from kntls.model.kinds import CERTIFICATE, GATEWAY, KNATIVE_SERVING, SERVICE

INJECT = {"sidecar.istio.io/inject": "true"}
SIDECAR = {**INJECT, "sidecar.istio.io/rewriteAppHTTPProbers": "true"}
"""Annotations of the activator and the autoscaler: a sidecar, and probes the kubelet can still make under STRICT."""
IN_PATH = ("activator", "autoscaler")


@dataclass(frozen=True)
class Integration:
    """How Serving is exposed through the mesh's gateways."""

    domain: str
    """Wildcard domain of the services: `apps.example.com`."""
    secret_name: str = "wildcard-certs"  # noqa: S105 - the name of an object
    certificate_file: str = ""
    key_file: str = ""
    issuer: str = ""
    """A cert-manager ClusterIssuer that signs the wildcard certificate instead."""


def _ingress_server(secret: str) -> dict[str, Any]:
    return {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["*"],
        "tls": {"mode": "SIMPLE", "credentialName": secret},
    }


def _ingress_gateway(target: Target, secret: str) -> Manifest:
    spec = {"selector": target.gateway_selector, "servers": [_ingress_server(secret)]}
    return target.manifest(GATEWAY, "knative-ingress-gateway", SERVING, spec=spec)


def _service(target: Target) -> Manifest:
    labels = {
        "experimental.istio.io/disable-gateway-port-translation": "true",
        "networking.knative.dev/ingress-provider": "istio",
    }
    port = {"name": "http2", "port": 80, "targetPort": LOCAL_GATEWAY_PORT, "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": target.gateway_selector, "ports": [port]}
    manifest = target.manifest(SERVICE, "knative-local-gateway", target.root_namespace, spec=spec)
    manifest["metadata"]["labels"] = labels
    return manifest


def _ingress(target: Target, secret: str) -> dict[str, Any]:
    istio: dict[str, Any] = {"enabled": True}
    if target.flavour is Flavour.ISTIO:
        # the upstream operator installs its own two gateways; without these overrides it would take ours back
        selector = target.gateway_selector
        local = local_gateway(target)["spec"]["servers"]
        istio["knative-ingress-gateway"] = {"selector": selector, "servers": [_ingress_server(secret)]}
        istio["knative-local-gateway"] = {"selector": selector, "servers": local}
    return {"istio": istio}


def _config(target: Target) -> dict[str, Any]:
    if target.root_namespace == "istio-system":
        return {}
    place = f"{target.root_namespace}.svc.{target.cluster_domain}"
    gateways = {
        f"gateway.{SERVING}.knative-ingress-gateway": f"istio-ingressgateway.{place}",
        f"local-gateway.{SERVING}.knative-local-gateway": f"knative-local-gateway.{place}",
    }
    return {"config": {"istio": gateways}}


def _serving(target: Target, secret: str) -> Manifest:
    parts = [{"name": name, "annotations": dict(SIDECAR), "labels": dict(INJECT)} for name in IN_PATH]
    workloads = "deployments" if target.flavour is Flavour.OSSM2 else "workloads"
    spec = {"ingress": _ingress(target, secret), workloads: parts, **_config(target)}
    return target.manifest(KNATIVE_SERVING, "knative-serving", SERVING, spec=spec)


def _certificate(wanted: Integration, target: Target) -> Manifest:
    spec = {
        "secretName": wanted.secret_name,
        "dnsNames": [f"*.{wanted.domain}"],
        "issuerRef": {"group": CERTIFICATE.group, "kind": "ClusterIssuer", "name": wanted.issuer},
    }
    return target.manifest(CERTIFICATE, wanted.secret_name, target.root_namespace, spec=spec)


def _wildcard(wanted: Integration, target: Target) -> Generated:
    place = f"{target.root_namespace}/{wanted.secret_name}"
    if wanted.issuer and (wanted.certificate_file or wanted.key_file):
        raise UsageError("--issuer makes the certificate; --cert and --key bring one", fix="leave one of them out")
    if wanted.issuer:
        return Generated((_certificate(wanted, target),))
    if bool(wanted.certificate_file) != bool(wanted.key_file):
        raise UsageError("a certificate and its key go together", fix="give both --cert and --key, or --issuer")
    cert, key = wanted.certificate_file or "CERT.pem", wanted.key_file or "KEY.pem"
    command = f"kubectl create secret tls {wanted.secret_name} -n {target.root_namespace} --cert={cert} --key={key}"
    if not wanted.key_file:
        return Generated(notes=(f"the wildcard Secret is not printed, its key belongs in no manifest: {command}",))
    note = (
        f"the wildcard Secret is not printed: --apply writes it, a kustomization takes {Path(cert).name} and "
        f"{Path(key).name} from its own directory (keep them out of git), otherwise {command}"
    )
    return Generated(notes=(note,), secret_files={place: (f"tls.crt={cert}", f"tls.key={key}")})


def integration(wanted: Integration, target: Target) -> Generated:
    """The objects that tie Serving to the mesh; the wildcard Secret by reference only, so that no key is written.

    Raises `UsageError` for a domain or files that make no sense.
    """
    check_name(wanted.domain, "domain")
    check_name(wanted.secret_name, "Secret name")
    objects = (
        _serving(target, wanted.secret_name),
        _ingress_gateway(target, wanted.secret_name),
        local_gateway(target),
        _service(target),
    )
    notes = [
        "a Knative service is in the mesh with sidecar.istio.io/inject: 'true' in spec.template.metadata.annotations",
    ]
    if target.flavour is not Flavour.ISTIO:
        notes.append(
            "the ingress gateway's pods need the label knative: ingressgateway "
            "(kntls mesh generate control-plane --knative)"
        )
        notes.append('Services behind an OpenShift Route need serving.knative.openshift.io/enablePassthrough: "true"')
    return Generated(objects, tuple(notes)) + _wildcard(wanted, target)
