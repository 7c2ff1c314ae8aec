"""A Lease keeps two writers apart: the second one refuses and names the first."""

from __future__ import annotations

import getpass
import os
import socket
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from kntls.cluster.client import Cluster
from kntls.errors import Conflict, KntlsError, NotFound, Refused
from kntls.model.kinds import LEASE
from kntls.model.objects import ObjectRef, dig

NAME = "kntls"
SECONDS = 30
"""A Lease not renewed for so long is up for grabs: its holder was killed."""
FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def identity() -> str:
    """Who holds the lease: `user@host pid 123`."""
    return f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"


def is_dead(holder: str) -> bool:
    """Whether a holder was a process of this machine and user that is no more: killed, so it never let go."""
    mine, _, number = identity().rpartition(" ")
    theirs, _, other = holder.rpartition(" ")
    if theirs != mine or not other.isdigit() or other == number:
        return False
    try:
        os.kill(int(other), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """A context manager that holds the Lease and renews it from a thread."""

    def __init__(self, cluster: Cluster, namespace: str, holder: str | None = None) -> None:
        self._cluster = cluster
        self._ref = ObjectRef(LEASE, NAME, namespace)
        self._holder = holder or identity()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = ""
        """Who took the Lease while we were at it; empty while it is ours."""

    def __enter__(self) -> Lease:
        self._take()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if not self.lost:
            self._cluster.delete(self._ref)

    def _manifest(self) -> dict[str, Any]:
        metadata = {"name": NAME, "namespace": self._ref.namespace, "labels": {"app.kubernetes.io/managed-by": "kntls"}}
        stamp = _now().strftime(FORMAT)
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": SECONDS, "renewTime": stamp}
        return {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _take(self) -> None:
        try:
            self._cluster.create(self._manifest())
        except Conflict:
            self._cluster.update(self._ref, self._grab)

    def _grab(self, current: dict[str, Any]) -> dict[str, Any]:
        holder = dig(current, "spec", "holderIdentity", default="")
        renewed = dig(current, "spec", "renewTime", default="1970-01-01T00:00:00.000000Z")
        age = (_now() - datetime.strptime(renewed, FORMAT).replace(tzinfo=UTC)).total_seconds()
        fresh = age < dig(current, "spec", "leaseDurationSeconds", default=SECONDS)
        if holder not in ("", self._holder) and fresh and not is_dead(holder):
            fix = f"wait until it ends, or at most {SECONDS} s where it was killed"
            raise Refused(f"another run is at work: {holder}, seen {age:.0f} s ago", where=str(self._ref), fix=fix)
        return {**current, "spec": self._manifest()["spec"]}

    def _renew(self) -> None:
        while not self._stop.wait(SECONDS / 3):
            try:
                self._cluster.update(self._ref, self._grab)
            except NotFound:
                self._take()
            except Refused as error:
                self.lost = error.what
                return
            except KntlsError:
                continue
