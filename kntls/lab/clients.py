"""Clients of a lab's services: each request on a connection of its own, over TLS as soon as the service offers it."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from concurrent.futures import Future
from datetime import timedelta

from kntls.lab import x509 as pki
from kntls.lab.reading import data_of, is_true, labels_of, status_of
from kntls.lab.workloads import tls
from kntls.lab.workloads.activator import BUNDLE_LABEL, Activator
from kntls.lab.workloads.gateway import LOCAL, LOCAL_TLS
from kntls.lab.workloads.http import Broken, Pool, Request
from kntls.lab.world import SERVICES, World

ROUTES = "routes.serving.knative.dev"
PAUSE = 0.04
"""Real seconds between two rounds."""


class Clients:
    """Calls every ready service again and again; trusts what the trust bundles hold at that moment."""

    def __init__(self, world: World, pause: float = PAUSE) -> None:
        self.world, self.pause = world, pause
        self.requests = 0
        self.handshakes = 0
        self.failed = 0
        self.reasons: Counter[str] = Counter()
        self._running = False
        self._schemes: dict[str, str] = {}
        self._work: Future[None] | None = None
        self._trust: tuple[str, ssl.SSLContext | None] = ("", None)

    def start(self) -> None:
        """Begin to call."""
        self._running = True
        self._work = asyncio.run_coroutine_threadsafe(self._run(), self.world.network.loop)

    def stop(self) -> None:
        """Let the calls in flight end, and call no more."""
        self._running = False
        if self._work is not None:
            self._work.result(30)

    async def _run(self) -> None:
        while self._running:
            await asyncio.gather(*(self._call(host, secure) for host, secure in self._targets()))
            await asyncio.sleep(self.pause)

    def _targets(self) -> list[tuple[str, bool]]:
        """Host and whether it is called over TLS: as the route said when it was last Ready."""
        for route in self.world.client.list(ROUTES):
            scheme, _, host = (status_of(route).get("address") or {}).get("url", "").partition("://")
            if host and is_true(route, "Ready"):
                self._schemes[host] = scheme
        return [(host, scheme == "https") for host, scheme in self._schemes.items()]

    async def _call(self, host: str, secure: bool) -> None:
        gateways = self.world.gateways()
        if not gateways:
            return
        port = LOCAL_TLS if secure else LOCAL
        pool = Pool((gateways[0].address, port), lambda: self.trust() if secure else None, server_name=host)
        self.requests += 1
        self.handshakes += secure
        try:
            answer = await pool.send(Request("GET", "/", {"host": host, "connection": "close"}))
        except (OSError, Broken) as error:
            self._fail(f"{type(error).__name__}: {error}")
            return
        if answer.status != 200:
            self._fail(f"{answer.status} {answer.body.decode(errors='replace')[:120]}")

    def _fail(self, reason: str) -> None:
        self.failed += 1
        self.reasons[reason] += 1

    def trust(self) -> ssl.SSLContext:
        """What a client accepts now: the CAs of the bundles."""
        text = "".join(
            value
            for bundle in self.world.client.list("configmaps")
            if BUNDLE_LABEL in labels_of(bundle)
            for value in (bundle.get("data") or {}).values()
        )
        if self._trust[0] != text or self._trust[1] is None:
            context = tls.trusting(tls.lenient_roots(text.encode()))
            context.check_hostname = True
            self._trust = (text, context)
        return self._trust[1]  # type: ignore[return-value]


def services(world: World) -> tuple[int, int, int]:
    """(services, how many are Ready, namespaces they lie in)."""
    found = world.client.list(SERVICES)
    return len(found), sum(is_true(one, "Ready") for one in found), len({one["metadata"]["namespace"] for one in found})


def accepted(world: World, secret: str) -> dict[str, bool]:
    """Whether activator and Envoy accept a leaf of the CA in a Secret, by a handshake with the trust each has now."""
    home = next(iter(world.pods("cert-manager", **{"app.kubernetes.io/component": "controller"}))).namespace
    chain, key = _leaf(data_of(world.client.get("secrets", home, secret)), world)
    server = tls.serving(chain, key)
    out = {}
    for pod in world.pods("knative-serving", app="activator"):
        program = pod.programs["activator"]
        if isinstance(program, Activator):
            out["activator"] = _shakes(program.trust, server)
    snapshot = world.plane.snapshot
    splits = [split for virtual in (snapshot.local.values() if snapshot else ()) for split in virtual.splits]
    roots = {split.cluster.tls.roots for split in splits if split.cluster.tls}
    if roots:
        out["gateway"] = all(_shakes(tls.trusting(one), server) for one in roots)
    return out


def _leaf(authority: dict[str, bytes], world: World) -> tuple[bytes, bytes]:
    template = pki.Template(timedelta(days=1))
    names = pki.Names("kn-user-canary", ("kn-user-canary", "data-plane.knative.dev"))
    key = pki.new_key("ECDSA")
    request = pki.load_request(pki.make_request(names, template, key))
    chain = pki.load_chain(authority["tls.crt"])
    leaf = pki.sign(request, template, world.clock.now(), pki.load_key(authority["tls.key"]), chain[0])
    return pki.single_chain(leaf, chain)[0], pki.key_pem(key)


def _shakes(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """A whole handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = [False, False]
    for _ in range(10):
        for number, end in enumerate(ends):
            try:
                end.do_handshake()
                done[number] = True
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
        if all(done):
            return True
    return False
