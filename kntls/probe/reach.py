"""How to reach a pod from where we are: directly where its address answers, else through the API server."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

from kntls.probe.dial import Dialer, DirectDialer

PATIENCE = 1.0
"""Seconds to wait for a direct connection before port-forward is tried."""


@dataclass
class Nearest:
    """Dials directly; once that has timed out for a pod, through the other dialer from then on."""

    direct: Dialer
    otherwise: Dialer
    _far: bool = field(default=False, init=False)

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """A connection; `ConnectionRefusedError` from the pod itself is an answer and is not tried again."""
        if not self._far:
            try:
                return self.direct.dial(namespace, pod, ip, port)
            except ConnectionRefusedError:
                raise
            except OSError:
                self._far = True
        return self.otherwise.dial(namespace, pod, ip, port)


def dialer_for(cluster: Any) -> Dialer:
    """The dialer for a cluster."""
    from kntls.probe.forward import PortForwardDialer

    return Nearest(DirectDialer(PATIENCE), PortForwardDialer(cluster.api))
