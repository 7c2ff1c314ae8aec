"""Leader election: one Lease a reconciler, taken, kept and given back as knative.dev/pkg `leaderelection` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.loop import Loop, TryAgain
from kntls.lab.objects import Object, parse_time

LEASES = "leases.coordination.k8s.io"
DURATION_SECONDS = 60
RETRY_SECONDS = 10.0
"""How often a process asks for what it does not have: after another one ended, so long nobody works."""
FIRST_SECONDS = 1.0
"""How long a process takes from its start to its first question."""
SHORTEST = 0.06
"""Real seconds of that at least, for another holder to be able to take what was just given back."""
RENEW_SECONDS = 8.0
"""Real seconds between renewals, since other holders count in real seconds too."""
SERVING = "controller.knative.dev.serving.pkg.reconciler.{}.reconciler.00-of-01"
KOURIER = "net-kourier-controller.knative.dev.net-kourier.pkg.reconciler.{}.reconciler.00-of-01"
OPERATOR = "knative-operator.knative.dev.operator.pkg.reconciler.{}.reconciler.00-of-01"


def micro(moment: datetime) -> str:
    """A `metav1.MicroTime`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_free(lease: Object, now: datetime) -> bool:
    """Whether nobody holds it: no holder, or one that did not renew in time."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity"):
        return True
    if not spec.get("renewTime"):
        return True
    lasts = timedelta(seconds=int(spec.get("leaseDurationSeconds") or DURATION_SECONDS))
    return bool(parse_time(spec["renewTime"]) + lasts < now)


class Leases:
    """The Leases one process works with; `gained` is called with the reconciler's name once it has its Lease."""

    def __init__(
        self, client: Client, clock: Clock, loop: Loop, namespace: str, identity: str, gained: Callable[[str], None]
    ) -> None:
        self.client, self.clock, self.loop, self.namespace, self.identity = client, clock, loop, namespace, identity
        self.gained = gained
        self.held: set[str] = set()
        self._names: dict[str, str] = {}
        self._running = False

    def start(self, pattern: str, reconcilers: Iterable[str]) -> None:
        """Ask for these reconcilers' Leases, again and again."""
        self._names = {one: pattern.format(one) for one in reconcilers}
        self._running = True
        self.loop.call(("leases", id(self)), self._ask, max(self.clock.real(FIRST_SECONDS), SHORTEST))

    def stop(self) -> None:
        """Give back what is held, as a process does that is told to end."""
        self._running = False
        for reconciler in sorted(self.held):
            lease = self.client.get(LEASES, self.namespace, self._names[reconciler])
            if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                self._write(lease, spec)
        self.held.clear()

    def _ask(self) -> None:
        if not self._running:
            return
        for reconciler, name in self._names.items():
            self._one(reconciler, name)
        self.loop.call(("leases", id(self)), self._ask, self.clock.real(RETRY_SECONDS))

    def _one(self, reconciler: str, name: str) -> None:
        lease, now = self.client.get(LEASES, self.namespace, name), datetime.now(UTC)
        stamp = micro(now)
        taken = {"holderIdentity": self.identity, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": stamp}
        if lease is None:
            metadata = {"name": name, "namespace": self.namespace}
            spec = {**taken, "acquireTime": stamp, "leaseTransitions": 0}
            self.client.create(LEASES, {"metadata": metadata, "spec": spec})
            self._have(reconciler)
        elif lease["spec"].get("holderIdentity") == self.identity:
            if now - parse_time(lease["spec"]["renewTime"]) > timedelta(seconds=RENEW_SECONDS):
                self._write(lease, {**lease["spec"], "renewTime": stamp})
            self._have(reconciler)
        elif is_free(lease, now):
            number = int(lease["spec"].get("leaseTransitions") or 0) + 1
            if self._write(lease, {**lease["spec"], **taken, "acquireTime": stamp, "leaseTransitions": number}):
                self._have(reconciler)
        else:
            self.held.discard(reconciler)

    def _have(self, reconciler: str) -> None:
        if reconciler not in self.held:
            self.held.add(reconciler)
            self.gained(reconciler)

    def _write(self, lease: Object, spec: Object) -> bool:
        """False if somebody else was faster."""
        try:
            self.client.change(LEASES, lease, spec=spec)
        except TryAgain:
            return False
        return True
