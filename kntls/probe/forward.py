"""Reaching a pod's port through the API server, as `kubectl port-forward` does, one WebSocket a connection.

Channel 0 carries data and channel 1 the reason of a failure; each opens with a frame that repeats the port
(k8s.io/kubelet: pkg/cri/streaming/portforward/websocket.go).
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from kntls.probe.dial import Forwarded

PROTOCOL = "v4.channel.k8s.io"
_DATA, _FAILURE = 0, 1
_CHUNK = 65536


@dataclass(frozen=True)
class PortForwardDialer:
    """Connects through the API server; needs `get` on `pods/portforward`, and since Kubernetes 1.35 `create` as well.

    A WebSocket opens with a GET request, whose verb is what older API servers authorise.
    """

    api: Any
    """A `kubernetes.client.ApiClient`: its address, TLS settings and credentials are used."""
    timeout: float = 10
    """Seconds to wait for the API server."""

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """A socket that leads to `port` in the pod; `ip` is not used.

        Raises `PermissionError` without permission, `ConnectionError` when the API server or the pod is not there. A
        port on which nobody listens shows only later: as a connection that closes, with the reason in its `refusal`.
        """
        near, far = socket.socketpair()
        try:
            web = self._connect(namespace, pod, port)
        except OSError:
            near.close()
            far.close()
            raise
        there = Forwarded(far.family, far.type, far.proto, far.detach())
        threading.Thread(target=_Relay(web, near, there).run, name=f"forward {namespace}/{pod}", daemon=True).start()
        return there

    def _connect(self, namespace: str, pod: str, port: int) -> Any:
        import websocket

        configuration = self.api.configuration
        url = "ws" + configuration.host.removeprefix("http").rstrip("/")
        url += f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward?ports={port}"
        web: Any = websocket.WebSocket(sslopt=_tls_options(configuration), enable_multithread=False)
        web.settimeout(self.timeout)
        try:
            web.connect(url, subprotocols=[PROTOCOL], header=self._headers(), **_proxy(configuration, url))
        except websocket.WebSocketBadStatusException as error:
            raise _refused(error.status_code, namespace, pod) from None
        except websocket.WebSocketException as error:
            raise ConnectionError(f"port-forward to {namespace}/{pod}: {error}") from None
        return web

    def _headers(self) -> dict[str, str]:
        headers = dict(self.api.default_headers)
        self.api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return headers


def _tls_options(configuration: Any) -> dict[str, Any]:
    """The client's TLS settings, in the words of websocket-client."""
    if not configuration.verify_ssl:
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    else:
        options = {"cert_reqs": ssl.CERT_REQUIRED}
    wanted = {
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return options | {name: value for name, value in wanted.items() if value}


def _proxy(configuration: Any, url: str) -> dict[str, Any]:
    if not configuration.proxy:
        return {}
    from kubernetes.stream.ws_client import websocket_proxycare

    options: dict[str, Any] = websocket_proxycare({}, configuration, url, None)
    return options


def _refused(status: int, namespace: str, pod: str) -> OSError:
    if status in (401, 403):
        return PermissionError(f"forbidden: get and create pods/portforward in namespace {namespace}")
    reason = "no such pod" if status == 404 else f"HTTP {status}"
    return ConnectionError(f"port-forward to {namespace}/{pod}: {reason}")


@dataclass
class _Relay:
    """Carries bytes between the WebSocket and our end of a socket pair, until either closes."""

    web: Any
    near: socket.socket
    there: Forwarded
    """The other end, which whoever dialled holds."""
    opened: set[int] = field(default_factory=set)
    """Channels whose opening frame has come."""

    def run(self) -> None:
        """In a thread of its own; one for both directions, for a TLS connection does not bear two."""
        import websocket

        try:
            with self.near, selectors.DefaultSelector() as ready:
                ready.register(self.near, selectors.EVENT_READ, self._send)
                ready.register(self.web.sock, selectors.EVENT_READ, self._receive)
                while all(key.data() for key, _ in ready.select()):
                    pass
        except (OSError, websocket.WebSocketException) as error:
            self.there.refusal = self.there.refusal or f"port-forward: {error}"
        finally:
            self.web.shutdown()

    def _send(self) -> bool:
        data = self.near.recv(_CHUNK)
        if data:
            self.web.send_binary(bytes([_DATA]) + data)
        return bool(data)

    def _receive(self) -> bool:
        while True:
            _, frame = self.web.recv_data()
            if not self._take(frame):
                return False
            # What TLS has already decrypted does not show in the selector.
            if not (isinstance(self.web.sock, ssl.SSLSocket) and self.web.sock.pending()):
                return True

    def _take(self, frame: bytes) -> bool:
        if not frame or frame[0] not in (_DATA, _FAILURE):
            return False
        channel, content = frame[0], frame[1:]
        if channel not in self.opened:
            self.opened.add(channel)
        elif channel == _FAILURE:
            self.there.refusal = _told(content.decode("utf-8", "replace"))
            return False
        else:
            self.near.sendall(content)
        return True


def _told(text: str) -> str:
    return "connection refused" if "connection refused" in text.lower() else f"port-forward: {' '.join(text.split())}"
