"""cert-manager as the mesh's CA through istio-csr: Helm values, cert-manager's objects, the control plane, versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.model import Flavour, Generated, Manifest, Target
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, ISSUER, ISTIO, SMCP

MINIMUM_OSSM, MINIMUM_CSR = (2, 4), (0, 6)
"""OSSM Operator 2.4 and istio-csr 0.6.0 (OpenShift, "About integrating Service Mesh with cert-manager")."""
ROOT_HOURS = 21600
"""As the documentation's root certificate has it."""


@dataclass(frozen=True)
class IstioCsr:
    """What to integrate."""

    namespace: str = ""
    """Where istio-csr runs: the control plane's namespace in OSSM 2, `istio-csr` elsewhere, unless given."""
    issuer: str = "istio-ca"
    mesh_version: str = ""
    """`2.4.3`; empty: not checked."""
    csr_version: str = ""
    root: bool = True
    """Make the self-signed root as well; off where the issuer exists."""


def parse_version(text: str, what: str) -> tuple[int, int]:
    """`v2.4.3` as (2, 4). Raises `UsageError`."""
    match = re.match(r"v?(\d+)\.(\d+)", text)
    if not match:
        raise UsageError(f"{text!r} is no version of {what}", fix="write it like 2.4 or v0.6.0")
    return int(match[1]), int(match[2])


def check_versions(wanted: IstioCsr, flavour: Flavour) -> None:
    """Raise `Refused` for versions the integration does not work with."""
    if wanted.mesh_version and flavour is Flavour.OSSM2:
        found = parse_version(wanted.mesh_version, "OpenShift Service Mesh")
        if found < MINIMUM_OSSM:
            raise Refused(
                f"OpenShift Service Mesh {wanted.mesh_version} has no istio-csr integration", fix="2.4 or later"
            )
    if wanted.csr_version and parse_version(wanted.csr_version, "istio-csr") < MINIMUM_CSR:
        raise Refused(f"istio-csr {wanted.csr_version} is too old", fix="0.6.0 or later")


def _place(wanted: IstioCsr, target: Target) -> str:
    return wanted.namespace or (target.root_namespace if target.flavour is Flavour.OSSM2 else "istio-csr")


def host(wanted: IstioCsr, target: Target) -> str:
    """The Service istiod's proxies call; istio-csr's own certificate must name exactly this."""
    return f"cert-manager-istio-csr.{_place(wanted, target)}.svc"


def values(wanted: IstioCsr, target: Target) -> dict[str, Any]:
    """Helm values of the chart jetstack/cert-manager-istio-csr (deploy/charts/istio-csr/values.yaml)."""
    ossm2 = target.flavour is Flavour.OSSM2
    app: dict[str, Any] = {
        "certmanager": {
            "namespace": target.root_namespace,
            "issuer": {"group": ISSUER.group, "kind": "Issuer", "name": wanted.issuer},
        },
        "controller": {"leaderElectionNamespace": target.root_namespace},
        "istio": {"namespace": target.root_namespace, "revisions": [target.control_plane_name]},
        "server": {"maxCertificateDuration": "1h"},
        "tls": {"trustDomain": target.trust_domain, "certificateDNSNames": [host(wanted, target)]},
    }
    if ossm2:
        # a selector takes `=`; documentation writes a colon here, which selects nothing
        app["controller"]["configmapNamespaceSelector"] = f"maistra.io/member-of={target.root_namespace}"
    return {"replicaCount": 2, "app": app}


def _root(target: Target) -> list[Manifest]:
    name = "mesh-root-ca"
    selfsigned = target.manifest(CLUSTER_ISSUER, "mesh-selfsigned", spec={"selfSigned": {}})
    root = target.manifest(CERTIFICATE, name, "cert-manager", spec=_ca_spec(name, "mesh-selfsigned", f"{ROOT_HOURS}h"))
    signer = target.manifest(CLUSTER_ISSUER, name, spec={"ca": {"secretName": name}})
    return [selfsigned, root, signer]


def _ca_spec(name: str, issuer: str, duration: str) -> dict[str, Any]:
    return {
        "isCA": True,
        "duration": duration,
        "secretName": name,
        "commonName": name,
        "subject": {"organizations": ["mesh"]},
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"group": ISSUER.group, "kind": "ClusterIssuer", "name": issuer},
    }


def _intermediate(wanted: IstioCsr, target: Target) -> list[Manifest]:
    spec = _ca_spec(wanted.issuer, "mesh-root-ca", "8760h")
    certificate = target.manifest(CERTIFICATE, wanted.issuer, target.root_namespace, spec=spec)
    issuer = target.manifest(ISSUER, wanted.issuer, target.root_namespace, spec={"ca": {"secretName": wanted.issuer}})
    return [certificate, issuer]


def _control_plane(wanted: IstioCsr, target: Target) -> tuple[list[Manifest], dict[str, Any]]:
    address = f"{host(wanted, target)}:443"
    istiod = {"global": {"caAddress": address}, "pilot": {"env": {"ENABLE_CA_SERVER": "false"}}}
    if target.flavour is Flavour.OSSM2:
        security = {
            "dataPlane": {"mtls": True},
            "identity": {"type": "ThirdParty"},
            "certificateAuthority": {"type": "cert-manager", "cert-manager": {"address": address}},
        }
        name, namespace = target.control_plane_name, target.root_namespace
        return [target.manifest(SMCP, name, namespace, spec={"security": security})], {}
    if target.flavour is Flavour.OSSM3:
        version = {"version": wanted.mesh_version} if wanted.mesh_version else {}
        spec = {"namespace": target.root_namespace, **version, "values": istiod}
        return [target.manifest(ISTIO, target.control_plane_name, spec=spec)], {}
    return [], {"istiod-values.yaml": istiod}


def istio_csr(wanted: IstioCsr, target: Target) -> Generated:
    """cert-manager's objects, istio-csr's Helm values and the control plane, in the order to apply them.

    Raises `Refused` for versions that do not work together.
    """
    check_versions(wanted, target.flavour)
    planes, files = _control_plane(wanted, target)
    objects = [
        *(_root(target) if wanted.root else ()),
        *(_intermediate(wanted, target) if wanted.root else ()),
        *planes,
    ]
    notes = (
        f"install istio-csr with istio-csr-values.yaml into {_place(wanted, target)}, then change the control plane",
        "every proxy must be restarted after the change: its certificate and root come from another CA",
    )
    return Generated(tuple(objects), notes, {"istio-csr-values.yaml": values(wanted, target), **files})
