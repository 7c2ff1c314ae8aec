"""Connections to a listener as a sidecar, a gateway or a pod without one would make them, and what came back."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import sys

from kntls.mesh.authz.model import Request
from kntls.mesh.envoy.config import LOOPBACK

_TIMEOUT = 20.0
_CLIENT_PORT = 40000
_CHUNK = 65536
_BIND_ADDRESS_NO_PORT = 24
"""Linux's IP_BIND_ADDRESS_NO_PORT: a port is chosen by connection, or thousands of requests use them all up."""


class NotRunnable(Exception):
    """This machine cannot make the connection: it has no such address to call from."""


def ask(port: int, request: Request, context: ssl.SSLContext | None) -> tuple[str, str]:
    """Make the request; returns its code as the offline evaluator writes it, and the path the policies saw.

    `context` holds the client's certificate; None is plaintext. `000` is a connection closed without an answer.
    """
    try:
        with _connect(port, request, context) as connection:
            return _tcp(connection, request) if request.tcp else _http(connection, request)
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return _NOTHING[request.tcp], ""


_NOTHING = {True: "connection rejected", False: "000"}


def _connect(port: int, request: Request, context: ssl.SSLContext | None) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(_TIMEOUT)
    try:
        if sys.platform == "linux":
            connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        connection.bind((_local(request), 0))
        connection.connect((LOOPBACK, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_proxy_header(request))
        if context is not None:
            return context.wrap_socket(connection, server_hostname=request.sni or None)
    except BaseException:
        connection.close()
        raise
    return connection


def _local(request: Request) -> str:
    """The address to call from: what Envoy will see as the connection's."""
    address = request.source_ip or LOOPBACK
    if not ipaddress.ip_address(address).is_loopback:
        raise NotRunnable(f"no connection can be made from {address} on this machine")
    return address


def _proxy_header(request: Request) -> bytes:
    source = request.remote_ip or request.source_ip or LOOPBACK
    destination = request.destination_ip or LOOPBACK
    version = ipaddress.ip_address(source).version
    if ipaddress.ip_address(destination).version != version:
        raise NotRunnable(f"{source} and {destination} are of two IP versions")
    return f"PROXY TCP{version} {source} {destination} {_CLIENT_PORT} {request.port}\r\n".encode()


def _tcp(connection: socket.socket, request: Request) -> tuple[str, str]:
    connection.sendall(f"port {request.port}".encode())
    answer = connection.recv(_CHUNK).decode()
    return answer or _NOTHING[True], ""


def _http(connection: socket.socket, request: Request) -> tuple[str, str]:
    headers = {"Host": request.authority, "Connection": "close", **request.headers}
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(_CHUNK)
        if not chunk:
            return _NOTHING[False], ""
        received += chunk
    status, *rest = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    path = next((line.partition(": ")[2] for line in rest if line.lower().startswith("x-path:")), "")
    return status.split(" ")[1], path
