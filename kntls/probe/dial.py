"""What it takes to reach a pod's port, and the direct way, for where its address can be routed to."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol


class Forwarded(socket.socket):
    """A connection that goes through somebody who may say why it ended."""

    refusal: str = ""
    """Why the other side could not be reached; empty while nothing is known."""


class Dialer(Protocol):
    """Opens a connection to one port of one pod; raises `OSError` when that fails."""

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """A connected socket; who asks closes it."""
        ...


@dataclass(frozen=True)
class DirectDialer:
    """Connects to the pod's address; for use inside the cluster, or where the pod network is routed."""

    timeout: float = 5
    """Seconds to wait for the connection."""

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """A TCP connection to `ip` and `port`."""
        return socket.create_connection((ip, port), timeout=self.timeout)
