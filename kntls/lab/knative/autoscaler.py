"""Knative's `autoscaler`: how many pods a revision has, and whether the activator stays in its path."""

from __future__ import annotations

import time

from kntls.lab.knative import serving
from kntls.lab.knative.names import key_of
from kntls.lab.objects import Object, name_of, namespace_of
from kntls.lab.reading import annotations_of, is_true, status_of, with_condition
from kntls.lab.workloads.plane import Plane, Revision

AUTOSCALERS = "podautoscalers.autoscaling.internal.knative.dev"
SKS = "serverlessservices.networking.internal.knative.dev"
DEPLOYMENTS = "deployments.apps"
TICK_SECONDS = 2.0
IDLE_SECONDS = 90.0
"""Stable window (60 s) and scale-to-zero grace (30 s)."""
TARGET = 100
DEFAULT_BURST = 211
NO_TRAFFIC = {"reason": "NoTraffic", "message": "The target is not receiving traffic."}


class Autoscaler:
    """Scales between nothing and `min-scale` (or one): the lab's load never needs more."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self.plane, self.clock, self.namespace = plane, plane.clock, namespace
        self.client = plane.client.by("kn-autoscaler")
        self.running = False
        self._since: dict[Revision, float] = {}

    def start(self) -> None:
        """Begin to scale; a request that waits for a pod wakes it at once."""
        self.running = True
        self.plane.wake = self._wake
        self._tick()

    def stop(self) -> None:
        """Scale no more."""
        self.running = False

    def _tick(self) -> None:
        if not self.running:
            return
        for autoscaler in self.client.list(AUTOSCALERS):
            self.enqueue(*key_of(autoscaler))
        self.plane.loop.call(("autoscaler-tick", id(self)), self._tick, self.clock.real(TICK_SECONDS))

    def _wake(self, revision: Revision) -> None:
        self.enqueue(*revision)

    def enqueue(self, namespace: str, name: str) -> None:
        """Look at one PodAutoscaler."""
        self.plane.loop.call(("pa", id(self), namespace, name), lambda: self._look(namespace, name))

    def changed(self, kind: str, obj: Object) -> None:
        """React to what a PodAutoscaler depends on."""
        if not self.running:
            return
        if kind in (AUTOSCALERS, SKS):
            self.enqueue(*key_of(obj))
        elif kind == DEPLOYMENTS and name_of(obj).endswith("-deployment"):
            self.enqueue(namespace_of(obj), name_of(obj).removesuffix("-deployment"))
        elif kind == "configmaps" and key_of(obj) == (self.namespace, "config-autoscaler"):
            for autoscaler in self.client.list(AUTOSCALERS):
                self.enqueue(*key_of(autoscaler))

    def _look(self, namespace: str, name: str) -> None:
        autoscaler = self.client.get(AUTOSCALERS, namespace, name)
        if autoscaler is None or not self.running:
            return
        deployment = self.client.get(DEPLOYMENTS, namespace, f"{name}-deployment")
        if deployment is None:
            return
        revision = (namespace, name)
        ready = len(self.plane.backends.get(revision, ()))
        wanted = self._wanted(autoscaler, deployment, revision, ready)
        sks = self._mode(autoscaler, ready, wanted)
        if deployment["spec"].get("replicas") != wanted and not (wanted == 0 and self._still_served(sks)):
            self.client.change(DEPLOYMENTS, deployment, spec={**deployment["spec"], "replicas": wanted})
        self._report(autoscaler, ready, wanted, sks)

    def _still_served(self, sks: Object) -> bool:
        """Pods go only once the activator stands in front of the revision."""
        return bool(status_of(sks).get("observedGeneration") != sks["metadata"].get("generation"))

    def _wanted(self, autoscaler: Object, deployment: Object, revision: Revision, ready: int) -> int:
        smallest = _number(autoscaler, "min-scale", 0)
        if not is_true(autoscaler, "ScaleTargetInitialized"):
            return max(_number(autoscaler, "initial-scale", 1), smallest)
        if smallest:
            return smallest
        now = time.monotonic()
        if ready and revision not in self._since:
            self._since[revision] = now
        last = max(self.plane.busy.get(revision, 0.0), self._since.get(revision, 0.0))
        idle = self.clock.real(IDLE_SECONDS)
        if last and now - last < idle:
            return max(int(deployment["spec"].get("replicas") or 0), 1)
        return 0

    def _mode(self, autoscaler: Object, ready: int, wanted: int) -> Object:
        found = self.client.get("configmaps", self.namespace, "config-autoscaler")
        default = int(float(((found or {}).get("data") or {}).get("target-burst-capacity") or DEFAULT_BURST))
        burst = _number(autoscaler, "target-burst-capacity", default)
        proxied = not wanted or not ready or burst < 0 or (burst > 0 and ready * TARGET - burst < 0)
        sks = serving.serverless_service(autoscaler, "Proxy" if proxied else "Serve")
        have = self.client.get(SKS, *key_of(sks))
        if have is None:
            return self.client.create(SKS, sks)
        return self.client.change(SKS, have, spec={**have["spec"], "mode": sks["spec"]["mode"]})

    def _report(self, autoscaler: Object, ready: int, wanted: int, sks: Object) -> None:
        initialized = is_true(autoscaler, "ScaleTargetInitialized") or ready >= wanted
        if ready and wanted:
            active: Object = {"status": "True"}
        elif wanted:
            active = {
                "status": "Unknown",
                "reason": "Queued",
                "message": "Requests to the target are being buffered as resources are provisioned.",
            }
        else:
            active = {"status": "False", **NO_TRAFFIC}
        served = (
            {"status": "True"}
            if is_true(sks, "Ready")
            else {"status": "Unknown", "reason": "NotReady", "message": "K8s Service is not ready"}
        )
        target = {"status": "True"} if initialized else {"status": "Unknown"}
        whole = active if active["status"] != "True" else served
        fresh = {"Active": active, "SKSReady": served, "ScaleTargetInitialized": target, "Ready": whole}
        conditions = status_of(autoscaler).get("conditions") or []
        for kind, state in fresh.items():
            conditions = with_condition(conditions, {"type": kind, **state}, self.clock.stamp())
        status = {
            "actualScale": ready,
            "desiredScale": wanted,
            "conditions": sorted(conditions, key=lambda one: str(one["type"])),
            "metricsServiceName": f"{name_of(autoscaler)}-private",
            "serviceName": name_of(autoscaler),
            "observedGeneration": autoscaler["metadata"].get("generation", 1),
        }
        self.client.update_status(AUTOSCALERS, autoscaler, status)


def _number(autoscaler: Object, key: str, default: int) -> int:
    text = annotations_of(autoscaler).get(f"{serving.SCALING}{key}", "")
    try:
        return int(float(text)) if text else default
    except ValueError:
        return default
