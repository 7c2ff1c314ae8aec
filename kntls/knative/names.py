"""Every name, key and port of Knative Serving that transport encryption touches, once, with its source.

Sources: knative/serving and knative.dev/networking at release 1.23, net-kourier at 1.21.
"""

from __future__ import annotations

from enum import StrEnum

CONFIG_NETWORK = "config-network"
CONFIG_CERTMANAGER = "config-certmanager"
CONFIG_AUTOSCALER = "config-autoscaler"
LEGACY_FLAG = "internal-encryption"
"""Overrules `system-internal-tls: Disabled` when true (networking `pkg/config/config.go`)."""

ACTIVATOR = "activator"
CONTROLLER = "controller"
WEBHOOK = "webhook"
NET_KOURIER = "net-kourier-controller"
GATEWAY = "3scale-kourier-gateway"

ROUTING_CERTIFICATE = "routing-serving-certs"
"""KCert and Secret of activator and gateway; static in the manifest, never to be deleted
(serving `config/core/300-knativecertificate.yaml`)."""
USER_CERTIFICATE = "serving-certs"
"""KCert and Secret of the queue-proxies of a namespace (serving `pkg/reconciler/revision/resources/certificate.go`)."""

TRUST_BUNDLE_LABEL = "networking.knative.dev/trust-bundle"
"""Its presence is what Serving and Kourier look for, whatever the value; Eventing wants `true`."""
CERTIFICATE_TYPE_LABEL = "networking.knative.dev/certificate-type"
CLASS_ANNOTATION = "networking.knative.dev/certificate.class"
CERTIFICATE_CLASS = "cert-manager.certificate.networking.knative.dev"
"""The class of KCerts that cert-manager fills; Knative's default."""
REVISION_LABEL = "serving.knative.dev/revision"
ROUTE_LABEL = "serving.knative.dev/route"
SERVICE_LABEL = "serving.knative.dev/service"
WILDCARD_LABEL = "networking.knative.dev/wildcardDomain"
PROVIDER_LABEL = "networking.knative.dev/ingress-provider"
VERSION_LABEL = "app.kubernetes.io/version"

ROUTING_SAN = "kn-routing"
LEGACY_SAN = "data-plane.knative.dev"
"""The server name the activator verifies beside the namespace's own (networking `pkg/certificates/constants.go`)."""

DATA_PORT = 8112
"""HTTPS of activator and queue-proxy; 8012 stays open beside it (serving `pkg/networking/constants.go`)."""
GATEWAY_LOCAL_PORT = 8444
"""HTTPS of Kourier's cluster-local listener; exists only while a Route has a cluster-local certificate."""
GATEWAY_EXTERNAL_PORT = 8443
DRAIN_SECONDS = 15
"""net-kourier's `--drain-time-s` of Envoy unless its Deployment says otherwise."""
POLL_SECONDS = 60
"""How often a queue-proxy looks for a new certificate on disk (serving `cmd/queue/main.go`)."""
LONGEST_NAMESPACE = 55
"""`kn-user-` and the namespace must fit a 63-character common name (serving `pkg/reconciler/certificate/resources`)."""

EVENTING = "knative-eventing"


class Surface(StrEnum):
    """One part of transport encryption that is turned on by itself."""

    EXTERNAL_DOMAIN = "external-domain"
    CLUSTER_LOCAL = "cluster-local"
    SYSTEM_INTERNAL = "system-internal"

    @property
    def flag(self) -> str:
        """The key in config-network."""
        return {
            Surface.EXTERNAL_DOMAIN: "external-domain-tls",
            Surface.CLUSTER_LOCAL: "cluster-local-domain-tls",
            Surface.SYSTEM_INTERNAL: "system-internal-tls",
        }[self]

    @property
    def issuer_key(self) -> str:
        """The key in config-certmanager (serving `pkg/reconciler/certificate/config/cert_manager.go`)."""
        return {
            Surface.EXTERNAL_DOMAIN: "issuerRef",
            Surface.CLUSTER_LOCAL: "clusterLocalIssuerRef",
            Surface.SYSTEM_INTERNAL: "systemInternalIssuerRef",
        }[self]

    @property
    def certificate_type(self) -> str:
        """The value of the `certificate-type` label on the KCerts of this surface."""
        return {
            Surface.EXTERNAL_DOMAIN: "external-domain",
            Surface.CLUSTER_LOCAL: "cluster-local-domain",
            Surface.SYSTEM_INTERNAL: "system-internal",
        }[self]


def user_san(namespace: str) -> str:
    """The SAN of a namespace's queue-proxies."""
    return f"kn-user-{namespace.lower()}"
