"""Everything that happens in a lab's cluster beside its API server: controllers, kubelet, data plane, in one object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kntls.lab.answers import ApiError
from kntls.lab.certmanager import webhook as certmanager_webhook
from kntls.lab.certmanager.controller import CertManager
from kntls.lab.client import RESOURCES, Client
from kntls.lab.clock import Clock
from kntls.lab.faults import Faults
from kntls.lab.history import Event
from kntls.lab.knative import config
from kntls.lab.knative import webhook as knative_webhook
from kntls.lab.knative.autoscaler import Autoscaler
from kntls.lab.knative.controller import KnativeController
from kntls.lab.knative.names import key_of
from kntls.lab.knative.operator import Operator
from kntls.lab.layouts import tables
from kntls.lab.layouts.worlds import Layout, installed, named
from kntls.lab.loop import Loop
from kntls.lab.objects import Object
from kntls.lab.reading import is_true, status_of
from kntls.lab.store import Admission, Store
from kntls.lab.workloads.activator import Activator
from kntls.lab.workloads.deployments import Deployments
from kntls.lab.workloads.gateway import Gateway
from kntls.lab.workloads.kourier import NetKourier
from kntls.lab.workloads.kubelet import NODE, Kubelet, Pod
from kntls.lab.workloads.network import Network
from kntls.lab.workloads.plane import Plane
from kntls.lab.workloads.program import Crash, Images, Program
from kntls.lab.workloads.queueproxy import QueueProxy

if TYPE_CHECKING:
    from kntls.lab.embedded import Lab
    from kntls.lab.twin import Twin

SHORTEST_DRAIN = 3.0
"""Real seconds; see `Clock.drain`."""
SERVICES = "services.serving.knative.dev"


class Controller(Protocol):
    """What a leader-elected program does while it leads."""

    def start(self) -> None:
        """Take the lead."""

    def stop(self) -> None:
        """Give it up."""

    def changed(self, kind: str, obj: Object) -> None:
        """Something changed."""


class Elected(Program):
    """A pod whose controllers run only while it leads."""

    def __init__(self, world: World, role: str, controller: Controller, pod: Pod, container: dict[str, Any]) -> None:
        super().__init__(pod, container)
        self.world, self.role, self.controller = world, role, controller
        self.has_leases = isinstance(controller, KnativeController | Operator)
        """Whether it elects itself, reconciler by reconciler, with Leases; otherwise the oldest pod leads."""

    def start(self) -> None:
        """Stand for election; what a process reads at its start is read now."""
        if isinstance(self.controller, KnativeController):
            try:
                self.controller.decide()
            except config.BadConfig as error:
                raise Crash(f"Failed to construct network config: {error}") from error
        self.world.stand(self)
        self.ready = True

    def stop(self) -> None:
        """Let the next one lead."""
        super().stop()
        self.world.withdraw(self)


class World:
    """One simulated cluster on a store; `start` builds the layout, `stop` ends every endpoint."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
        layout: str | Layout = "upstream",
        objects: Iterable[Object] | None = None,
        uids: Mapping[tuple[str, str, str], str] | None = None,
        patience: float = 30.0,
    ) -> None:
        """`objects` are applied at the start (the layout's and the sample services by default).

        `uids` are those that objects, by (kind.group, namespace, name), get when they are first made.

        `patience` is how many real seconds `start` waits for them to be Ready; it goes on without an error.
        """
        self.store = store
        self._uids = dict(uids or {})
        self.patience = patience
        self.clock = clock or Clock()
        self.faults = faults or Faults()
        self.layout = layout if isinstance(layout, Layout) else named(layout)
        self.objects = [*self.layout.objects(), *tables.samples()] if objects is None else list(objects)
        self.client = Client(store)
        self.loop = Loop()
        self.network = Network()
        self.plane = Plane(self.client, self.clock, self.loop, self.network, self.faults)
        self.images = Images()
        self.kubelet = Kubelet(self.client, self.clock, self.loop, self.network, self.images)
        self.deployments = Deployments(self.client, self.clock, self.loop)
        self._candidates: dict[str, list[Elected]] = {}
        self._unsubscribe: Callable[[], None] = lambda: None
        self._settled = False
        self._install_images()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Begin to simulate: apply the objects, and wait until what they ask for is Ready."""
        self.store.graceful = True
        self.store.hooks.append(self._admit)
        self._unsubscribe = self.store.subscribe(self._event)
        self.network.start()
        self.loop.start()
        self._node()
        for obj in self.objects:
            self._put_once_admitted(obj)
        self.wait_ready(self.patience)
        self._settled = True

    def stop(self) -> None:
        """End every program and give the network back; the objects stay in the store."""
        self._unsubscribe()
        if self._admit in self.store.hooks:
            self.store.hooks.remove(self._admit)
        self.loop.stop()
        self.kubelet.close()
        self.network.stop()

    def put(self, obj: Object, manager: str = "kubectl") -> Object:
        """Apply one object as an installer would; one that is there already is changed."""
        kind = next(k for k, r in RESOURCES.items() if r.kind == obj["kind"] and r.api_version == obj["apiVersion"])
        return self.client.by(manager).apply(kind, obj, force=True)

    def _put_once_admitted(self, obj: Object) -> None:
        """Apply an object; one that waits for a configuration which an operator has yet to write is tried again."""
        end = time.monotonic() + self.patience
        while True:
            try:
                self.put(obj)
            except ApiError as error:
                if "not allowed by cluster" not in error.message or time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def wait_ready(self, timeout: float = 60.0) -> bool:
        """Wait (real seconds) until every pod and every Knative Service is Ready; False if the time runs out."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.loop.settle(max(end - time.monotonic(), 0.1))
            if self._all_ready():
                return True
            time.sleep(0.02)
        return False

    def _all_ready(self) -> bool:
        if self.layout.operated and not all(
            is_true(one, "Ready") for one in self.client.list("knativeservings.operator.knative.dev")
        ):
            return False
        deployments = self.client.list("deployments.apps")
        services = self.client.list(SERVICES)
        rolled = all(
            status_of(one).get("observedGeneration") == one["metadata"].get("generation")
            and int(status_of(one).get("readyReplicas") or 0) >= int(one["spec"].get("replicas", 1))
            for one in deployments
        )
        return bool(deployments) and rolled and all(is_true(one, "Ready") for one in services)

    def _node(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        }
        made = self.client.ensure("nodes", node)
        capacity = {"cpu": "64", "memory": "256Gi", "pods": "10000"}
        status = {
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": self.clock.stamp()}
            ],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "capacity": capacity,
            "allocatable": capacity,
        }
        self.client.by("kubelet").update_status("nodes", made, status)

    # ------------------------------------------------------------------ programs

    def _install_images(self) -> None:
        rules = (
            (r"cert-manager-controller", self._cert_manager),
            (r"serving/cmd/controller\b", self._knative),
            (r"serving/cmd/activator\b", lambda pod, one: Activator(self.plane, pod, one)),
            (r"serving/cmd/autoscaler(:|@|$)", self._autoscaler),
            (r"serving/cmd/queue\b", lambda pod, one: QueueProxy(self.plane, pod, one)),
            (r"net-kourier/cmd/kourier\b", lambda pod, one: NetKourier(self.plane, pod, one)),
            (r"envoyproxy/envoy", lambda pod, one: Gateway(self.plane, pod, one)),
            (r"operator/cmd/operator\b", self._operator),
        )
        for pattern, maker in rules:
            self.images.add(pattern, maker)

    def _cert_manager(self, pod: Pod, container: dict[str, Any]) -> Program:
        home = resource_namespace(container, pod.environment(container))
        controller = CertManager(self.client, self.clock, self.loop, self.faults, home)
        return Elected(self, "cert-manager", controller, pod, container)

    def _knative(self, pod: Pod, container: dict[str, Any]) -> Program:
        gateway = f"kourier-internal.{self.layout.gateway_namespace}.svc.cluster.local"
        controller = KnativeController(self.client, self.clock, self.loop, pod.namespace, gateway, pod.identity)
        return Elected(self, "controller", controller, pod, container)

    def _autoscaler(self, pod: Pod, container: dict[str, Any]) -> Program:
        return Elected(self, "autoscaler", Autoscaler(self.plane, pod.namespace), pod, container)

    def _operator(self, pod: Pod, container: dict[str, Any]) -> Program:
        controller = Operator(
            self.client, self.clock, self.loop, lambda: installed(self.layout), pod.namespace, pod.identity
        )
        return Elected(self, "operator", controller, pod, container)

    def stand(self, candidate: Elected) -> None:
        """A pod of a role started."""
        line = self._candidates.setdefault(candidate.role, [])
        line.append(candidate)
        if candidate.has_leases or line[0] is candidate:
            candidate.controller.start()

    def withdraw(self, candidate: Elected) -> None:
        """A pod of a role ended: the next in line leads."""
        line = self._candidates.get(candidate.role, [])
        if candidate not in line:
            return
        leads = line[0] is candidate
        line.remove(candidate)
        candidate.controller.stop()
        if leads and line and not candidate.has_leases:
            line[0].controller.start()

    # ------------------------------------------------------------------ events and admission

    def _event(self, event: Event) -> None:
        """Pass a change on; under the store's lock, so only queue."""
        kind, gone = event.resource.key, event.type == "DELETED"
        if kind == "events":
            return
        self.kubelet.changed(kind, event.obj, gone)
        self.deployments.changed(kind, event.obj)
        self.plane.changed(kind, event.obj, gone)
        for line in list(self._candidates.values()):
            for candidate in line:
                candidate.controller.changed(kind, event.obj)

    def _admit(self, admission: Admission) -> None:
        if admission.resource.key == "pods" and admission.verb == "create":
            admission.obj.setdefault("status", {"phase": "Pending"})
        if admission.verb == "create" and self._uids:
            key = (f"{admission.resource.kind}.{admission.resource.group}", *key_of(admission.obj))
            admission.obj["metadata"]["uid"] = self._uids.pop(key, admission.obj["metadata"]["uid"])
        if self._settled:
            self._webhook_up(admission)
        knative_webhook.admit(admission, self.client.get("configmaps", "knative-serving", "config-autoscaler"))
        certmanager_webhook.admit(admission)

    def _webhook_up(self, admission: Admission) -> None:
        """A write that a webhook must see fails while no pod of it is ready."""
        if admission.verb == "delete":
            return
        group, kind = admission.resource.group, admission.resource.key
        if group in ("cert-manager.io", "acme.cert-manager.io"):
            needed = (
                "webhook.cert-manager.io",
                "cert-manager-webhook",
                "cert-manager",
                "app.kubernetes.io/component",
                "webhook",
            )
        elif kind.endswith(".serving.knative.dev") or kind == "certificates.networking.internal.knative.dev":
            needed = ("webhook.serving.knative.dev", "webhook", "knative-serving", "app", "webhook")
        else:
            return
        webhook, service, home, label, value = needed
        pods = list(self.kubelet.pods.values())
        if not any(pod.ready and pod.namespace == home and pod.labels.get(label) == value for pod in pods):
            path = f"https://{service}.{home}.svc:443"
            why = f'Post "{path}": no endpoints available for service "{service}"'
            message = f'Internal error occurred: failed calling webhook "{webhook}": failed to call webhook: {why}'
            raise ApiError(500, "InternalError", message)

    # ------------------------------------------------------------------ finding endpoints

    def pods(self, namespace: str, **labels: str) -> list[Pod]:
        """The running, ready pods with these labels."""
        return [
            pod
            for pod in list(self.kubelet.pods.values())
            if pod.namespace == namespace and pod.ready and all(pod.labels.get(k) == v for k, v in labels.items())
        ]

    def gateways(self) -> list[Pod]:
        """The ready pods of the gateway."""
        return self.pods(self.layout.gateway_namespace, app=tables.GATEWAY)


def part(layout: str = "upstream", speed: float = 60.0, twin: Twin | None = None) -> Callable[[Lab], World]:
    """The world as a component of a `Lab`: a layout with sample services, or a rehearsal twin.

    Raises:
        UsageError: no such layout.
    """
    chosen = twin.layout if twin else named(layout)
    objects, uids = (twin.objects, twin.uids) if twin else (None, None)

    def make(lab: Lab) -> World:
        world = World(
            lab.store, clock=Clock(speed, SHORTEST_DRAIN), faults=lab.faults, layout=chosen, objects=objects, uids=uids
        )
        lab.api.runtime = world.kubelet
        return world

    return make


def resource_namespace(container: Object, environment: dict[str, str]) -> str:
    """What cert-manager's `--cluster-resource-namespace` says; `kube-system` without it, as the binary's default."""
    prefix = "--cluster-resource-namespace="
    given = next(
        (one.removeprefix(prefix) for one in container.get("args") or [] if one.startswith(prefix)), "kube-system"
    )
    for name, value in environment.items():
        given = given.replace(f"$({name})", value)
    return given
