"""Ask a real Envoy: the listeners of many workloads in one process, and each request made to one of them."""

from __future__ import annotations

import socketserver
import ssl
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from kntls.mesh.authz.jwt import Token
from kntls.mesh.authz.model import JwtRule, Request
from kntls.mesh.envoy.client import ask
from kntls.mesh.envoy.config import LOOPBACK, Backend, Site, bootstrap
from kntls.mesh.envoy.process import Envoy
from kntls.mesh.envoy.tokens import Issuer
from kntls.pki.create import issue, new_ca

_LIFE = timedelta(days=1)
_SERVER = "spiffe://cluster.local/ns/kntls/sa/server"


def _begin() -> datetime:
    """An hour ago: Envoy's clock stands still for some milliseconds at a time, and must not find a leaf too young."""
    return datetime.now(UTC) - timedelta(hours=1)


class _Hello(socketserver.BaseRequestHandler):
    """The TCP workload: `hello`, and what it was told."""

    def handle(self) -> None:
        """Answer once."""
        self.request.sendall(b"hello " + self.request.recv(1024))


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


class Oracle:
    """A running Envoy that enforces what is compiled for each site; a context manager."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        self._stack = ExitStack()
        self._ca, self._issuer = new_ca("kntls mesh test", lifetime=_LIFE, at=_begin()), Issuer()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def __enter__(self) -> Self:
        try:
            self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kntls-envoy-")))
            backend = self._backend(self._start_echo())
            config = bootstrap(self._sites, backend, str(self._directory))
            self._envoy = self._stack.enter_context(Envoy(config, self._directory))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, site: str, request: Request, token: Token | None = None) -> str:
        """The code of the answer: `200`, `403`, `000`, `hello port 9000`, `connection rejected`."""
        return self.ask_with_path(site, request, token)[0]

    def ask_with_path(self, site: str, request: Request, token: Token | None = None) -> tuple[str, str]:
        """The code, and the path as the policies saw it. A request without a peer goes in plaintext."""
        context = None if request.peer is None else self._context(request.peer)
        if token is not None:
            request = self._carrying(site, request, token)
        return ask(self._envoy.ports[site], request, context)

    def _carrying(self, site: str, request: Request, token: Token) -> Request:
        """The request with the token where the rule of its issuer looks for one."""
        found = next(each for each in self._sites if each.name == site)
        rules = found.engine.enforcement(found.workload).tokens
        issuer = token.get("iss") if not isinstance(token, str) else None
        rule = next((each for each in rules if each.issuer == issuer), rules[0] if rules else JwtRule(""))
        text = token if isinstance(token, str) else self._issuer.sign(token)
        if rule.headers:
            name, prefix = rule.headers[0]
            return replace(request, headers={**request.headers, name: prefix + text})
        if rule.params:
            mark = "&" if "?" in request.path else "?"
            return replace(request, path=f"{request.path}{mark}{rule.params[0]}={text}")
        return replace(request, headers={**request.headers, "cookie": f"{rule.cookies[0]}={text}"})

    def _start_echo(self) -> int:
        server = self._stack.enter_context(_EchoServer((LOOPBACK, 0), _Hello))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self._stack.callback(server.shutdown)
        return int(server.server_address[1])

    def _backend(self, echo_port: int) -> Backend:
        certificate, key = self._write("server", _SERVER)
        root = self._directory / "root.pem"
        root.write_text(self._ca.certificate.pem())
        return Backend(certificate, key, str(root), self._issuer.jwks(), echo_port)

    def _write(self, name: str, identity: str) -> tuple[str, str]:
        """A leaf as files that only this user can read; they go with the directory."""
        usage = ("serverAuth", "clientAuth")
        leaf = issue(self._ca, uris=[identity], lifetime=_LIFE, extended_key_usage=usage, at=_begin())
        paths = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        for path, content in zip(paths, (leaf.chain_pem(), leaf.key_pem()), strict=True):
            path.touch(mode=0o600)
            path.write_text(content)
        return str(paths[0]), str(paths[1])

    def _context(self, identity: str) -> ssl.SSLContext:
        if identity not in self._contexts:
            context = ssl.create_default_context(cadata=self._ca.certificate.pem())
            context.check_hostname = False  # the server is known by its SPIFFE identity
            context.set_alpn_protocols(["istio"])
            context.load_cert_chain(*self._write(f"client-{len(self._contexts)}", identity))
            self._contexts[identity] = context
        return self._contexts[identity]
