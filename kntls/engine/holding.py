"""Holding Leases of others: taken the moment their holder lets go, renewed while needed, then given back.

A reconciler of a controller works only while its process holds that reconciler's Lease. Whoever holds it instead stops
that one reconciler and nothing else; a process that dies simply lets the Lease run out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kntls.cluster.client import Cluster
from kntls.engine.lease import FORMAT, identity, is_dead
from kntls.errors import Conflict, KntlsError, NotFound
from kntls.model.objects import ObjectRef, dig

SECONDS = 15
"""`leaseDurationSeconds` of a Lease we hold: so long after a crash its reconciler may take it back."""
RENEW = 4.0
"""Seconds between two renewals."""
TAKE = 0.03
"""Seconds between two looks at a Lease that is to be taken: between its release and the next process's try there is
less than a second."""


PREFIX = "kntls "
"""How our own holders begin, so that nobody takes them for a controller's."""


def holder() -> str:
    """The name under which this process holds Leases."""
    return f"{PREFIX}{identity()}"


class _Taken(KntlsError):
    """Somebody holds the Lease; the message is the holder."""


@dataclass
class Holding:
    """One Lease that is being taken or held, in a thread of its own."""

    cluster: Cluster
    ref: ObjectRef
    holder: str
    clock: Callable[[], float] = time.monotonic
    held: bool = field(default=False, init=False)
    lost: str = field(default="", init=False)
    """Who has the Lease though it was ours; empty while all is well."""
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _seen: tuple[str, float] = field(default=("", 0.0), init=False)
    """The record of the present holder, and since when it has not changed."""

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"hold {self.ref.name}")
        self._thread.start()

    def release(self) -> None:
        """Stop renewing, and let the next process take it at once."""
        self._stop.set()
        self._thread.join()
        if self.held and not self.lost:
            self.cluster.update(self.ref, self._give_up)

    def _run(self) -> None:
        renewed = self.clock()
        while not self._stop.wait(RENEW if self.held else TAKE):
            try:
                self.cluster.update(self.ref, self._write)
                self.held, renewed = True, self.clock()
            except _Taken as error:
                self.lost = error.what if self.held else ""
            except (NotFound, Conflict):
                continue
            except KntlsError as error:
                late = self.held and self.clock() - renewed > SECONDS
                self.lost = f"it could not be renewed: {error.what}" if late else ""
            if self.lost:
                return

    def _write(self, lease: dict[str, Any]) -> dict[str, Any]:
        holder = str(dig(lease, "spec", "holderIdentity", default=""))
        gone = is_dead(holder.removeprefix(PREFIX)) or self._has_run_out(lease)
        if holder not in ("", self.holder) and not gone:
            raise _Taken(f"{holder} took {self.ref}")
        stamp = datetime.now(UTC).strftime(FORMAT)
        spec = {**lease.get("spec", {}), "holderIdentity": self.holder, "leaseDurationSeconds": SECONDS}
        acquired = {} if holder == self.holder else {"acquireTime": stamp}
        return {**lease, "spec": {**spec, "renewTime": stamp, **acquired}}

    def _has_run_out(self, lease: dict[str, Any]) -> bool:
        """Whether its record stayed the same for the whole duration, by our own clock (client-go's rule)."""
        record = str(sorted(lease.get("spec", {}).items()))
        if record != self._seen[0]:
            self._seen = (record, self.clock())
        return self.clock() - self._seen[1] > float(dig(lease, "spec", "leaseDurationSeconds", default=SECONDS))

    def _give_up(self, lease: dict[str, Any]) -> dict[str, Any]:
        if dig(lease, "spec", "holderIdentity") != self.holder:
            return lease
        stamp = datetime.now(UTC).strftime(FORMAT)
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": stamp}
        return {**lease, "spec": spec}


@dataclass
class Holdings:
    """All Leases that one run holds."""

    cluster: Cluster
    _held: dict[ObjectRef, Holding] = field(default_factory=dict, init=False)

    def hold(self, ref: ObjectRef, holder: str) -> None:
        """Begin to take that Lease, unless that is under way already."""
        if ref not in self._held or self._held[ref].lost:
            self._held[ref] = Holding(self.cluster, ref, holder)

    def release(self, ref: ObjectRef) -> None:
        """Give that Lease back; nothing where it is not held."""
        holding = self._held.pop(ref, None)
        if holding is not None:
            holding.release()

    def release_all(self) -> None:
        """Give everything back."""
        for ref in list(self._held):
            self.release(ref)

    @property
    def lost(self) -> str:
        """Who took one of them from us; empty while all are ours."""
        return next((holding.lost for holding in self._held.values() if holding.lost), "")
