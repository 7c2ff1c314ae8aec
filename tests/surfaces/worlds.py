"""Worlds in which surfaces go on and off: the healthy world with Revisions' Deployments, endpoints and Leases."""

from __future__ import annotations

from typing import Any

from kntls.knative.installation import detect
from kntls.knative.names import Surface
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.model.objects import labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.surfaces.request import Request
from tests.world import AT, EXTERNAL, INTERNAL, LOCAL, OPERATOR, STARTED, UPSTREAM, World, condition, healthy, stamp

HOLDER = "kntls somebody@here pid 1"
EVERY = frozenset(Surface)
SYSTEM, CLUSTER_LOCAL, EXTERNAL_DOMAIN = Surface.SYSTEM_INTERNAL, Surface.CLUSTER_LOCAL, Surface.EXTERNAL_DOMAIN
RECONCILERS = ("revision", "route", "serverlessservice")
CONTROLLER_LEASE = "controller.knative.dev.serving.pkg.reconciler.{}.reconciler.00-of-01"
OPERATOR_LEASE = "knative-operator.knative.dev.operator.pkg.reconciler.knativeserving.reconciler.00-of-01"


def request(*surfaces: Surface, **more: Any) -> Request:
    """What somebody asks for."""
    return Request(frozenset(surfaces), HOLDER, **more)


def cluster(flavour: str = UPSTREAM, surfaces: tuple[str, ...] = ()) -> World:
    """A cluster with two tenants and these surfaces on: everything that `enable` waits for is there to be seen."""
    world = healthy(flavour, surfaces)
    for space in {world.serving, world.ingress}:
        world.get(k.NAMESPACE, space)
    for revision in list(world.objects[k.REVISION].values()):
        _revision(world, revision, INTERNAL in surfaces)
    for route in world.objects[k.ROUTE].values():
        route["status"]["conditions"].append(condition("AllTrafficAssigned"))
        if EXTERNAL in surfaces:
            route["status"]["url"] = route["status"]["url"].replace("http:", "https:")
    for name in RECONCILERS + (("certificate",) if surfaces else ()):
        lease(world, CONTROLLER_LEASE.format(name), world.serving)
    if flavour == OPERATOR:
        world.put(k.NAMESPACE, "knative-operator")
        world.deployment("knative-operator", "knative-operator", {"name": "knative-operator"}, "knative-operator")
        lease(world, OPERATOR_LEASE, "knative-operator")
    return world


def lease(world: World, name: str, namespace: str, holder: str = "controller-0_uid") -> dict[str, Any]:
    """A Lease that a pod of this world holds."""
    micro = stamp(STARTED).replace("Z", ".000000Z")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60, "acquireTime": micro, "renewTime": micro}
    return world.put(k.LEASE, name, namespace, spec=spec)


def _revision(world: World, revision: dict[str, Any], encrypted: bool) -> None:
    name, space, labels = name_of(revision), namespace_of(revision), dict(labels_of(revision))
    pod = world.get(k.POD, f"{name}-deployment-0", space)
    world.put(
        k.DEPLOYMENT, f"{name}-deployment", space, metadata={"labels": labels},
        spec={"replicas": 1, "template": {"spec": pod["spec"]}},
        status={"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1},
    )  # fmt: skip
    public = {**labels, "networking.internal.knative.dev/serviceType": "Public"}
    world.put(k.SERVICE, name, space, metadata={"labels": public})
    address = world.get(k.POD, "activator-0", world.serving)["status"]["podIP"]
    world.put(
        k.ENDPOINT_SLICE, f"{name}-x", space, metadata={"labels": {"kubernetes.io/service-name": name}},
        endpoints=[{"addresses": [address], "conditions": {"ready": True}}],
    )  # fmt: skip
    kingress = world.get(k.KINGRESS, labels["serving.knative.dev/service"], space)
    split = {"serviceName": name, "servicePort": 443 if encrypted else 80, "percent": 100}
    kingress["spec"]["rules"] = [{"hosts": [name], "http": {"paths": [{"splits": [split]}]}}]
    kingress["status"]["observedGeneration"] = kingress["metadata"]["generation"]


def without_issuers(world: World) -> World:
    """Before anything was made: no issuer, no CA, no bundle, no reference, and only the static KCert."""
    world.objects[k.CLUSTER_ISSUER] = {}
    for kind in (k.CERTIFICATE, k.SECRET):
        world.objects[kind] = {}
    for name in [key for key in world.objects[k.CONFIG_MAP] if key[1] == "knative-ca-bundle"]:
        del world.objects[k.CONFIG_MAP][name]
    world.config("config-certmanager").clear()
    if world.objects[k.KNATIVE_SERVING]:
        world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["spec"]["config"]["certmanager"] = {}
    world.get(k.KCERT, "routing-serving-certs", world.serving)["status"] = {}
    return world


def place(observation: Observation) -> str:
    """Serving's namespace."""
    return detect(observation).namespace


__all__ = [
    "AT", "CLUSTER_LOCAL", "CONTROLLER_LEASE", "EVERY", "EXTERNAL", "EXTERNAL_DOMAIN", "HOLDER", "INTERNAL", "LOCAL",
    "OPERATOR", "OPERATOR_LEASE", "SYSTEM", "UPSTREAM", "Kind", "World", "cluster", "condition", "lease", "request",
    "without_issuers",
]  # fmt: skip
