"""queue-proxy beside the user's container: plain on 8012, TLS on 8112 if its certificate was there at its start."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kntls.lab.workloads import tls
from kntls.lab.workloads.http import Request, Response, Server
from kntls.lab.workloads.kubelet import Pod
from kntls.lab.workloads.plane import Plane
from kntls.lab.workloads.program import Crash, Program

PLAIN, SECURE = 8012, 8112
VOLUME = "server-certs"
POLL_SECONDS = 60.0
"""How often it looks at its certificate's files (cmd/queue/main.go: `certPollInterval`)."""
DRAIN_SECONDS = 30.0


class QueueProxy(Program):
    """Takes requests for one pod of a revision and answers for the user's container."""

    def __init__(self, plane: Plane, pod: Pod, container: dict[str, Any]) -> None:
        super().__init__(pod, container)
        self.plane = plane
        self.drains_for = DRAIN_SECONDS
        environment = pod.environment(container)
        self.namespace = pod.namespace
        self.revision = environment.get("SERVING_REVISION", "")
        self.context: ssl.SSLContext | None = None
        self.loaded = ""
        self.servers: list[Server] = []

    def start(self) -> None:
        """Listen; from now on look at the files once a (scaled) minute."""
        self._load()
        self.servers = [Server((self.pod.address, PLAIN), self.answer)]
        if self.context is not None:
            self.say("Starting tls server main :8112")
            self.servers.append(Server((self.pod.address, SECURE), self.answer, tls.choosing(lambda _: self.context)))
        try:
            for server in self.servers:
                self.plane.network.run(server.start())
        except OSError as error:
            raise Crash(f"failed to listen: {error.strerror}") from error
        self._poll_later()
        self.ready = True

    def _poll_later(self) -> None:
        key = ("queue-proxy-poll", self.pod.uid)
        self.plane.loop.call(key, self._poll, self.plane.clock.real(POLL_SECONDS))

    def _poll(self) -> None:
        if self.pod.gone:
            return
        if not self.plane.stuck("queue-proxy"):
            self._load()
        self._poll_later()

    def _load(self) -> None:
        files = self.pod.files.get(VOLUME, {})
        chain, key = files.get("tls.crt", b""), files.get("tls.key", b"")
        fresh = tls.digest(chain, key)
        if not chain or not key or fresh == self.loaded:
            return
        try:
            self.context = tls.serving(chain, key)
            self.loaded = fresh
            self.say("Certificate and/or key have changed on disk and were reloaded.")
        except ssl.SSLError:
            return  # it logs the error and keeps what it has

    def stop(self) -> None:
        """Stop listening."""
        super().stop()
        for server in self.servers:
            self.plane.network.post(server.stop())

    async def answer(self, request: Request) -> Response:
        """Probes, or the user's container: `/?sleep=SECONDS` answers that much later, unscaled: the caller is real."""
        if request.headers.get("k-network-probe"):
            return Response(200, b"queue")
        self.plane.touch((self.namespace, self.revision))
        asked = parse_qs(urlsplit(request.target).query).get("sleep", ["0"])[0]
        seconds = float(asked) if asked.replace(".", "", 1).isdigit() else 0.0
        if seconds:
            await asyncio.sleep(seconds)
        self.plane.touch((self.namespace, self.revision))
        return Response(200, f"Hello from {self.revision}\n".encode(), {"content-type": "text/plain"})
