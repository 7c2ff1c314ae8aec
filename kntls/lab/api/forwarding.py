"""`portforward`: bytes between a client's channels and a pod's ports, in the two protocols clients speak.

The official Python client uses WebSocket channels (`v4.channel.k8s.io`), kubectl SPDY streams inside a WebSocket.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping

from kntls.lab.api.spdy import Session
from kntls.lab.api.websocket import WebSocket

Dial = Callable[[int], tuple[str, int]]
"""Where a port of the pod really listens."""

Tell = Callable[[bytes], None]


def connect(address: tuple[str, int]) -> socket.socket:
    """A connection to a pod's port. Raises `OSError`."""
    connection = socket.create_connection(address, timeout=10)
    connection.settimeout(None)
    return connection


def refusal(address: tuple[str, int], error: OSError) -> bytes:
    """What a client is told when there is no connection."""
    return f"failed to connect to {address[0]}:{address[1]} inside the pod: {error.strerror or error}".encode()


def pump(connection: socket.socket, tell: Tell, end: Callable[[], None]) -> None:
    """On a thread of its own: what the pod sends goes to `tell`, its end to `end`."""

    def run() -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                tell(data)
            end()

    threading.Thread(target=run, daemon=True).start()


class Channels:
    """Two channels for each port: data, and errors. The first message on each says the port."""

    def __init__(self, stream: WebSocket, dial: Dial, ports: list[int]) -> None:
        self._stream = stream
        self._dial = dial
        self._ports = ports
        self._sockets: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Until one side closes."""
        for index, port in enumerate(self._ports):
            self._open(index, port)
        try:
            while (message := self._stream.receive()) is not None:
                target = self._sockets.get(message[0] // 2) if message else None
                if target is not None and len(message) > 1:
                    target.sendall(message[1:])
        except OSError:
            self._stream.close()
        finally:
            for connection in self._sockets.values():
                connection.close()

    def _open(self, index: int, port: int) -> None:
        data, errors = bytes([2 * index]), bytes([2 * index + 1])
        for channel in (data, errors):
            self._stream.send(channel + port.to_bytes(2, "little"))
        address = self._dial(port)
        try:
            connection = self._sockets[index] = connect(address)
        except OSError as error:
            self._stream.send(errors + refusal(address, error))
            self._stream.close()
            return
        pump(connection, lambda piece: self._stream.send(data + piece), self._stream.close)


class Streams:
    """Two SPDY streams for each connection, told apart by their `streamtype`, paired by `requestid`."""

    def __init__(self, stream: WebSocket, dial: Dial) -> None:
        self._session = Session(stream, self._opened, self._received)
        self._dial = dial
        self._errors: dict[str, int] = {}
        self._sockets: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Until the client goes."""
        try:
            self._session.run()
        finally:
            for connection in self._sockets.values():
                connection.close()

    def _opened(self, stream: int, headers: Mapping[str, str]) -> None:
        request = headers.get("requestid", "")
        if headers.get("streamtype") == "error":
            self._errors[request] = stream
            return
        errors = self._errors.pop(request, 0)
        address = self._dial(int(headers["port"]))
        try:
            connection = self._sockets[stream] = connect(address)
        except OSError as error:
            self._session.send(errors, refusal(address, error), last=True)
            self._session.reset(stream)
            return

        def end() -> None:
            self._session.send(stream, b"", last=True)
            self._session.send(errors, b"", last=True)

        pump(connection, lambda piece: self._session.send(stream, piece), end)

    def _received(self, stream: int, data: bytes, last: bool) -> None:
        connection = self._sockets.get(stream)
        if connection is None:
            return
        with contextlib.suppress(OSError):
            if data:
                connection.sendall(data)
            if last:
                connection.shutdown(socket.SHUT_WR)
