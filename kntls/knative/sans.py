"""Which SANs each of Knative's certificates must have, computed the way Knative computes them."""

from __future__ import annotations

from kntls.knative.names import LEGACY_SAN, ROUTING_CERTIFICATE, ROUTING_SAN, USER_CERTIFICATE, user_san
from kntls.model.objects import Object, dig, name_of, namespace_of

LONGEST_COMMON_NAME = 63


def cluster_local_hosts(service: str, namespace: str, domain: str = "cluster.local") -> frozenset[str]:
    """The names of a cluster-local certificate (networking `pkg/ingress/ingress.go`).

    `app.ns` is left out where the namespace is all digits: it would end in a numeric top-level domain.
    """
    short = set() if namespace.isdigit() else {f"{service}.{namespace}"}
    return frozenset({*short, f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.{domain}"})


def expected(kcert: Object) -> frozenset[str]:
    """The SANs a KCert's leaf must have.

    The two system-internal certificates by rule; others from the KCert's own dnsNames, with the `k.<domain>` name
    that Knative prepends where the first name is too long for a common name
    (serving `pkg/reconciler/certificate/resources/cert_manager_certificate.go`).
    """
    if name_of(kcert) == ROUTING_CERTIFICATE:
        return frozenset({ROUTING_SAN, LEGACY_SAN})
    if name_of(kcert) == USER_CERTIFICATE:
        return frozenset({user_san(namespace_of(kcert)), LEGACY_SAN})
    names = [str(entry) for entry in dig(kcert, "spec", "dnsNames", default=[])]
    domain = str(dig(kcert, "spec", "domain", default=""))
    if names and len(names[0]) > LONGEST_COMMON_NAME and domain:
        names.append(f"k.{domain}")
    return frozenset(names)
