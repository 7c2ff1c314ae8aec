"""The activator, between gateway and queue-proxy, with the trust rules and weak spots of pkg/activator."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from functools import partial
from typing import Any

from kntls.lab.knative import config
from kntls.lab.reading import data_of, labels_of
from kntls.lab.workloads import tls
from kntls.lab.workloads.http import Broken, Pool, Request, Response, Server
from kntls.lab.workloads.kubelet import Pod
from kntls.lab.workloads.plane import Plane, Revision
from kntls.lab.workloads.program import Crash, Program
from kntls.lab.workloads.queueproxy import PLAIN, SECURE

SECRET = "routing-serving-certs"  # noqa: S105 - an object's name
BUNDLE_LABEL = "networking.knative.dev/trust-bundle"
SERVER_NAME = "data-plane.knative.dev"
DRAIN_SECONDS = 45.0
PATIENCE_SECONDS = 60.0
UNKNOWN_AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


class Activator(Program):
    """One activator pod."""

    def __init__(self, plane: Plane, pod: Pod, container: dict[str, Any]) -> None:
        super().__init__(pod, container)
        self.plane = plane
        self.drains_for = DRAIN_SECONDS
        self.tls = False
        self.context: ssl.SSLContext | None = None
        self.trust = tls.trusting(())
        self.servers: list[Server] = []
        self._pools: dict[tuple[str, str], Pool] = {}
        self._turn = itertools.count()

    # ------------------------------------------------------------------ start and reload

    def start(self) -> None:
        """Read the flag once, load certificate and trust, listen."""
        try:
            self.tls = config.network(self._get("configmaps", "config-network")).system_internal_tls
        except config.BadConfig as error:
            raise Crash(f"Failed to construct network config: {error}") from error
        self.servers = [Server((self.pod.address, PLAIN), self.answer)]
        if self.tls:
            self.say("Knative system-internal-tls is enabled")
            if self._get("secrets", SECRET) is None:
                raise Crash(f'failed to get secret: secrets "{SECRET}" not found')
            self._load_pair()
            self._load_trust()
            self.servers.append(Server((self.pod.address, SECURE), self.answer, tls.choosing(lambda _: self.context)))
        try:
            for server in self.servers:
                self.plane.network.run(server.start())
        except OSError as error:
            raise Crash(f"failed to listen: {error.strerror}") from error
        if self.tls:
            self.plane.watch(self, ("secrets", "configmaps"), self._changed)
        self.ready = True

    def _get(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.plane.client.get(kind, self.pod.namespace, name)

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        if namespace != self.pod.namespace or self.pod.gone or self.plane.stuck("activator"):
            return
        try:
            if kind == "secrets" and name == SECRET:
                self._load_pair()
                self._load_trust()
            elif kind == "configmaps":
                self._load_trust()
        except Crash as error:
            self.plane.unwatch(self)
            self.pod.crash(self.container["name"], str(error))

    def _load_pair(self) -> None:
        """A pair that does not parse is warned of, and the old one kept; so is the old one of a deleted Secret."""
        data = data_of(self._get("secrets", SECRET))
        if data.get("tls.crt") and data.get("tls.key"):
            try:
                self.context = tls.serving(data["tls.crt"], data["tls.key"])
            except ssl.SSLError:
                return

    def _load_trust(self) -> None:
        """The first block of the Secret's `ca.crt`, and every certificate of the labelled ConfigMaps beside it."""
        roots = []
        text = data_of(self._get("secrets", SECRET)).get("ca.crt", b"")
        if text:
            block = tls.first_block(text)
            if block is None:
                raise Crash("panic: runtime error: invalid memory address or nil pointer dereference")
            roots += tls.lenient_roots(block)
        for bundle in self.plane.client.list("configmaps", self.pod.namespace):
            if BUNDLE_LABEL in labels_of(bundle):
                for value in (bundle.get("data") or {}).values():
                    roots += tls.lenient_roots(value.encode())
        self.trust = tls.trusting(roots)

    def stop(self) -> None:
        """Stop listening."""
        super().stop()
        self.plane.unwatch(self)
        for server in self.servers:
            self.plane.network.post(server.stop())

    # ------------------------------------------------------------------ requests

    async def answer(self, request: Request) -> Response:
        """Hold the request until the revision has a pod, then pass it on."""
        if request.headers.get("k-network-probe"):
            return Response(200, b"activator")
        headers = request.headers
        revision = (headers.get("knative-serving-namespace", ""), headers.get("knative-serving-revision", ""))
        if not all(revision):
            return Response(404, b"404 page not found")
        self.plane.touch(revision)
        address = await self._backend(revision)
        if address is None:
            return Response(503, b"activator request timeout: context deadline exceeded")
        try:
            return await self._pool(revision[0], address).send(request)
        except ssl.SSLCertVerificationError as error:
            reason = str(error) if "SAN" in str(error) else UNKNOWN_AUTHORITY
            return Response(502, reason.encode())
        except (OSError, Broken) as error:
            return Response(502, f"dial tcp {address}: {error}".encode())

    async def _backend(self, revision: Revision) -> str | None:
        end = asyncio.get_running_loop().time() + max(self.plane.clock.real(PATIENCE_SECONDS), 5.0)
        while not (found := self.plane.backends.get(revision)):
            if asyncio.get_running_loop().time() > end:
                return None
            self.plane.wake(revision)
            await asyncio.sleep(0.01)
        return found[next(self._turn) % len(found)]

    def _pool(self, namespace: str, address: str) -> Pool:
        """Connections stay open whatever happens to the trust; a new one is verified with the trust of its moment."""
        key = (namespace, address)
        if key not in self._pools:
            context = (lambda: self.trust) if self.tls else (lambda: None)
            port = SECURE if self.tls else PLAIN
            self._pools[key] = Pool((address, port), context, partial(check_server, f"kn-user-{namespace.lower()}"))
        return self._pools[key]


def check_server(user: str, connection: ssl.SSLObject) -> str:
    """What Go's verification and the activator's own check miss in a queue-proxy's names; empty if nothing."""
    names = tls.names_presented(connection)
    if SERVER_NAME not in names:
        return f"x509: SAN mismatch: certificate is valid for {', '.join(sorted(names))}, not {SERVER_NAME}"
    if user not in names:
        return f"tls: failed to verify SAN: {user} not in certificate"
    return ""
