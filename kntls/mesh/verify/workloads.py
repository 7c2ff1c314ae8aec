"""The test workloads of the two procedures: a curl client, an always scaled, an activated and a public service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kntls.mesh.generate.model import Manifest

LABELS = {"app.kubernetes.io/managed-by": "kntls", "app.kubernetes.io/part-of": "kntls-verify"}
"""On everything made here, and only here: what carries them may be removed."""
INJECT = {"sidecar.istio.io/inject": "true"}
VISIBILITY = "networking.knative.dev/visibility"
SCALED = {"autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/target-burst-capacity": "0"}
ACTIVATED = {"autoscaling.knative.dev/target-burst-capacity": "-1"}
OUTSIDE = "kntls-verify-outside"
"""Namespace of the client without a sidecar."""


@dataclass(frozen=True)
class Images:
    """What the workloads run."""

    curl: str = "curlimages/curl"
    app: str = "docker.io/openshift/hello-openshift"


def client(namespace: str, images: Images, *, sidecar: bool = True) -> Manifest:
    """A Deployment that sleeps and has curl."""
    labels = {"app": "curl"}
    inject = {"sidecar.istio.io/inject": "true" if sidecar else "false"}
    container = {"name": "curl", "image": images.curl, "command": ["sleep", "3600"]}
    template = {
        "metadata": {"labels": {**labels, **inject}, "annotations": inject},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "curl", "namespace": namespace, "labels": {**labels, **LABELS}},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def service(namespace: str, name: str, scaling: dict[str, str], images: Images, *, public: bool = False) -> Manifest:
    """A Knative service, cluster-local unless `public`."""
    labels = dict(LABELS) if public else {**LABELS, VISIBILITY: "cluster-local"}
    passthrough = {"serving.knative.openshift.io/enablePassthrough": "true"} if public else {}
    annotations = {**INJECT, "sidecar.istio.io/rewriteAppHTTPProbers": "true", **scaling}
    container: dict[str, Any] = {"image": images.app, "env": [{"name": "RESPONSE", "value": "Hello Serverless!"}]}
    template = {"metadata": {"annotations": annotations, "labels": INJECT}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": passthrough},
        "spec": {"template": template},
    }


def of_tenant(namespace: str, images: Images) -> tuple[Manifest, ...]:
    """One tenant's test workloads."""
    return (
        client(namespace, images),
        service(namespace, "svc-always-scaled", SCALED, images),
        service(namespace, "svc-activator-in-path", ACTIVATED, images),
        service(namespace, "test-webapp", {}, images, public=True),
    )


def outside(images: Images) -> tuple[Manifest, ...]:
    """A namespace outside the mesh with a client."""
    labels = {**LABELS, "istio-injection": "disabled"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OUTSIDE, "labels": labels}}
    return space, client(OUTSIDE, images, sidecar=False)
