"""An API server's port-forward, just enough of it: the WebSocket opening, and channels 0 and 1 of one port."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from contextlib import suppress

from tests.probe.servers import Serve

_CHUNK = 16384
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _head(connection: socket.socket) -> dict[str, str]:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += _exactly(connection, 1)
    first, *lines = data.decode().split("\r\n")[:-2]
    return {"": first} | {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _send(connection: socket.socket, *contents: bytes) -> None:
    """All in one go, so that over TLS they share a record."""
    lengths = [struct.pack(">BH", 126, len(c)) if len(c) > 125 else bytes([len(c)]) for c in contents]
    frames = zip(lengths, contents, strict=True)
    connection.sendall(b"".join(b"\x82" + length + content for length, content in frames))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data)) or _hung_up()
    return data


def _hung_up() -> bytes:
    raise ConnectionResetError


def _receive(connection: socket.socket) -> bytes:
    _, length = _exactly(connection, 2)
    length &= 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", _exactly(connection, 2))
    elif length == 127:
        (length,) = struct.unpack(">Q", _exactly(connection, 8))
    mask = _exactly(connection, 4)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(_exactly(connection, length)))


def port_forward(target: tuple[str, int] | None, seen: list[dict[str, str]], status: str = "") -> Serve:
    """Forwards to `target`, or tells that nobody listens; `seen` gets each request's headers, "" being its first line.

    With `status` (`403 Forbidden`) it refuses to begin with.
    """

    def serve(connection: socket.socket) -> None:
        asked = _head(connection)
        seen.append(asked)
        if status:
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        key = base64.b64encode(hashlib.sha1(asked["sec-websocket-key"].encode() + _MAGIC).digest()).decode()
        answer = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n"
        protocol = f"Sec-WebSocket-Protocol: {asked['sec-websocket-protocol']}\r\n"
        connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{answer}{protocol}\r\n".encode())
        port = int(asked[""].split("ports=")[1].split()[0])
        _send(connection, *(struct.pack("<BH", channel, port) for channel in (0, 1)))
        if target is None:
            _send(connection, b"\x01error forwarding port: dial tcp4 127.0.0.1: connect: connection refused")
            return
        _relay(connection, target)

    return serve


def _relay(connection: socket.socket, target: tuple[str, int]) -> None:
    with socket.create_connection(target) as pod:

        def back() -> None:
            with suppress(OSError):
                while data := pod.recv(_CHUNK):
                    _send(connection, *(b"\0" + data[start : start + 500] for start in range(0, len(data), 500)))

        threading.Thread(target=back, daemon=True).start()
        while frame := _receive(connection):
            pod.sendall(frame[1:])
