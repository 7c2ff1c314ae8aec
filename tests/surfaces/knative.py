"""Knative as the switching of surfaces sees it, in memory: it acts a step at every look, and counts broken hops.

A real cluster cannot be killed at every single write; this one can. A hop is broken where Envoy or an activator dials a
TLS port that nobody listens on: that is what `enable` and `disable` must never let happen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

from kntls.cluster.client import ref_of
from kntls.engine.predict import merged
from kntls.errors import Conflict, NotFound
from kntls.knative.config import Network
from kntls.knative.names import Surface
from kntls.knative.sans import cluster_local_hosts
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.model.objects import Object, ObjectRef, dig
from kntls.model.observation import Observation
from tests.surfaces.worlds import AT, CONTROLLER_LEASE, World, condition
from tests.world import ca, stamp

RESTARTED = "kubectl.kubernetes.io/restartedAt"
VOLUME = {"name": "server-certs", "secret": {"secretName": "serving-certs"}}
CONTROLLER_TAKES = 3
"""Steps until a controller takes a free Lease."""
DRAINS = 3
"""Steps that an activator lives on after it was told to end."""


class Killed(BaseException):
    """The process is gone: nothing is cleaned up."""


class Knative:
    """A world that reacts; its methods are those of a `Cluster` that the engine uses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = threading.RLock()
        self.steps = 0
        self.version = 0
        self.writes: list[str] = []
        self.on_write: Callable[[int], None] = lambda number: None
        """Called before each write of the engine's own thread with its number; may raise."""
        self.broken: list[str] = []
        """Hops that were broken, each with the last write before."""
        self.stuck = False
        """Whether activators do not come up with TLS."""
        self.dead: set[str] = set()
        """Holders of Leases that were killed."""
        self.free_since: dict[str, int] = {}
        self.main = threading.current_thread()
        self.envoy = self._ports()
        for pod in world.objects[k.POD].values():
            pod["tls"] = self._flag()
            pod["certificates"] = bool(self._network().surfaces)

    # ------------------------------------------------------------ as a Cluster

    def get(self, ref: ObjectRef) -> dict[str, Any] | None:
        with self.lock:
            return deepcopy(self.world.objects.get(ref.kind, {}).get((ref.namespace, ref.name)))

    def apply(self, manifest: Object, *, force: bool = False) -> None:
        ref = ref_of(manifest)
        self._write("apply", ref, lambda: merged(self.get(ref) or {}, manifest))

    def merge(self, ref: ObjectRef, body: Object) -> None:
        self._write("merge", ref, lambda: merged(self.get(ref) or {}, body))

    def update(self, ref: ObjectRef, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        current = self.get(ref)
        if current is None:
            raise NotFound("no such object", where=str(ref))
        wanted = change(current)
        with self.lock:
            if (self.get(ref) or {}).get("metadata") != wanted["metadata"]:
                raise Conflict("it changed", where=str(ref))
            self._put(ref, wanted)

    def delete(self, ref: ObjectRef, *, uid: str = "") -> None:
        self._before("delete", ref)
        with self.lock:
            self.world.objects[ref.kind].pop((ref.namespace, ref.name), None)
            if ref.kind == k.POD:
                for lease in self.world.objects[k.LEASE].values():
                    if dig(lease, "spec", "holderIdentity", default="").startswith("controller"):
                        lease["spec"]["holderIdentity"] = ""

    def _before(self, verb: str, ref: ObjectRef) -> None:
        if threading.current_thread() is self.main:
            self.on_write(len(self.writes))
            self.writes.append(f"{verb} {ref}")

    def _write(self, verb: str, ref: ObjectRef, body: Callable[[], dict[str, Any]]) -> None:
        self._before(verb, ref)
        with self.lock:
            self._put(ref, body())

    def _put(self, ref: ObjectRef, obj: dict[str, Any]) -> None:
        self.version += 1
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(self.version)}
        if ref.kind == k.CONFIG_MAP:
            fields = {"f:data": {f"f:{key}": {} for key in obj.get("data", {})}}
            entry = {"manager": "kntls", "operation": "Update", "time": self._now(), "fieldsV1": fields}
            obj["metadata"]["managedFields"] = [entry]
        self.world.objects.setdefault(ref.kind, {})[ref.namespace, ref.name] = obj

    def observe(self, kinds: Iterable[Kind], before: Observation | None = None) -> Observation:
        with self.lock:
            self._step()
            plain = [pod for pod in self._pods("activator", ending=True) if not pod["tls"]]
            self.world.shows = {
                f"{self.world.serving}/{pod['metadata']['name']}": "connection refused" for pod in plain
            }
            return self.world.observation()

    # ------------------------------------------------------------ what it does

    def _now(self) -> str:
        return stamp(AT + timedelta(seconds=self.steps))

    def _network(self) -> Network:
        return Network(self.world.config())

    def _flag(self) -> bool:
        return self._network().on(Surface.SYSTEM_INTERNAL)

    def _step(self) -> None:
        self.steps += 1
        for name in ("controller", "activator", "net-kourier-controller"):
            self._deployment(name)
        self._leases()
        if self._works("certificate"):
            self._issue()
        if self._works("revision"):
            self._revisions()
        if self._works("route"):
            self._routes()
        self._endpoints()
        if self._pods("net-kourier-controller"):
            self.envoy = self._ports()
        self._judge()

    def _pods(self, app: str, *, ending: bool = False) -> list[dict[str, Any]]:
        pods = self.world.objects[k.POD].values()
        mine = [pod for pod in pods if pod["metadata"]["labels"].get("app") == app]
        return [pod for pod in mine if ending or "deletionTimestamp" not in pod["metadata"]]

    def _deployment(self, name: str) -> None:
        deployment = self.world.get(k.DEPLOYMENT, name, self.world.serving)
        template, replicas = deployment["spec"]["template"], deployment["spec"]["replicas"]
        if name == "activator" and self.stuck and self._flag():
            deployment["status"]["updatedReplicas"] = 0
            return
        wanted = dig(template, "metadata", "annotations", RESTARTED, default="")
        for pod in self._pods(name, ending=True):
            self._end(name, pod, stays=replicas > 0 and pod.get("stamp", wanted) == wanted, wanted=wanted)
        if replicas and not self._pods(name):
            self._start(name, template, wanted)
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
        deployment["status"] = {**counts, "observedGeneration": deployment["metadata"]["generation"]}

    def _end(self, name: str, pod: dict[str, Any], *, stays: bool, wanted: str) -> None:
        pod.setdefault("stamp", "" if wanted and pod.get("born", 0) == 0 else wanted)
        ends = pod.get("ends")
        if ends is None and (not stays or pod["stamp"] != wanted):
            pod["ends"] = self.steps + (DRAINS if name == "activator" else 0)
            pod["metadata"]["deletionTimestamp"] = self._now()
        if pod.get("ends") is not None and pod["ends"] <= self.steps:
            self.world.drop(k.POD, pod["metadata"]["name"], self.world.serving)

    def _start(self, name: str, template: dict[str, Any], wanted: str) -> None:
        pod = self.world.pod(
            f"{name}-{self.steps}", self.world.serving, template["metadata"]["labels"], template["spec"]
        )
        pod["metadata"]["creationTimestamp"] = self._now()
        selector = self.world.config().get("namespace-wildcard-cert-selector")
        pod |= {"stamp": wanted, "born": self.steps, "tls": self._flag()}
        pod["certificates"] = bool(self._network().surfaces or selector)

    def _leases(self) -> None:
        pods = self._pods("controller")
        if pods and pods[0]["certificates"]:
            key = (self.world.serving, CONTROLLER_LEASE.format("certificate"))
            if key not in self.world.objects[k.LEASE]:
                self.world.put(k.LEASE, key[1], key[0], spec={"holderIdentity": "", "leaseDurationSeconds": 60})
        for (_, name), lease in self.world.objects[k.LEASE].items():
            if name.startswith("controller."):
                self._lease(name, lease, pods)

    def _lease(self, name: str, lease: dict[str, Any], pods: list[dict[str, Any]]) -> None:
        spec = lease["spec"]
        alive = {f"{pod['metadata']['name']}_uid" for pod in pods}
        if spec["holderIdentity"] in self.dead or (
            spec["holderIdentity"].startswith("controller") and spec["holderIdentity"] not in alive
        ):
            spec["holderIdentity"] = ""
        certificates = "certificate" not in name or any(pod["certificates"] for pod in pods)
        if spec["holderIdentity"] or not pods or not certificates:
            self.free_since.pop(name, None)
            return
        if self.steps - self.free_since.setdefault(name, self.steps) >= CONTROLLER_TAKES:
            spec["holderIdentity"] = f"{pods[0]['metadata']['name']}_uid"
            spec["acquireTime"] = self._now().replace("Z", ".000000Z")
            self.version += 1
            lease["metadata"]["resourceVersion"] = str(self.version)

    def _works(self, reconciler: str) -> bool:
        lease = self.world.objects[k.LEASE].get((self.world.serving, CONTROLLER_LEASE.format(reconciler)))
        return str(dig(lease or {}, "spec", "holderIdentity", default="")).startswith("controller")

    def _issue(self) -> None:
        for space, name in list(self.world.objects[k.KCERT]):
            kcert = self.world.get(k.KCERT, name, space)
            if (space, name) not in self.world.objects[k.CERTIFICATE]:
                kind = kcert["metadata"]["labels"]["networking.knative.dev/certificate-type"]
                self.world.certificate(name, space, tuple(kcert["spec"]["dnsNames"]), kind)
        issuer = self.world.objects[k.CLUSTER_ISSUER].get(("", "knative-serving-ca-issuer"))
        if issuer and "status" not in issuer:
            secret = issuer["spec"]["ca"]["secretName"]
            self.world.add_ca(secret, ca("selfsigned-ca"))
            issuer["status"] = {"conditions": [condition("Ready", observedGeneration=1)]}

    def _revisions(self) -> None:
        for deployment in list(self.world.objects[k.DEPLOYMENT].values()):
            space, labels = deployment["metadata"].get("namespace", ""), deployment["metadata"].get("labels", {})
            if "serving.knative.dev/revision" not in labels:
                continue
            if self._flag() and (space, "serving-certs") not in self.world.objects[k.SECRET]:
                self.world.put(
                    k.KCERT, "serving-certs", space, spec={"dnsNames": [f"kn-user-{space}", "data-plane.knative.dev"]},
                    metadata={"labels": {"networking.knative.dev/certificate-type": "system-internal"}},
                )  # fmt: skip
                continue
            volumes = [VOLUME] if self._flag() else []
            deployment["spec"]["template"]["spec"]["volumes"] = volumes
            for pod in self._pods(labels["serving.knative.dev/revision"]):
                if pod["metadata"]["namespace"] == space:
                    pod["spec"] = {**pod["spec"], "volumes": volumes}

    def _routes(self) -> None:
        for (space, name), route in self.world.objects[k.ROUTE].items():
            kingress = self.world.get(k.KINGRESS, name, space)
            for split in kingress["spec"]["rules"][0]["http"]["paths"][0]["splits"]:
                split["servicePort"] = 443 if self._flag() else 80
            on, secret = self._network().on(Surface.CLUSTER_LOCAL), f"route-{route['metadata']['uid']}-local"
            issued = (space, secret) in self.world.objects[k.SECRET]
            if on and self._works("certificate") and not issued:
                names = tuple(sorted(cluster_local_hosts(name, space)))
                self.world.certificate(secret, space, names, "cluster-local-domain")
            scheme = "https" if on and issued else "http"
            route["status"]["address"]["url"] = f"{scheme}://{name}.{space}.svc.cluster.local"

    def _endpoints(self) -> None:
        addresses = [pod["status"]["podIP"] for pod in self._pods("activator")]
        for item in self.world.objects[k.ENDPOINT_SLICE].values():
            item["endpoints"] = [{"addresses": addresses, "conditions": {"ready": True}}]

    # ------------------------------------------------------------ what breaks

    def _ports(self) -> set[int]:
        kingresses = self.world.objects[k.KINGRESS].values()
        return {dig(obj, "spec", "rules")[0]["http"]["paths"][0]["splits"][0]["servicePort"] for obj in kingresses}

    def _plain_queue_proxies(self) -> bool:
        pods = [pod for pod in self.world.objects[k.POD].values() if "queue-proxy" in str(pod["spec"]["containers"])]
        return any(VOLUME not in pod["spec"].get("volumes", []) for pod in pods)

    def _hops(self) -> Iterator[str]:
        activators = self._pods("activator", ending=True)
        if 443 in self.envoy and not all(pod["tls"] for pod in activators):
            yield "Envoy dials TLS, an activator listens plain"
        if 443 in self.envoy and self._plain_queue_proxies():
            yield "Envoy dials TLS, a queue-proxy listens plain"
        if any(pod["tls"] for pod in activators) and self._plain_queue_proxies():
            yield "an activator dials TLS, a queue-proxy listens plain"

    def _judge(self) -> None:
        for hop in self._hops():
            self.broken.append(f"{hop}, after {self.writes[-1] if self.writes else 'nothing'}")
