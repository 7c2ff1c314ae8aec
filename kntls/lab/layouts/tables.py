"""What is installed, as small tables: Deployments, Services, ConfigMaps of cert-manager, Serving and Kourier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kntls.lab.knative import names
from kntls.lab.knative.config import CERTIFICATE_CLASS
from kntls.lab.knative.webhook import CHECKSUM, checksum
from kntls.lab.objects import Object

SERVING_VERSION, KOURIER_VERSION, CERT_MANAGER_VERSION = "1.23.0", "1.21.1", "v1.21.2"
REGISTRY = "gcr.io/knative-releases/knative.dev"
GATEWAY = "3scale-kourier-gateway"
KOURIER_CLASS = "kourier.ingress.networking.knative.dev"
KOURIER_LABELS = {
    "app.kubernetes.io/component": "net-kourier",
    "app.kubernetes.io/name": "knative-serving",
    "app.kubernetes.io/version": KOURIER_VERSION,
    "networking.knative.dev/ingress-provider": "kourier",
}
CONFIG_MAPS = {
    "config-autoscaler": "autoscaler",
    "config-certmanager": "networking",
    "config-defaults": "controller",
    "config-deployment": "controller",
    "config-domain": "controller",
    "config-features": "controller",
    "config-gc": "controller",
    "config-leader-election": "controller",
    "config-logging": "logging",
    "config-network": "networking",
    "config-observability": "observability",
    "config-tracing": "tracing",
}
"""ConfigMap of Serving → its component label."""
EXAMPLE = """################################
#     EXAMPLE CONFIGURATION    #
################################
# Everything here is an example. To change a setting, copy its key beside `_example`.
"""
EXAMPLES = {
    "config-network": EXAMPLE
    + """
# enabled or disabled; the controller must be restarted when the first of the three is enabled
external-domain-tls: "disabled"
cluster-local-domain-tls: "disabled"
# the activator must be restarted when this one is changed
system-internal-tls: "disabled"
ingress-class: "istio.ingress.networking.knative.dev"
""",
    "config-certmanager": EXAMPLE
    + """
# each is an object reference to a cert-manager issuer
issuerRef: |
  kind: ClusterIssuer
  name: letsencrypt-issuer
clusterLocalIssuerRef: |
  kind: ClusterIssuer
  name: your-company-issuer
systemInternalIssuerRef: |
  kind: ClusterIssuer
  name: knative-selfsigned-issuer
""",
}


@dataclass(frozen=True)
class Workload:
    """One Deployment of one container, and the Service in front of it, if any."""

    name: str
    namespace: str
    image: str
    labels: Mapping[str, str]
    pod_labels: Mapping[str, str]
    container: str = ""
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    service_account: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    grace: int = 30

    def deployment(self) -> Object:
        """The Deployment; every container knows its namespace as `SYSTEM_NAMESPACE` and `POD_NAMESPACE`."""
        here = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
        environment: list[Object] = [{"name": key, "value": value} for key, value in self.environment.items()]
        environment += [{"name": name, **here} for name in ("SYSTEM_NAMESPACE", "POD_NAMESPACE")]
        container: Object = {
            "name": self.container or self.name,
            "image": self.image,
            "env": environment,
            "ports": [{"name": key, "containerPort": value} for key, value in self.ports.items()],
            **({"args": list(self.args)} if self.args else {}),
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels)},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": dict(self.pod_labels)},
                "template": {
                    "metadata": {"labels": {**self.pod_labels, **self.labels}},
                    "spec": {
                        "containers": [container],
                        "terminationGracePeriodSeconds": self.grace,
                        **({"serviceAccountName": self.service_account} if self.service_account else {}),
                    },
                },
            },
        }


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Object:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}


def service(
    name: str, home: str, selector: Mapping[str, str], ports: Mapping[str, tuple[int, int]], **labels: str
) -> Object:
    """A ClusterIP Service: port name → (port, target)."""
    listed = [
        {"name": key, "port": port, "protocol": "TCP", "targetPort": target} for key, (port, target) in ports.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": home, "labels": labels},
        "spec": {"selector": dict(selector), "ports": listed, "type": "ClusterIP"},
    }


def cert_manager(home: str = "cert-manager") -> list[Object]:
    """cert-manager as its Helm chart lays it out, with the namespace it reads ClusterIssuers' Secrets from."""
    common = {"app.kubernetes.io/instance": "cert-manager", "app.kubernetes.io/version": CERT_MANAGER_VERSION}
    image = f"quay.io/jetstack/cert-manager-controller:{CERT_MANAGER_VERSION}"
    controller = {"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller"}
    webhook = {"app.kubernetes.io/name": "webhook", "app.kubernetes.io/component": "webhook"}
    args = ("--v=2", "--cluster-resource-namespace=$(POD_NAMESPACE)")
    return [
        namespace(home),
        Workload(
            "cert-manager", home, image, {**controller, **common}, controller, "cert-manager-controller", args,
            service_account="cert-manager",
        ).deployment(),
        Workload(
            "cert-manager-webhook", home, image.replace("controller", "webhook"), {**webhook, **common}, webhook,
            "cert-manager-webhook", ("--secure-port=10250",), service_account="cert-manager-webhook",
            ports={"https": 10250},
        ).deployment(),
        service("cert-manager-webhook", home, webhook, {"https": (443, 10250)}, **webhook),
    ]  # fmt: skip


def serving(home: str) -> list[Object]:
    """Knative Serving: its Deployments, Services and ConfigMaps, and the KCert that is always there."""
    return [
        *(config_map(name, home) for name in CONFIG_MAPS),
        *(_serving_workload(name, home).deployment() for name in ("controller", "activator", "autoscaler", "webhook")),
        service(
            "activator-service", home, {"app": "activator"},
            {"http": (80, 8012), "http2": (81, 8013), "https": (443, 8112)}, **_serving_labels("activator"),
        ),
        service("webhook", home, {"app": "webhook"}, {"https-webhook": (443, 8443)}, **_serving_labels("webhook")),
        routing_kcert(home),
    ]  # fmt: skip


def _serving_labels(component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/name": "knative-serving",
        "app.kubernetes.io/version": SERVING_VERSION,
    }


def _serving_workload(name: str, home: str) -> Workload:
    ports = {"http1": 8012, "h2c": 8013, "https": 8112} if name == "activator" else {}
    grace = 600 if name == "activator" else 30
    return Workload(
        name, home, f"{REGISTRY}/serving/cmd/{name}:v{SERVING_VERSION}", _serving_labels(name), {"app": name},
        service_account="activator" if name == "activator" else "controller", ports=ports, grace=grace,
    )  # fmt: skip


def routing_kcert(home: str) -> Object:
    """The static KCert of activator and gateway."""
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Certificate",
        "metadata": {
            "name": names.ROUTING,
            "namespace": home,
            "annotations": {names.CLASS_ANNOTATION: CERTIFICATE_CLASS},
            "labels": {names.TYPE_LABEL: "system-internal", **_serving_labels("networking")},
        },
        "spec": {"dnsNames": ["kn-routing", "data-plane.knative.dev"], "secretName": names.ROUTING},
    }


def config_map(name: str, home: str, data: Mapping[str, str] | None = None) -> Object:
    """One of Serving's ConfigMaps, with an `_example` and its checksum."""
    example = EXAMPLES.get(name, EXAMPLE)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": home,
            "labels": _serving_labels(CONFIG_MAPS[name]),
            "annotations": {CHECKSUM: checksum(example)},
        },
        "data": {"_example": example, **(data or {})},
    }


def kourier(controller_home: str, gateway_home: str) -> list[Object]:
    """net-kourier: the controller in one namespace, Envoy and its Services in another (or the same)."""
    controller = Workload(
        "net-kourier-controller", controller_home, f"{REGISTRY}/net-kourier/cmd/kourier:v{KOURIER_VERSION}",
        KOURIER_LABELS,
        {"app": "net-kourier-controller"}, "controller",
        environment={
            "CERTS_SECRET_NAMESPACE": "", "CERTS_SECRET_NAME": "", "KOURIER_GATEWAY_NAMESPACE": gateway_home,
            "ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID": "false",
        },
        service_account="net-kourier", ports={"http2-xds": 18000},
    )  # fmt: skip
    gateway = Workload(
        GATEWAY, gateway_home, "docker.io/envoyproxy/envoy:v1.36-latest", KOURIER_LABELS,
        {"app": GATEWAY}, "kourier-gateway",
        ("--base-id 1", "-c /tmp/config/envoy-bootstrap.yaml",
         "--drain-time-s $(DRAIN_TIME_SECONDS)", "--drain-strategy immediate"),
        environment={"DRAIN_TIME_SECONDS": "15"},
        ports={"http2-external": 8080, "http2-internal": 8081, "https-external": 8443},
    )  # fmt: skip
    selector = {"app": GATEWAY}
    return [
        controller.deployment(),
        gateway.deployment(),
        service("kourier", gateway_home, selector, {"http2": (80, 8080), "https": (443, 8443)}, **KOURIER_LABELS),
        service(
            "kourier-internal", gateway_home, selector, {"http2": (80, 8081), "https": (443, 8444)}, **KOURIER_LABELS),
        service("net-kourier-controller", controller_home,
            {"app": "net-kourier-controller"}, {"grpc-xds": (18000, 18000)}, **KOURIER_LABELS),
    ]  # fmt: skip


def operator(home: str = "knative-operator") -> list[Object]:
    """The Knative operator itself."""
    labels = {"app.kubernetes.io/name": "knative-operator", "app.kubernetes.io/version": SERVING_VERSION}
    image = f"{REGISTRY}/operator/cmd/operator:v{SERVING_VERSION}"
    workload = Workload(
        "knative-operator", home, image, labels, {"name": "knative-operator"}, service_account="knative-operator"
    )
    return [namespace(home), workload.deployment()]


def knative_service(name: str, home: str, annotations: Mapping[str, str] | None = None) -> Object:
    """A sample Knative Service."""
    template: Object = {"spec": {"containers": [{"image": "dev.local/hello"}]}}
    if annotations:
        template["metadata"] = {"annotations": {f"autoscaling.knative.dev/{k}": v for k, v in annotations.items()}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": home},
        "spec": {"template": template},
    }


SAMPLES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("team-a", "hello", {"min-scale": "1"}),
    ("team-b", "hello", {"min-scale": "1"}),
    ("team-b", "direct", {"min-scale": "1", "target-burst-capacity": "0"}),
    ("team-c", "hello", {"min-scale": "1"}),
    ("team-c", "cold", {"initial-scale": "0"}),
)
"""Namespace, name and scaling of the services a lab starts with."""


def samples() -> list[Object]:
    """The sample services and their namespaces."""
    homes = dict.fromkeys(home for home, _, _ in SAMPLES)
    return [*(namespace(home) for home in homes), *(knative_service(name, home, how) for home, name, how in SAMPLES)]
