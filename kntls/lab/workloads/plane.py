"""What the data plane's programs share: where revisions live, who hears of changes, Envoy's configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.faults import Faults
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, name_of, namespace_of
from kntls.lab.reading import labels_of
from kntls.lab.workloads.http import Address
from kntls.lab.workloads.network import Network

SKS_LABEL = "networking.internal.knative.dev/serverlessservice"
SERVICE_TYPE = "networking.internal.knative.dev/serviceType"
Revision = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Upstream:
    """How Envoy verifies what it connects to."""

    roots: tuple[bytes, ...]
    names: tuple[str, ...]
    """One of these DNS names must be in the peer's certificate."""


@dataclass(frozen=True)
class Cluster:
    """The addresses behind one split; `tls` None is plain HTTP."""

    endpoints: tuple[Address, ...]
    tls: Upstream | None = None


@dataclass(frozen=True)
class Split:
    """A share of the traffic of a host."""

    percent: int
    cluster: Cluster
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Virtual:
    """What happens to requests for a host."""

    splits: tuple[Split, ...]
    redirect: bool = False


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, as a listener presents it."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Snapshot:
    """Envoy's whole configuration."""

    external: Mapping[str, Virtual] = field(default_factory=dict)
    local: Mapping[str, Virtual] = field(default_factory=dict)
    external_tls: Mapping[str, Pair] = field(default_factory=dict)
    local_tls: Mapping[str, Pair] = field(default_factory=dict)


Watcher = Callable[[str, str, str], None]
"""Called on the controllers' thread with (kind, namespace, name) of something that changed."""


class Plane:
    """The shared part of one lab's data plane."""

    def __init__(self, client: Client, clock: Clock, loop: Loop, network: Network, faults: Faults) -> None:
        self.client, self.clock, self.loop, self.network, self.faults = client, clock, loop, network, faults
        self.backends: dict[Revision, tuple[str, ...]] = {}
        self.busy: dict[Revision, float] = {}
        """When each revision last had a request at its activator or queue-proxy (monotonic)."""
        self.wake: Callable[[Revision], None] = lambda _: None
        """Called when a request waits for a revision without pods."""
        self.snapshot: Snapshot | None = None
        self.gateways: list[Callable[[Snapshot], None]] = []
        self._watchers: dict[int, tuple[frozenset[str], Watcher]] = {}

    def stuck(self, component: str) -> bool:
        """Whether a component (`activator`, `queue-proxy`, `gateway`) takes up nothing new: a fault."""
        return self.faults.active("no-reload", component)

    def watch(self, owner: object, kinds: Iterable[str], watcher: Watcher) -> None:
        """Tell `watcher` of changes to these kinds until `unwatch`."""
        self._watchers[id(owner)] = (frozenset(kinds), watcher)

    def unwatch(self, owner: object) -> None:
        """No longer."""
        self._watchers.pop(id(owner), None)

    def changed(self, kind: str, obj: Object, gone: bool) -> None:
        """Pass a change on; any thread."""
        namespace, name = namespace_of(obj), name_of(obj)
        if kind == "endpointslices.discovery.k8s.io" and labels_of(obj).get(SERVICE_TYPE) == "Private":
            self._locate(obj, gone)
        for owner, (kinds, watcher) in list(self._watchers.items()):
            if kind in kinds:
                self.loop.call(("watch", owner, kind, namespace, name), lambda w=watcher: w(kind, namespace, name))  # type: ignore[misc]

    def _locate(self, obj: Object, gone: bool) -> None:
        revision = (namespace_of(obj), labels_of(obj).get(SKS_LABEL, ""))
        ready = [one["addresses"][0] for one in obj.get("endpoints") or [] if one["conditions"].get("ready")]
        self.backends[revision] = () if gone else tuple(ready)

    def touch(self, revision: Revision) -> None:
        """A request for a revision passed."""
        self.busy[revision] = time.monotonic()

    def publish(self, snapshot: Snapshot) -> None:
        """Give every running gateway a new configuration."""
        if snapshot != self.snapshot:
            self.snapshot = snapshot
            for listener in list(self.gateways):
                listener(snapshot)
