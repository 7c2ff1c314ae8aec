"""KCerts: which Knative wants, which cert-manager Certificate each becomes, and what that says back."""

from __future__ import annotations

from kntls.lab.knative.config import Issuers, Network
from kntls.lab.knative.names import (
    CLASS_ANNOTATION,
    LOCAL_DOMAIN,
    LONGEST,
    SERVING,
    TYPE_LABEL,
    local_hosts,
    route_certificate,
)
from kntls.lab.objects import Object, condition, name_of, namespace_of, owner_reference
from kntls.lab.reading import annotations_of, labels_of, status_of

UNDECIDED = ("InProgress", "Pending", "TemporaryCertificate")


class TooLong(ValueError):
    """No common name of at most 63 characters can be made."""


def serving_certs(namespace: Object, network: Network) -> Object:
    """The KCert of all queue-proxies of a namespace."""
    name = name_of(namespace)
    return {
        "metadata": {
            "name": SERVING,
            "namespace": name,
            "labels": {TYPE_LABEL: "system-internal"},
            "annotations": {CLASS_ANNOTATION: network.certificate_class},
            "ownerReferences": [owner_reference({"apiVersion": "v1", "kind": "Namespace", **namespace})],
        },
        "spec": {"dnsNames": [f"kn-user-{name.lower()}", "data-plane.knative.dev"], "secretName": SERVING},
    }


def route_local(route: Object, tag: str, network: Network) -> Object:
    """The KCert of a route target's cluster-local names."""
    host = f"{tag}-{name_of(route)}" if tag else name_of(route)
    names = sorted(local_hosts(host, namespace_of(route)))
    return _route(
        route, route_certificate(route, tag, local=True), "cluster-local-domain", names, LOCAL_DOMAIN, network
    )


def route_external(route: Object, tag: str, host: str, domain: str, network: Network) -> Object:
    """The KCert of a route target's public name."""
    name = route_certificate(route, tag, local=False)
    return _route(route, name, "external-domain", [host], domain, network)


def _route(route: Object, name: str, kind: str, names: list[str], domain: str, network: Network) -> Object:
    kept = {k: v for k, v in annotations_of(route).items() if not k.startswith("kubectl.kubernetes.io/")}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace_of(route),
            "labels": {"serving.knative.dev/route": name_of(route), TYPE_LABEL: kind},
            "annotations": {**kept, CLASS_ANNOTATION: network.certificate_class},
            "ownerReferences": [owner_reference(route)],
        },
        "spec": {"dnsNames": names, "domain": domain, "secretName": name},
    }


def common_name(kcert: Object) -> tuple[str, list[str]]:
    """(common name, DNS names) of the Certificate: a first name over 63 characters is replaced by `k.<domain>`.

    Raises:
        TooLong: there is no domain to shorten to, or it is too long itself.
    """
    names = list(kcert["spec"]["dnsNames"])
    if len(names[0]) <= LONGEST:
        return names[0], names
    domain = kcert["spec"].get("domain", "")
    if not domain or len(domain) > LONGEST - 2:
        raise TooLong(
            f"error creating cert-manager certificate: cannot create valid length CommonName: ({names[0]}) still longer"
            f" than {LONGEST} characters, cannot shorten"
        )
    return f"k.{domain}", [f"k.{domain}", *names]


def certificate(kcert: Object, issuers: Issuers) -> Object:
    """The cert-manager Certificate of a KCert.

    Raises:
        TooLong: see `common_name`.
    """
    first, names = common_name(kcert)
    uid = kcert["metadata"]["uid"]
    return {
        "metadata": {
            "name": name_of(kcert),
            "namespace": namespace_of(kcert),
            "labels": dict(labels_of(kcert)),
            "annotations": {
                key: value
                for key, value in annotations_of(kcert).items()
                if not key.startswith("kubectl.kubernetes.io/")
            },
            "ownerReferences": [owner_reference(kcert)],
        },
        "spec": {
            "commonName": first,
            "dnsNames": names,
            "issuerRef": dict(issuers.for_type(labels_of(kcert).get(TYPE_LABEL, ""))),
            "secretName": kcert["spec"]["secretName"],
            "secretTemplate": {"labels": {"networking.internal.knative.dev/certificate-uid": uid}},
        },
    }


def readiness(found: Object | None) -> Object:
    """A KCert's Ready condition, from its Certificate's."""
    ready = condition(found or {}, "Ready")
    if not ready:
        return {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NoCertManagerCertCondition",
            "message": "The ready condition of Cert Manager Certificate does not exist.",
        }
    if ready["status"] == "True":
        return {"type": "Ready", "status": "True"}
    undecided = ready["status"] == "Unknown" or ready.get("reason") in UNDECIDED
    return {
        "type": "Ready",
        "status": "Unknown" if undecided else "False",
        "reason": ready.get("reason", ""),
        "message": ready.get("message", ""),
    }


def status(kcert: Object, found: Object | None) -> Object:
    """The rest of a KCert's status."""
    end = status_of(found or {}).get("notAfter")
    return {**({"notAfter": end} if end else {}), "observedGeneration": kcert["metadata"].get("generation", 1)}
