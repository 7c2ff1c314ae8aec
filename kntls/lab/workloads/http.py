"""Just enough HTTP/1.1 for the lab's data plane: keep-alive servers and a client with a connection pool."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

LIMIT = 1 << 20
CONNECT_TIMEOUT = 5.0
HANG_UP_CHECK = 0.03
"""Seconds between two looks at whether a waiting client is still there."""
Address = tuple[str, int]


@dataclass(frozen=True)
class Request:
    """One request; header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    server_name: str = ""
    """The SNI of the connection it came on, if that was TLS."""

    @property
    def host(self) -> str:
        """The host asked for, without a port, lower-case."""
        return self.headers.get("host", "").split(":")[0].lower()


@dataclass(frozen=True)
class Response:
    """One response; header names are lower-case."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Broken(Exception):
    """The peer closed or sent something that is not HTTP."""


Handler = Callable[[Request], Awaitable[Response]]


async def _head(reader: asyncio.StreamReader) -> list[str] | None:
    try:
        text = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Broken("closed in the middle of a message") from error
        return None
    except (asyncio.LimitOverrunError, ConnectionError, ssl.SSLError) as error:
        raise Broken(str(error)) from error
    return text.decode("latin-1").split("\r\n")[:-2]


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    try:
        length = int(headers.get("content-length") or 0)
        return await reader.readexactly(min(length, LIMIT)) if length else b""
    except (ValueError, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
        raise Broken(f"body cut short: {error}") from error


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    try:
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        while (await reader.readline()).strip():
            pass
    except (ValueError, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
        raise Broken(f"body cut short: {error}") from error
    return b"".join(parts)


def _write(writer: asyncio.StreamWriter, first: str, headers: dict[str, str], body: bytes) -> None:
    skipped = ("content-length", "transfer-encoding")
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if name not in skipped)]
    writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body)


class Connection:
    """One accepted connection; `closing` ends it with its next response."""

    def __init__(self, writer: asyncio.StreamWriter, server_name: str) -> None:
        self.writer, self.server_name = writer, server_name
        self.closing = False


class Server:
    """A listener on one address; `context` None is plain HTTP."""

    def __init__(self, address: Address, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.address, self.handler, self.context = address, handler, context
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        extra: dict[str, Any] = {"ssl_handshake_timeout": 10.0} if self.context else {}
        self._server = await asyncio.start_server(
            self._serve, *self.address, ssl=self.context, limit=LIMIT, backlog=512, reuse_address=True, **extra
        )

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secured = writer.get_extra_info("ssl_object")
        connection = Connection(writer, getattr(secured, "lab_server_name", "") if secured else "")
        self.connections.add(connection)
        try:
            while await self._one(reader, connection):
                pass
        except (Broken, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.connections.discard(connection)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, connection: Connection) -> bool:
        lines = await _head(reader)
        if not lines:
            return False
        parts = lines[0].split(" ")
        if len(parts) != 3:
            raise Broken("not a request line")
        headers = _headers(lines[1:])
        body = await _body(reader, headers)
        request = Request(parts[0], parts[1], headers, body, connection.server_name)
        response = await self._answer(reader, request)
        last = connection.closing or headers.get("connection", "").lower() == "close"
        extra = {"connection": "close"} if last else {}
        _write(connection.writer, f"HTTP/1.1 {response.status} .", {**response.headers, **extra}, response.body)
        await connection.writer.drain()
        return not last

    async def _answer(self, reader: asyncio.StreamReader, request: Request) -> Response:
        """The handler's response; a client that hangs up meanwhile ends the work on its request, here and behind."""
        work = asyncio.ensure_future(self.handler(request))
        while True:
            done, _ = await asyncio.wait({work}, timeout=HANG_UP_CHECK)
            if done:
                return work.result()
            if reader.at_eof():
                work.cancel()
                raise Broken("the client hung up")


Check = Callable[[ssl.SSLObject], str]
"""Looks at an established TLS connection and says what is wrong with the peer; empty is fine."""


class Pool:
    """Connections to one address: an idle one is used again, a new one opened with the context of its moment."""

    def __init__(
        self,
        address: Address,
        context: Callable[[], ssl.SSLContext | None],
        check: Check | None = None,
        server_name: str = "",
    ) -> None:
        self.address, self.context, self.check, self.server_name = address, context, check, server_name
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def send(self, request: Request) -> Response:
        """Send one request and wait for its response.

        Raises:
            OSError: no connection, or the handshake failed (`ssl.SSLError`).
            Broken: the peer broke off.
        """
        reader, writer, fresh = await self._connection()
        try:
            return await self._exchange(reader, writer, request)
        except asyncio.CancelledError:
            writer.close()  # nobody waits for the response any more: the connection cannot be used again
            raise
        except Broken:
            writer.close()
            if fresh:
                raise
        reader, writer = await self._open()  # an idle connection had gone stale: once more on a new one
        return await self._exchange(reader, writer, request)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bool]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer, False
            writer.close()
        return *await self._open(), True

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = self.context()
        extra: dict[str, Any] = {"ssl": context, "server_hostname": self.server_name} if context else {}
        opening = asyncio.open_connection(*self.address, limit=LIMIT, **extra)
        try:
            reader, writer = await asyncio.wait_for(opening, CONNECT_TIMEOUT)
        except TimeoutError as error:
            raise ConnectionError("connection timeout") from error
        problem = self.check(writer.get_extra_info("ssl_object")) if context and self.check else ""
        if problem:
            writer.close()
            raise ssl.SSLCertVerificationError(problem)
        return reader, writer

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> Response:
        try:
            _write(writer, f"{request.method} {request.target} HTTP/1.1", request.headers, request.body)
            await writer.drain()
        except (ConnectionError, ssl.SSLError) as error:
            raise Broken(str(error)) from error
        lines = await _head(reader)
        if not lines:
            raise Broken("closed before a response")
        headers = _headers(lines[1:])
        body = await _body(reader, headers)
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return Response(int(lines[0].split(" ")[1]), body, headers)
