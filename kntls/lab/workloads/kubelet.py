"""Kubelet and scheduler in one: starts pods, mounts and refreshes Secrets, restarts what crashes, drains pods."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from kntls.lab.api.pods import Finished
from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, clone, name_of, namespace_of
from kntls.lab.reading import data_of, labels_of
from kntls.lab.workloads.network import Network
from kntls.lab.workloads.program import Crash, Images, Program

log = logging.getLogger(__name__)
START_SECONDS = 1.0
SYNC_SECONDS = 60.0
"""How often a kubelet writes a changed Secret into a running pod's files."""
BACK_OFF = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
NODE = "node-1"
LOG_LINES = 200


class Pod:
    """One pod that runs."""

    def __init__(self, kubelet: Kubelet, obj: Object, address: str) -> None:
        self.kubelet = kubelet
        self.namespace, self.name = namespace_of(obj), name_of(obj)
        self.uid: str = obj["metadata"]["uid"]
        self.labels = dict(labels_of(obj))
        self.spec: Object = clone(obj["spec"])
        self.address = address
        self.files: dict[str, dict[str, bytes]] = {}
        self.programs: dict[str, Program] = {}
        self.crashes: dict[str, str] = {}
        self.restarts: dict[str, int] = {}
        self.logs: dict[str, deque[str]] = {}
        self.started = False
        self.ending = False
        self.gone = False

    @property
    def identity(self) -> str:
        """Whom a process in it says it is when it asks for a Lease."""
        return f"{self.name}_{self.uid}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What the loop knows it by."""
        return ("pod", self.namespace, self.name)

    @property
    def ready(self) -> bool:
        """Whether every container is ready."""
        wanted = len(self.spec["containers"])
        return self.started and len(self.programs) == wanted and all(one.ready for one in self.programs.values())

    def environment(self, container: Object) -> dict[str, str]:
        """The plain variables of a container, and the pod's own fields."""
        fields = {"metadata.namespace": self.namespace, "metadata.name": self.name, "status.podIP": self.address}
        out = {}
        for item in container.get("env") or []:
            path = ((item.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath", "")
            out[item["name"]] = item.get("value") or fields.get(path, "")
        return out

    def say(self, container: str, line: str) -> None:
        """Write a line into a container's log."""
        self.logs.setdefault(container, deque(maxlen=LOG_LINES)).append(line)

    def crash(self, container: str, reason: str) -> None:
        """A container died: restart it after a pause that grows."""
        program = self.programs.pop(container, None)
        if program is not None:
            program.stop()
        self.crashes[container] = reason
        self.say(container, reason)
        count = self.restarts[container] = self.restarts.get(container, 0) + 1
        pause = BACK_OFF[min(count - 1, len(BACK_OFF) - 1)]
        self.kubelet.note(self, f"Back-off restarting failed container {container}", reason)
        self.kubelet.later((*self.key, container), lambda: self.run(container), pause)
        self.kubelet.report(self)

    def run(self, container: str) -> None:
        """Start one container's program."""
        if self.gone or self.ending:
            return
        spec = next(one for one in self.spec["containers"] if one["name"] == container)
        program = self.kubelet.images.make(self, spec)
        self.programs[container] = program
        try:
            program.start()
            self.crashes.pop(container, None)
        except Crash as error:
            self.crash(container, str(error))
        self.kubelet.report(self)


class Kubelet:
    """All pods of the lab's one node."""

    def __init__(self, client: Client, clock: Clock, loop: Loop, network: Network, images: Images) -> None:
        self.client, self.clock, self.loop, self.network, self.images = (
            client.by("kubelet"),
            clock,
            loop,
            network,
            images,
        )
        self.pods: dict[str, Pod] = {}
        self.on_change: list[Callable[[Pod], None]] = []
        """Called when a pod became ready or unready, or ended."""

    def later(self, key: tuple[str, ...], action: Callable[[], None], seconds: float) -> None:
        """Run something in unscaled seconds."""
        self.loop.call(key, action, self.clock.real(seconds))

    def note(self, pod: Pod, reason: str, message: str) -> None:
        """An Event about a pod."""
        obj = self.client.get("pods", pod.namespace, pod.name)
        if obj is not None:
            self.client.record(obj, "BackOff" if "Back-off" in reason else reason, f"{reason}: {message}", warning=True)

    def changed(self, kind: str, obj: Object, gone: bool = False) -> None:
        """A pod came, changed or went; a Secret that pods mount changed."""
        if kind == "pods":
            uid = obj["metadata"]["uid"]
            if gone:
                self.loop.call(("pod-gone", uid), lambda: self.end(uid))
            else:
                key = ("pod", namespace_of(obj), name_of(obj))
                self.loop.call(key, lambda: self.look(key[1], key[2]))
        elif kind == "secrets" and not gone:
            for pod in list(self.pods.values()):
                if pod.namespace == namespace_of(obj) and not pod.started:
                    self.loop.call(pod.key, lambda pod=pod: self.look(pod.namespace, pod.name))  # type: ignore[misc]

    def look(self, namespace: str, name: str) -> None:
        """Bring one pod to what its object says."""
        obj = self.client.get("pods", namespace, name)
        if obj is None:
            return
        uid = obj["metadata"]["uid"]
        if obj["metadata"].get("deletionTimestamp"):
            self.terminate(uid, obj)
        elif not obj["spec"].get("nodeName"):
            self.client.by("kube-scheduler").change("pods", obj, spec={**obj["spec"], "nodeName": NODE})
        elif uid not in self.pods:
            self.pods[uid] = Pod(self, obj, self.network.new_address())
            self.start(self.pods[uid])
        elif not self.pods[uid].started:
            self.start(self.pods[uid])

    def start(self, pod: Pod) -> None:
        """Mount the volumes, and run the containers a moment later; a pod whose Secret is missing waits."""
        if not self.mount(pod):
            self.report(pod)
            self.later(pod.key, lambda: self.look(pod.namespace, pod.name), 2.0)
            return
        pod.started = True
        self.later((*pod.key, "start"), lambda: self.run(pod), START_SECONDS)
        self.later((*pod.key, "sync"), lambda: self.sync(pod), SYNC_SECONDS)
        self.report(pod)

    def run(self, pod: Pod) -> None:
        """Start all containers."""
        for container in pod.spec["containers"]:
            pod.run(container["name"])

    def mount(self, pod: Pod) -> bool:
        """Read the Secrets and ConfigMaps of a pod's volumes; False if one that must be there is missing."""
        for volume in pod.spec.get("volumes") or []:
            secret = volume.get("secret")
            if not secret:
                continue
            found = self.client.get("secrets", pod.namespace, secret["secretName"])
            if found is None and not secret.get("optional"):
                return False
            pod.files[volume["name"]] = data_of(found)
        return True

    def sync(self, pod: Pod) -> None:
        """The periodic refresh of mounted Secrets."""
        if pod.gone:
            return
        before = dict(pod.files)
        self.mount(pod)
        if pod.files != before:
            for program in list(pod.programs.values()):
                program.files_changed()
        self.later((*pod.key, "sync"), lambda: self.sync(pod), SYNC_SECONDS)

    def terminate(self, uid: str, obj: Object) -> None:
        """Tell the programs to end; the pod goes when the last of them has drained or its grace is over."""
        pod = self.pods.get(uid)
        if pod is None:
            self.client.delete("pods", namespace_of(obj), name_of(obj), now=True)
            return
        if pod.ending:
            return
        pod.ending = True
        for program in pod.programs.values():
            program.drain()
        self.report(pod)
        grace = float(obj["metadata"].get("deletionGracePeriodSeconds") or 0)
        drain = max((one.drains_for for one in pod.programs.values()), default=0.0)
        lasts = self.clock.drain(drain) if drain and grace else 0.0
        self.loop.call((*pod.key, "end"), lambda: self.end(uid), min(lasts, grace))

    def end(self, uid: str) -> None:
        """Stop a pod's programs and remove its object."""
        pod = self.pods.pop(uid, None)
        if pod is None:
            return
        pod.gone = True
        for program in pod.programs.values():
            program.stop()
        for listener in self.on_change:
            listener(pod)
        found = self.client.get("pods", pod.namespace, pod.name)
        if found is not None and found["metadata"]["uid"] == uid:
            self.client.delete("pods", pod.namespace, pod.name, now=True)

    def close(self) -> None:
        """Stop every program, leaving the objects."""
        for pod in self.pods.values():
            pod.gone = True
            for program in pod.programs.values():
                program.stop()
        self.pods.clear()

    def report(self, pod: Pod) -> None:
        """Write a pod's status."""
        obj = self.client.get("pods", pod.namespace, pod.name)
        if obj is None or obj["metadata"]["uid"] != pod.uid:
            return
        stamp = self.clock.stamp()
        before = obj.get("status") or {}
        status = {
            "phase": "Running" if pod.started else "Pending",
            "conditions": _conditions(pod, before.get("conditions") or [], stamp),
            "containerStatuses": [_container(pod, spec, stamp, before) for spec in pod.spec["containers"]],
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": pod.address,
            "podIPs": [{"ip": pod.address}],
            "qosClass": "Burstable",
            "startTime": before.get("startTime", stamp),
        }
        self.client.update_status("pods", obj, status)
        for listener in self.on_change:
            listener(pod)

    # ------------------------------------------------------------------ what the API server asks a kubelet

    def log(self, pod: Object, container: str) -> str:
        """A container's log so far."""
        running = self.pods.get(pod["metadata"]["uid"])
        lines = running.logs.get(container, ()) if running else ()
        return "".join(f"{line}\n" for line in lines)

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        """Where a pod's port listens: on the pod's own loopback address."""
        return str((pod.get("status") or {}).get("podIP") or "127.0.0.1"), port

    def execute(self, pod: Object, container: str, command: Sequence[str]) -> Finished:
        """There are no processes in the lab's pods."""
        return Finished(stderr=f"{command[0]}: no processes in a lab's pod\n".encode(), code=127)


def _conditions(pod: Pod, before: list[Object], stamp: str) -> list[Object]:
    ready = "True" if pod.ready else "False"
    started = "True" if pod.started else "False"
    wanted = {"PodReadyToStartContainers": started, "Initialized": "True", "Ready": ready, "ContainersReady": ready}
    out = []
    for kind, status in {**wanted, "PodScheduled": "True"}.items():
        old = next((one for one in before if one["type"] == kind and one["status"] == status), None)
        since = old["lastTransitionTime"] if old else stamp
        why = {"reason": "ContainersNotReady", "message": "containers with unready status"}
        extra = why if kind in ("Ready", "ContainersReady") and status == "False" else {}
        out.append({"type": kind, "status": status, "lastTransitionTime": since, **extra})
    return out


def _container(pod: Pod, spec: Object, stamp: str, before: Object) -> Object:
    name = spec["name"]
    program = pod.programs.get(name)
    old: Object = next((one for one in before.get("containerStatuses") or [] if one["name"] == name), {})
    since = ((old.get("state") or {}).get("running") or {}).get("startedAt", stamp)
    if program is not None:
        state: Object = {"running": {"startedAt": since}}
    elif name in pod.crashes:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off restarting: {pod.crashes[name]}"}}
    else:
        state = {"waiting": {"reason": "ContainerCreating"}}
    image = spec.get("image", "")
    return {
        "name": name,
        "image": image,
        "imageID": image,
        "containerID": f"lab://{pod.uid}/{name}" if program else "",
        "ready": program is not None and program.ready,
        "started": program is not None,
        "restartCount": pod.restarts.get(name, 0),
        "state": state,
        "lastState": {},
    }
