"""The HTTP server: TLS on loopback, keep-alive, one thread a connection."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kntls.errors import Unreachable
from kntls.lab.api.messages import Request, Response

Handle = Callable[[Request], Response | None]
"""Answers a request; None closes the connection without an answer."""

LOOPBACK = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    """Reads requests, writes responses; the server has the function that answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = None
    server: Server

    def setup(self) -> None:
        """Shake hands on the connection's own thread, so that a slow client blocks nobody."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()

    def _serve(self) -> None:
        response = self.server.answer(self._read())
        if response is None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        elif response.takeover is not None:
            self._hand_over(response)
        elif response.stream is not None:
            self._stream(response, response.stream)
        else:
            self._answer(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _read(self) -> Request:
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True) if url.query else {}
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return Request(self.command, url.path, query, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        length = int(headers.get("content-length") or 0)
        return self.rfile.read(length) if length else b""

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _head(self, response: Response, *extra: tuple[str, str]) -> None:
        self.send_response_only(response.code)
        for name, value in (*response.headers.items(), *extra):
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, response: Response) -> None:
        payload = b"" if response.body is None else response.payload()
        self._head(response, ("Content-Type", response.content_type), ("Content-Length", str(len(payload))))
        if self.command != "HEAD":
            self.wfile.write(payload)
        self.wfile.flush()

    def _stream(self, response: Response, pieces: Iterator[bytes]) -> None:
        self._head(response, ("Content-Type", response.content_type), ("Transfer-Encoding", "chunked"))
        self.wfile.flush()
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            elif self._client_left():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _client_left(self) -> bool:
        """A client that watches sends nothing more, so anything to read is its goodbye."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def _hand_over(self, response: Response) -> None:
        self.close_connection = True
        self._head(response)
        self.wfile.flush()
        assert response.takeover is not None  # noqa: S101 - the caller looked
        response.takeover(self.rfile, self.wfile)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves on loopback until closed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, answer: Handle, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on loopback; port 0 takes a free one.

        Raises:
            Unreachable: the port is in use.
        """
        self.answer = answer
        self.stopping = threading.Event()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise Unreachable(
                f"port {port} of {LOOPBACK} cannot be used: {error.strerror}", fix="choose another with --port"
            ) from error
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://{LOOPBACK}:{self.server_port}"

    def start(self) -> None:
        """Serve on a thread of its own."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and end watches within a second."""
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no error; anything else is one, on standard error."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
