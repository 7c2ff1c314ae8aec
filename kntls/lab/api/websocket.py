"""WebSocket framing (RFC 6455), the server's side, as far as Kubernetes' streaming protocols need it."""

from __future__ import annotations

import base64
import hashlib
import struct
import threading
from io import BufferedIOBase

from kntls.lab.api.messages import Request

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def wanted(request: Request) -> tuple[str, ...]:
    """The subprotocols a client offers; empty if it asks for no WebSocket."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        return ()
    return tuple(part.strip() for part in request.headers.get("sec-websocket-protocol", "").split(",") if part.strip())


def accept(request: Request, protocol: str) -> dict[str, str]:
    """The headers of the 101 answer."""
    key = request.headers.get("sec-websocket-key", "")
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        "Sec-WebSocket-Protocol": protocol,
    }


class WebSocket:
    """Messages over an upgraded connection; sending is safe from any thread."""

    def __init__(self, reader: BufferedIOBase, writer: BufferedIOBase) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, payload: bytes, opcode: int = BINARY) -> None:
        """Send one message."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        with self._lock:
            self._writer.write(head + payload)
            self._writer.flush()

    def receive(self) -> bytes | None:
        """The next message; None once the other side has closed."""
        message = b""
        while True:
            frame = self._frame()
            if frame is None or frame[1] == CLOSE:
                return None
            final, opcode, payload = frame
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode != PONG:
                message += payload
                if final:
                    return message

    def _frame(self) -> tuple[bool, int, bytes] | None:
        head = self._reader.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._reader.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._reader.read(8))
        mask = self._reader.read(4) if head[1] & 0x80 else b"\0\0\0\0"
        payload = self._reader.read(size)
        if len(payload) < size:
            return None
        return bool(head[0] & 0x80), head[0] & 0x0F, _unmasked(payload, mask)

    def close(self, code: int = 1000) -> None:
        """Say goodbye."""
        self.send(struct.pack("!H", code), CLOSE)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if mask == b"\0\0\0\0":
        return payload
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
