"""kube-controller-manager's part: Deployments, ReplicaSets, and the EndpointSlices of Services with a selector."""

from __future__ import annotations

import hashlib
import json
import math
import secrets

from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, clone, condition, name_of, namespace_of, owner_reference
from kntls.lab.reading import annotations_of, is_true, labels_of, matches, owned_by, status_of

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
DEPLOYMENTS, REPLICA_SETS, SLICES = "deployments.apps", "replicasets.apps", "endpointslices.discovery.k8s.io"


def template_hash(template: Object) -> str:
    """A ReplicaSet's name suffix: the same template gives the same one."""
    number = int.from_bytes(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()[:8], "big")
    return "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(10))


def share(text: int | str | None, replicas: int, *, up: bool) -> int:
    """A number or percentage of replicas, rounded up for a surge and down for what may be unavailable."""
    if isinstance(text, str) and text.endswith("%"):
        exact = replicas * int(text[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(text) if text is not None else share("25%", replicas, up=up)


def rollout(
    replicas: int, surge: int, unavailable: int, new: int, old: list[tuple[int, int]], new_ready: int
) -> tuple[int, list[int]]:
    """The next sizes of the new ReplicaSet and of the old ones, given (size, ready) of each old one, oldest first."""
    held = sum(size for size, _ in old)
    if surge == 0 and unavailable == 0:
        surge = 1
    grown = max(min(replicas, replicas + surge - held), 0) if new < replicas else replicas
    available = new_ready + sum(ready for _, ready in old)
    spare = max(available - (replicas - unavailable), 0)
    sizes = []
    for size, ready in old:
        broken = size - ready
        cut = min(size, broken + min(ready, spare))
        spare -= max(cut - broken, 0)
        sizes.append(size - cut)
    return grown, sizes


class Deployments:
    """Deployment and ReplicaSet controllers, and the endpoint controllers."""

    def __init__(self, client: Client, clock: Clock, loop: Loop) -> None:
        self.client, self.clock, self.loop = client.by("kube-controller-manager"), clock, loop

    def changed(self, kind: str, obj: Object) -> None:
        """Queue what depends on a changed object."""
        namespace, name = namespace_of(obj), name_of(obj)
        if kind == DEPLOYMENTS:
            self.loop.call((kind, namespace, name), lambda: self.deployment(namespace, name))
        elif kind == REPLICA_SETS:
            self.loop.call((kind, namespace, name), lambda: self.replica_set(namespace, name))
            self._owner(obj, "Deployment", DEPLOYMENTS)
        elif kind == "pods":
            self._owner(obj, "ReplicaSet", REPLICA_SETS)
            for service in self.client.list("services", namespace):
                if matches(service["spec"].get("selector"), labels_of(obj)):
                    self._queue_service(namespace, name_of(service))
        elif kind == "services":
            self._queue_service(namespace, name)

    def _owner(self, obj: Object, kind: str, resource: str) -> None:
        work = self.deployment if kind == "Deployment" else self.replica_set
        for reference in obj["metadata"].get("ownerReferences") or []:
            if reference["kind"] == kind:
                key = (resource, namespace_of(obj), reference["name"])
                self.loop.call(key, lambda key=key: work(key[1], key[2]))  # type: ignore[misc]

    def _queue_service(self, namespace: str, name: str) -> None:
        self.loop.call(("services", namespace, name), lambda: self.service(namespace, name))

    # ------------------------------------------------------------------ Deployments

    def deployment(self, namespace: str, name: str) -> None:
        """One step of a rollout."""
        deployment = self.client.get(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return
        mine = [one for one in self.client.list(REPLICA_SETS, namespace) if owned_by(one, deployment)]
        wanted = template_hash(deployment["spec"]["template"])
        new = next((one for one in mine if labels_of(one).get(HASH) == wanted), None)
        old = sorted((one for one in mine if one is not new), key=_revision)
        if new is None:
            new = self._new_set(deployment, wanted, old)
        elif _revision(new) < (newest := max(map(_revision, old), default=0)):
            metadata = {**new["metadata"], "annotations": {**annotations_of(new), REVISION: str(newest + 1)}}
            new = self.client.change(REPLICA_SETS, new, metadata=metadata)
        revision = annotations_of(new)[REVISION]
        if annotations_of(deployment).get(REVISION) != revision:
            metadata = {**deployment["metadata"], "annotations": {**annotations_of(deployment), REVISION: revision}}
            deployment = self.client.change(DEPLOYMENTS, deployment, metadata=metadata)
        self._roll(deployment, new, old)
        self._report(deployment, new, old)
        self._prune(deployment, old)

    def _new_set(self, deployment: Object, suffix: str, old: list[Object]) -> Object:
        template = clone(deployment["spec"]["template"])
        labels = {**labels_of(template), HASH: suffix}
        template.setdefault("metadata", {})["labels"] = labels
        revision = max((_revision(one) for one in old), default=0) + 1
        skipped = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)
        copied = {k: v for k, v in annotations_of(deployment).items() if k not in skipped}
        return self.client.create(
            REPLICA_SETS,
            {
                "metadata": {
                    "name": f"{name_of(deployment)}-{suffix}",
                    "namespace": namespace_of(deployment),
                    "labels": labels,
                    "annotations": {**copied, REVISION: str(revision)},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"], HASH: suffix}},
                    "template": template,
                },
            },
        )

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        replicas = _replicas(deployment)
        rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        surge = share(rolling.get("maxSurge"), replicas, up=True)
        unavailable = share(rolling.get("maxUnavailable"), replicas, up=False)
        sizes = [(_replicas(one), _ready(one)) for one in old]
        grown, cut = rollout(replicas, surge, unavailable, _replicas(new), sizes, _ready(new))
        for one, size in zip([new, *old], [grown, *cut], strict=True):
            if _replicas(one) != size:
                self.client.change(REPLICA_SETS, one, spec={**one["spec"], "replicas": size})

    def _report(self, deployment: Object, new: Object, old: list[Object]) -> None:
        sets, replicas = [new, *old], _replicas(deployment)
        total = sum(int(status_of(one).get("replicas") or 0) for one in sets)
        ready = sum(_ready(one) for one in sets)
        unavailable = share(
            ((deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get("maxUnavailable"),
            replicas,
            up=False,
        )
        updated = int(status_of(new).get("replicas") or 0)
        counts = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(max(replicas, total) - ready, 0),
        }
        done = updated == replicas and total == replicas and ready >= replicas
        status = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            **{key: value for key, value in counts.items() if value},
            "conditions": self._conditions(deployment, ready >= replicas - unavailable, done, name_of(new)),
        }
        self.client.update_status(DEPLOYMENTS, deployment, status)

    def _conditions(self, deployment: Object, available: bool, done: bool, new: str) -> list[Object]:
        minimum = "has" if available else "does not have"
        progress = f'ReplicaSet "{new}" ' + ("has successfully progressed." if done else "is progressing.")
        wanted = [
            {
                "type": "Available",
                "status": "True" if available else "False",
                "reason": "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
                "message": f"Deployment {minimum} minimum availability.",
            },
            {
                "type": "Progressing",
                "status": "True",
                "reason": "NewReplicaSetAvailable" if done else "ReplicaSetUpdated",
                "message": progress,
            },
        ]
        return [self._stamped(deployment, one) for one in wanted]

    def _stamped(self, deployment: Object, fresh: Object) -> Object:
        old, now = condition(deployment, fresh["type"]), self.clock.stamp()
        same = old.get("status") == fresh["status"]
        still = same and old.get("message") == fresh["message"]
        return {
            **fresh,
            "lastTransitionTime": old.get("lastTransitionTime", now) if same else now,
            "lastUpdateTime": old.get("lastUpdateTime", now) if still else now,
        }

    def _prune(self, deployment: Object, old: list[Object]) -> None:
        limit = deployment["spec"].get("revisionHistoryLimit")
        empty = [one for one in old if not _replicas(one) and not status_of(one).get("replicas")]
        for one in empty[: max(len(empty) - (10 if limit is None else int(limit)), 0)]:
            self.client.delete(REPLICA_SETS, namespace_of(one), name_of(one))

    # ------------------------------------------------------------------ ReplicaSets

    def replica_set(self, namespace: str, name: str) -> None:
        """Create and delete pods until there are as many as wanted."""
        found = self.client.get(REPLICA_SETS, namespace, name)
        if found is None:
            return
        pods = [one for one in self.client.list("pods", namespace) if owned_by(one, found)]
        living = [one for one in pods if not one["metadata"].get("deletionTimestamp")]
        wanted = _replicas(found)
        for _ in range(wanted - len(living)):
            self.client.create("pods", _new_pod(found))
        surplus = sorted(living, key=lambda one: (is_true(one, "Ready"), -_age(one)))[: max(len(living) - wanted, 0)]
        for pod in surplus:
            self.client.delete("pods", namespace, name_of(pod))
        ready = sum(is_true(one, "Ready") for one in living if one not in surplus)
        status = {
            "replicas": min(len(living), wanted),
            "fullyLabeledReplicas": min(len(living), wanted),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": found["metadata"].get("generation", 1),
        }
        shown = {key: value for key, value in status.items() if value or key == "replicas"}
        self.client.update_status(REPLICA_SETS, found, shown)

    # ------------------------------------------------------------------ endpoints

    def service(self, namespace: str, name: str) -> None:
        """The EndpointSlice of a Service with a selector, or of the Endpoints somebody wrote for one without."""
        service = self.client.get("services", namespace, name)
        if service is None or service["spec"].get("type") == "ExternalName":
            return
        selector = service["spec"].get("selector")
        if not selector:
            return
        pods = [
            one
            for one in self.client.list("pods", namespace)
            if matches(selector, labels_of(one)) and (one.get("status") or {}).get("podIP")
        ]
        ports = [
            {"name": port.get("name", ""), "port": _target(port, pods), "protocol": port.get("protocol", "TCP")}
            for port in service["spec"].get("ports") or []
        ]
        slices = [one for one in self.client.list(SLICES, namespace) if owned_by(one, service)]
        endpoints = sorted((_endpoint(pod) for pod in pods), key=lambda one: str(one["addresses"]))
        if not slices:
            self.client.create(SLICES, _new_slice(service, endpoints, ports))
        else:
            self.client.change(SLICES, slices[0], endpoints=endpoints, ports=ports)


def _new_slice(service: Object, endpoints: list[Object], ports: list[Object]) -> Object:
    managed = "endpointslice-controller.k8s.io"
    return {
        "metadata": {
            "generateName": f"{name_of(service)}-",
            "namespace": namespace_of(service),
            "labels": {
                **labels_of(service),
                "endpointslice.kubernetes.io/managed-by": managed,
                "kubernetes.io/service-name": name_of(service),
            },
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }


def _endpoint(pod: Object) -> Object:
    ready, ending = is_true(pod, "Ready"), bool(pod["metadata"].get("deletionTimestamp"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not ending, "serving": ready, "terminating": ending},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": name_of(pod),
            "namespace": namespace_of(pod),
            "uid": pod["metadata"]["uid"],
        },
    }


def _target(port: Object, pods: list[Object]) -> int:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = (
        given["containerPort"]
        for pod in pods
        for container in pod["spec"]["containers"]
        for given in container.get("ports") or []
        if given.get("name") == target
    )
    return next(named, int(port["port"]))


def _new_pod(owner: Object) -> Object:
    template = clone(owner["spec"]["template"])
    prefix = f"{name_of(owner)}-"
    metadata = template.get("metadata") or {}
    suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return {
        "metadata": {
            "name": prefix + suffix,
            "generateName": prefix,
            "namespace": namespace_of(owner),
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }


def _replicas(obj: Object) -> int:
    given = obj["spec"].get("replicas")
    return 1 if given is None else int(given)


def _ready(obj: Object) -> int:
    return int(status_of(obj).get("readyReplicas") or 0)


def _revision(obj: Object) -> int:
    return int(annotations_of(obj).get(REVISION, "0"))


def _age(pod: Object) -> float:
    return -float(int(pod["metadata"].get("resourceVersion", "0")))
