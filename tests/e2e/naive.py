"""The rotation as the published procedure has it: retire the old CA as soon as every Certificate is Ready again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from tests.e2e import evidence, kube

SELF_SIGNED = "e2e-selfsigned"


def make_ca(name: str) -> None:
    """A CA of its own key in Secret `name`, beside the present one."""
    self_signed = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": SELF_SIGNED},
        "spec": {"selfSigned": {}},
    }
    root = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": evidence.ISSUERS_NAMESPACE},
        "spec": {
            "isCA": True,
            "commonName": f"e2e {name}",
            "secretName": name,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
            "issuerRef": {"name": SELF_SIGNED, "kind": "ClusterIssuer"},
        },
    }
    kube.apply(self_signed, root)
    kube.wait(f"CA {name}", lambda: "tls.crt" in evidence.secret(name, evidence.ISSUERS_NAMESPACE))


def rotate(name: str) -> None:
    """Rotate to the CA in Secret `name`, waiting for nothing but Certificates."""
    old, new = evidence.authority(evidence.signing_secret()), evidence.authority(name)
    for bundle in kube.items("configmap", selector=evidence.BUNDLE_LABEL):
        _write(bundle, {*_held(bundle), new})
    kube.patch("clusterissuer", evidence.issuer(), {"spec": {"ca": {"secretName": name}}})
    leaves = [c for c in kube.items("certificate") if c["spec"]["issuerRef"]["name"] == evidence.issuer()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(_reissue, leaves))
    kube.wait("Certificates Ready", lambda: _reissued(leaves))
    for bundle in kube.items("configmap", selector=evidence.BUNDLE_LABEL):
        _write(bundle, _held(bundle) - {old})


def _held(bundle: kube.Object) -> set[Any]:
    return set(evidence.certificates("\n".join(bundle["data"].values())))


def _write(bundle: kube.Object, certificates: set[Any]) -> None:
    """The bundle in its one key, as both consumers read it."""
    text = "".join(sorted(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates))
    place = bundle["metadata"]
    kube.patch("configmap", place["name"], {"data": dict.fromkeys(bundle["data"], text)}, place["namespace"])


def _reissue(certificate: kube.Object) -> None:
    """What `cmctl renew` does."""
    conditions = [c for c in certificate["status"]["conditions"] if c["type"] != "Issuing"]
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "",
        "lastTransitionTime": conditions[0]["lastTransitionTime"],
    }
    place, status = certificate["metadata"], {"status": {"conditions": [*conditions, issuing]}}
    kube.patch("certificate", place["name"], status, place["namespace"], subresource="status")


def _reissued(before: list[kube.Object]) -> bool:
    now = {evidence.name(certificate): certificate for certificate in kube.items("certificate")}
    return all(_renewed(certificate, now[evidence.name(certificate)]) for certificate in before)


def _renewed(before: kube.Object, now: kube.Object) -> bool:
    done = now["status"].get("revision", 0) > before["status"].get("revision", 0)
    return done and kube.condition(now) == "True" and kube.condition(now, "Issuing") != "True"
