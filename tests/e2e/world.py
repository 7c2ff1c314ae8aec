"""Three tenants with Knative Services of every kind a CA rotation can trip over, and an unrelated CA.

As a script: `python -m tests.e2e.world up|down`.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass, field

import trustme

from tests.e2e import kube

IMAGE = "dev.local/hello"


@dataclass(frozen=True)
class Service:
    """One Knative Service of the world."""

    namespace: str
    name: str
    annotations: dict[str, str] = field(default_factory=dict)
    """Annotations of the revision template."""

    @property
    def host(self) -> str:
        """The name under which clients in the cluster reach it."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"

    @property
    def starts_cold(self) -> bool:
        """Whether it is created without a pod and stays so until its first request."""
        return self.annotations.get("autoscaling.knative.dev/initial-scale") == "0"

    def manifest(self) -> kube.Object:
        """The Service as an object to apply."""
        template = {
            "metadata": {"annotations": self.annotations},
            "spec": {"containers": [{"image": IMAGE, "ports": [{"containerPort": 8080}]}]},
        }
        return {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"template": template},
        }


WARM = (
    Service("team-a", "hello"),
    Service("team-b", "hello"),
    Service("team-b", "direct", {"autoscaling.knative.dev/target-burst-capacity": "0"}),
    Service("team-c", "hello"),
)
COLD = Service("team-c", "cold", {"autoscaling.knative.dev/initial-scale": "0"})
SERVICES = (*WARM, COLD)
NAMESPACES = ("team-a", "team-b", "team-c")


KNATIVE_SERVING: kube.Object = {
    "apiVersion": "operator.knative.dev/v1beta1",
    "kind": "KnativeServing",
    "metadata": {"name": "knative-serving", "namespace": "knative-serving"},
    "spec": {
        "version": "1.23.0",
        "ingress": {"kourier": {"enabled": True}},
        "config": {
            "network": {"ingress-class": "kourier.ingress.networking.knative.dev"},
            "deployment": {"registries-skipping-tag-resolving": "dev.local,example.com"},
        },
    },
}


def install() -> None:
    """Let the Knative operator install Serving and Kourier, where KNTLS_E2E_INSTALLATION says `operator`."""
    if os.environ.get("KNTLS_E2E_INSTALLATION", "upstream") != "operator":
        return
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "knative-serving"}})
    kube.apply(KNATIVE_SERVING)
    serving = ("knativeserving", "knative-serving", "knative-serving")
    kube.wait("KnativeServing Ready", lambda: kube.condition(kube.get(*serving)) == "True", 180)


def configure(name: str, data: dict[str, str | None]) -> None:
    """Set keys of Serving's ConfigMap `config-NAME`, where its owner keeps them; None takes a key away."""
    if os.environ.get("KNTLS_E2E_INSTALLATION", "upstream") == "upstream":
        kube.patch("configmap", f"config-{name}", {"data": data}, "knative-serving")
    else:
        kube.patch("knativeserving", "knative-serving", {"spec": {"config": {name: data}}}, "knative-serving")


def up() -> None:
    """Create the namespaces and Services and wait until every Service is Ready."""
    kube.patch("configmap", "config-autoscaler", {"data": {"allow-zero-initial-scale": "true"}}, "knative-serving")
    kube.wait("the end of former namespaces", lambda: not any(map(_is_ending, NAMESPACES)), 300, every=2)
    kube.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES))
    kube.wait("the webhook admits the Services", _apply_services, 60, every=1)
    for service in SERVICES:
        kube.wait(f"Service {service.namespace}/{service.name} Ready", functools.partial(ready, service), 180)


def _is_ending(namespace: str) -> bool:
    return "deletionTimestamp" in (kube.get("namespace", namespace) or {"metadata": {}})["metadata"]


def _apply_services() -> bool:
    """Apply the Services; False while the webhook has not seen the new autoscaler setting yet."""
    try:
        kube.apply(*(service.manifest() for service in SERVICES))
    except RuntimeError as error:
        if "initial-scale" not in str(error) and "webhook" not in str(error):
            raise
        return False
    return True


def ready(service: Service) -> bool:
    """Whether the Knative Service says it is Ready."""
    return kube.condition(kube.get("ksvc", service.name, service.namespace)) == "True"


def down() -> None:
    """Delete the namespaces; draining pods keep them for a minute or more, which nobody waits for."""
    kube.run("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait=false")


def unrelated_ca() -> str:
    """A CA certificate (PEM) that has nothing to do with the cluster and must survive whatever is done to a bundle."""
    return trustme.CA(organization_name="unrelated").cert_pem.bytes().decode()


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
