"""The Secret a Certificate ends in: what cert-manager writes into it and notes on it."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from kntls.lab import x509 as pki
from kntls.lab.certmanager import policies
from kntls.lab.objects import Object, name_of, namespace_of
from kntls.lab.reading import encoded

SUBJECT_ANNOTATIONS = {
    "countries": "subject-countries",
    "organizations": "subject-organizations",
    "organizationalUnits": "subject-organizationalunits",
}


def wanted_secret(certificate: Object, data: dict[str, bytes]) -> Object:
    """The target Secret of a Certificate, as cert-manager applies it."""
    spec = certificate["spec"]
    template = spec.get("secretTemplate") or {}
    leaf = pki.load_chain(data["tls.crt"])[0]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": spec["secretName"],
            "namespace": namespace_of(certificate),
            "labels": {**(template.get("labels") or {}), "controller.cert-manager.io/fao": "true"},
            "annotations": {**(template.get("annotations") or {}), **secret_annotations(certificate, leaf)},
        },
        "data": encoded(data),
        "type": "kubernetes.io/tls",
    }


def secret_annotations(certificate: Object, leaf: x509.Certificate) -> dict[str, str]:
    """What cert-manager notes on the Secret: the issuer, the Certificate, and the names of the issued certificate."""
    ref = certificate["spec"]["issuerRef"]
    found = policies.names_in(leaf)
    out = {
        "alt-names": ",".join(found.dns),
        "certificate-name": name_of(certificate),
        "common-name": found.common_name,
        "ip-sans": ",".join(found.ips),
        "issuer-group": ref.get("group", ""),
        "issuer-kind": ref.get("kind") or "Issuer",
        "issuer-name": ref["name"],
        "uri-sans": ",".join(found.uris),
        **({"email-sans": ",".join(found.emails)} if found.emails else {}),
    }
    for field, label in SUBJECT_ANNOTATIONS.items():
        values = _subject_values(leaf, field)
        if values:
            out[label] = ",".join(values)
    return {f"cert-manager.io/{key}": value for key, value in out.items()}


def _subject_values(leaf: x509.Certificate, field: str) -> Iterable[str]:
    return [str(one.value) for one in leaf.subject.get_attributes_for_oid(pki.SUBJECT_FIELDS[field])]
