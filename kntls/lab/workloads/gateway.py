"""Kourier's Envoy: listeners that follow the last configuration received, and verify what they connect to."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kntls.lab.workloads import tls
from kntls.lab.workloads.http import Broken, Pool, Request, Response, Server
from kntls.lab.workloads.kubelet import Pod
from kntls.lab.workloads.plane import Cluster, Pair, Plane, Snapshot, Upstream, Virtual
from kntls.lab.workloads.program import Crash, Program

EXTERNAL, LOCAL, EXTERNAL_TLS, LOCAL_TLS = 8080, 8081, 8443, 8444
DEFAULT_DRAIN = 15.0
NO_UPSTREAM = "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
UNVERIFIED = "transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"


class Gateway(Program):
    """One gateway pod."""

    def __init__(self, plane: Plane, pod: Pod, container: dict[str, Any]) -> None:
        super().__init__(pod, container)
        self.plane = plane
        self.drain_time = float(pod.environment(container).get("DRAIN_TIME_SECONDS") or DEFAULT_DRAIN)
        self.drains_for = self.drain_time
        self.snapshot = Snapshot()
        self.servers: dict[int, Server] = {}
        self._pools: dict[tuple[tuple[str, int], Upstream | None], Pool] = {}
        self._contexts: dict[Upstream, ssl.SSLContext] = {}
        self._turn = itertools.count()

    # ------------------------------------------------------------------ configuration

    def start(self) -> None:
        """Listen in the clear at once; Ready only with a configuration."""
        try:
            for port in (EXTERNAL, LOCAL):
                self.servers[port] = Server((self.pod.address, port), partial(self.answer, port))
                self.plane.network.run(self.servers[port].start())
        except OSError as error:
            raise Crash(f"cannot bind: {error.strerror}") from error
        self.plane.gateways.append(self.receive)
        if self.plane.snapshot is not None:
            self.receive(self.plane.snapshot)

    def receive(self, snapshot: Snapshot) -> None:
        """Take a new configuration; called on the controllers' thread."""
        if self.plane.stuck("gateway"):
            return
        before, self.snapshot = self.snapshot, snapshot
        self.plane.network.run(self._adjust(before, snapshot))
        if not self.ready and not self.pod.ending:
            self.ready = True
            self.plane.loop.call((*self.pod.key, "ready"), lambda: self.pod.kubelet.report(self.pod))

    async def _adjust(self, before: Snapshot, after: Snapshot) -> None:
        await self._listener(EXTERNAL_TLS, before.external_tls, after.external_tls)
        await self._listener(LOCAL_TLS, before.local_tls, after.local_tls)
        used = {(address, cluster.tls) for cluster in _clusters(after) for address in cluster.endpoints}
        for key in [key for key in self._pools if key not in used]:
            self._pools.pop(key).close()

    async def _listener(self, port: int, before: Mapping[str, Pair], after: Mapping[str, Pair]) -> None:
        """TLS listeners exist only while there is a host for them; changed hosts are drained."""
        server = self.servers.get(port)
        if after and server is None:
            choose = partial(self._choose, port)
            server = Server(
                (self.pod.address, port), partial(self.answer, port), tls.choosing(choose, ssl.TLSVersion.TLSv1_2)
            )
            await server.start()
            self.servers[port] = server
        elif not after and server is not None:
            del self.servers[port]
            asyncio.get_running_loop().call_later(self.plane.clock.drain(self.drain_time), _stop, server)
        changed = {host for host, pair in before.items() if after.get(host) != pair}
        if server is not None and changed:
            self._drain(server, changed)

    def _drain(self, server: Server, hosts: set[str]) -> None:
        """Connections of these hosts close with their next response, at the latest after the drain time."""
        old = [one for one in server.connections if one.server_name in hosts]
        for connection in old:
            connection.closing = True

        def cut() -> None:
            for connection in old:
                connection.writer.close()

        asyncio.get_running_loop().call_later(self.plane.clock.drain(self.drain_time), cut)

    def _choose(self, port: int, name: str) -> ssl.SSLContext | None:
        pairs = self.snapshot.external_tls if port == EXTERNAL_TLS else self.snapshot.local_tls
        pair = pairs.get(name) or pairs.get("*." + name.partition(".")[2])
        if pair is None:
            return None
        try:
            return tls.serving(pair.chain, pair.key, ssl.TLSVersion.TLSv1_2)
        except ssl.SSLError:
            return None

    def stop(self) -> None:
        """Stop listening."""
        super().stop()
        if self.receive in self.plane.gateways:
            self.plane.gateways.remove(self.receive)
        for server in self.servers.values():
            self.plane.network.post(server.stop())

    # ------------------------------------------------------------------ requests

    async def answer(self, port: int, request: Request) -> Response:
        """Route by host, choose an endpoint, pass the request on."""
        if request.host == "internalkourier":
            return Response(200)
        table = self.snapshot.external if port in (EXTERNAL, EXTERNAL_TLS) else self.snapshot.local
        virtual = table.get(request.host) or table.get("*." + request.host.partition(".")[2])
        if virtual is None or not virtual.splits:
            return Response(404)
        if virtual.redirect and port in (EXTERNAL, LOCAL):
            return Response(301, headers={"location": f"https://{request.host}{request.target}"})
        split = self._split(virtual)
        headers = {**request.headers, **{name.lower(): value for name, value in split.headers}}
        headers.pop("connection", None)
        return await self._forward(split.cluster, Request(request.method, request.target, headers, request.body))

    def _split(self, virtual: Virtual) -> Any:
        turn, reached = next(self._turn) % 100, 0
        for split in virtual.splits:
            reached += split.percent
            if turn < reached:
                return split
        return virtual.splits[0]

    async def _forward(self, cluster: Cluster, request: Request) -> Response:
        if not cluster.endpoints:
            return Response(503, b"no healthy upstream")
        address = cluster.endpoints[next(self._turn) % len(cluster.endpoints)]
        try:
            return await self._pool(address, cluster.tls).send(request)
        except ssl.SSLCertVerificationError as error:
            return Response(503, f"{NO_UPSTREAM}, {UNVERIFIED}: {error.reason or error}".encode())
        except (OSError, Broken) as error:
            return Response(503, f"{NO_UPSTREAM}: {error}".encode())

    def _pool(self, address: tuple[str, int], upstream: Upstream | None) -> Pool:
        """A cluster with another trust is another cluster: its connections are new."""
        key = (address, upstream)
        if key not in self._pools:
            check: Callable[[ssl.SSLObject], str] | None = partial(check_names, upstream.names) if upstream else None
            context = self._context(upstream) if upstream else None
            self._pools[key] = Pool(address, lambda: context, check)
        return self._pools[key]

    def _context(self, upstream: Upstream) -> ssl.SSLContext:
        if upstream not in self._contexts:
            self._contexts[upstream] = tls.trusting(upstream.roots)
        return self._contexts[upstream]


def _stop(server: Server) -> None:
    asyncio.get_running_loop().create_task(server.stop())


def _clusters(snapshot: Snapshot) -> list[Cluster]:
    tables = (snapshot.external, snapshot.local)
    return [split.cluster for table in tables for virtual in table.values() for split in virtual.splits]


def check_names(names: tuple[str, ...], connection: ssl.SSLObject) -> str:
    """Envoy's exact-SAN matchers: one of the names must be there."""
    presented = tls.names_presented(connection)
    return "" if presented & set(names) else f"verify cert failed: SAN matcher ({', '.join(names)})"
