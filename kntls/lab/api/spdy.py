"""SPDY/3.1 inside a WebSocket, as `kubectl port-forward` speaks it: the server's side, streams and nothing else.

Framing after the SPDY/3.1 draft; kubectl's client (k8s.io/client-go, tools/portforward) opens two streams for each
connection, `error` first and then `data`, both with the pod's port among their headers. It keeps no windows.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Mapping

from kntls.lab.api.websocket import WebSocket

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
"""The WebSocket subprotocol under which kubectl tunnels."""

_WORDS = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|all"
    "ow|authorization|cache-control|connection|content-base|content-encoding|content-language|content-length|conten"
    "t-location|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|if-modified-sinc"
    "e|if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|proxy-authenticate|pro"
    "xy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|vary|via|war"
    "ning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack("!I", len(word)) + word.encode() for word in _WORDS.split("|")) + _TEXT.encode()
"""What header compression starts from, fixed by the protocol."""

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 1
_CANCEL = 5

Opened = Callable[[int, Mapping[str, str]], None]
Received = Callable[[int, bytes, bool], None]


class Session:
    """One SPDY session; sending is safe from any thread."""

    def __init__(self, socket: WebSocket, opened: Opened, received: Received) -> None:
        """`opened` is told of each stream with its headers, `received` of data and whether it was the last."""
        self._socket = socket
        self._opened = opened
        self._received = received
        self._buffer = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Take frames until the other side closes."""
        while (message := self._socket.receive()) is not None:
            self._buffer += message
            while len(self._buffer) >= 8:
                size = 8 + int.from_bytes(self._buffer[5:8], "big")
                if len(self._buffer) < size:
                    break
                frame, self._buffer = self._buffer[:size], self._buffer[size:]
                if not self._take(frame):
                    return

    def _take(self, frame: bytes) -> bool:
        """Handle one frame; False ends the session."""
        word, flags, body = int.from_bytes(frame[:4], "big"), frame[4], frame[8:]
        if not word >> 31:
            self._received(word, body, bool(flags & _FIN))
            return True
        kind = word & 0xFFFF
        if kind == _SYN_STREAM:
            stream = int.from_bytes(body[:4], "big")
            headers = self._headers(body[10:])
            self._reply(stream)
            self._opened(stream, headers)
        elif kind == _RST_STREAM:
            self._received(int.from_bytes(body[:4], "big"), b"", True)
        elif kind == _PING:
            self._control(_PING, body)
        return kind != _GOAWAY

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block)
        fields, at = [], 4
        for _ in range(2 * int.from_bytes(plain[:4], "big")):
            size = int.from_bytes(plain[at : at + 4], "big")
            fields.append(plain[at + 4 : at + 4 + size].decode())
            at += 4 + size
        return {name.lower(): value for name, value in zip(fields[::2], fields[1::2], strict=True)}

    def _reply(self, stream: int) -> None:
        with self._lock:
            empty = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            self._send_control(_SYN_REPLY, struct.pack("!I", stream) + empty)

    def _control(self, kind: int, body: bytes) -> None:
        with self._lock:
            self._send_control(kind, body)

    def _send_control(self, kind: int, body: bytes) -> None:
        self._socket.send(struct.pack("!HHI", 0x8003, kind, len(body)) + body)

    def send(self, stream: int, data: bytes, *, last: bool = False) -> None:
        """Send data on a stream; `last` closes our half of it."""
        with self._lock:
            self._socket.send(struct.pack("!II", stream, (_FIN if last else 0) << 24 | len(data)) + data)

    def reset(self, stream: int) -> None:
        """End a stream at once."""
        self._control(_RST_STREAM, struct.pack("!II", stream, _CANCEL))
