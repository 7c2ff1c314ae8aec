"""Traffic that shows a broken trust: requests to every Service that keep opening new connections behind the gateway.

A gateway and an activator pool their connections, and a pooled one hides an untrusted certificate. So beside every
counted request an *abandoned* one is sent: the client hangs up while the server still works, which makes each hop throw
its connection away, and the next counted request needs fresh ones. Counted requests overlap besides.

As a script: `python -m tests.e2e.traffic SECONDS` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.e2e import kube, pace, world

ABANDON_AFTER = 0.25
"""Seconds after which an abandoned request's client hangs up."""

REQUEST_TIMEOUT = 40.0
"""Seconds after which a request counts as failed."""


@dataclass(frozen=True)
class Gateway:
    """Where and how clients enter."""

    address: str
    port: int
    ca: str | None = None
    """Trusted CAs (PEM): speak TLS; None: plain HTTP."""
    drain: float = 15.0
    """Seconds a request may last before a changed listener may cut it."""

    def tls(self) -> ssl.SSLContext | None:
        """The client's TLS settings, None for plain HTTP."""
        return _trusting(self.ca) if self.ca else None


@functools.lru_cache(maxsize=8)
def _trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca)


@dataclass(frozen=True)
class Failure:
    """One failed request."""

    service: str
    at: float
    """Seconds since the traffic started."""
    lasted: float
    reason: str


@dataclass
class Figures:
    """What the traffic saw."""

    requests: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    long_requests: int = 0
    long_failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Counted requests to all Services."""
        return self.requests.total()

    def failed(self, service: str | None = None) -> int:
        """Failed requests, of one Service or of all."""
        return sum(service is None or failure.service == service for failure in self.failures)

    def interrupted(self, service: str | None = None) -> float:
        """Seconds between the first and the last failure, rounded up to a whole second; 0 without failures."""
        times = [f.at for f in self.failures if service is None or f.service == service]
        return int(max(times) - min(times)) + 1 if times else 0

    def summary(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        by_service = {
            name: {"requests": count, "failed": self.failed(name), "interruptedSeconds": self.interrupted(name)}
            for name, count in sorted(self.requests.items())
        }
        reasons = Counter(f.reason for f in self.failures).most_common(5)
        return {
            "requests": self.total,
            "failed": self.failed(),
            "interruptedSeconds": self.interrupted(),
            "firstFailure": min((round(f.at, 1) for f in self.failures), default=None),
            "longRequests": self.long_requests,
            "longFailed": len(self.long_failures),
            "seconds": round(self.seconds, 1),
            "services": by_service,
            "reasons": [{"reason": reason, "count": count} for reason, count in reasons],
        }


class Traffic:
    """Sends requests from its own thread between start() and stop()."""

    def __init__(
        self,
        gateway: Gateway,
        services: Sequence[world.Service] = world.WARM,
        *,
        rate: float | None = None,
        limit: int = 50_000,
        longer_than_drain_every: float = 0.0,
        trust: Callable[[], str] | None = None,
    ) -> None:
        """Send `rate` counted requests a second to each Service (the cluster's pace), at most `limit` together.

        Every `longer_than_drain_every` seconds, if positive, a request that outlasts the gateway's drain time is sent
        to each. `trust` is asked again and again, at the cluster's pace, for the CAs (PEM) to trust from then on.
        """
        self.gateway = gateway
        self.services = list(services)
        self.limit, self.long_every, self.trust = limit, longer_than_drain_every, trust
        self.rate = pace.rate() if rate is None else rate
        self.figures = Figures()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._started = 0.0

    def start(self) -> Traffic:
        """Begin; returns itself."""
        self._started = time.monotonic()
        self._thread.start()
        return self

    def stop(self) -> Figures:
        """Send nothing more, wait for the answers outstanding, and return the figures."""
        self._stop.set()
        self._thread.join(REQUEST_TIMEOUT + 10)
        self.figures.seconds = time.monotonic() - self._started
        return self.figures

    def __enter__(self) -> Traffic:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(self, service: world.Service) -> None:
        """Call one more Service from now on."""
        self.services.append(service)

    def now(self) -> float:
        """Seconds since the traffic started: the clock of every Failure."""
        return time.monotonic() - self._started

    async def _follow(self) -> None:
        while self.trust and not self._stop.is_set():
            self.gateway = replace(self.gateway, ca=await asyncio.to_thread(self.trust))
            await asyncio.to_thread(self._stop.wait, pace.follow())

    async def _run(self) -> None:
        tasks: set[asyncio.Task[None]] = {asyncio.create_task(self._follow())}
        turn, last_long = 0, self.now()
        while not self._stop.is_set() and self.figures.total < self.limit:
            services = list(self.services)
            service = services[turn % len(services)]
            turn += 1
            seconds = 0.3 + 0.7 * ((turn // len(services)) % 4) / 3
            for work in (self._abandon(service), self._count(service, seconds)):
                tasks.add(asyncio.create_task(work))
            if self.long_every and self.now() - last_long > self.long_every:
                last_long = self.now()
                tasks.update(asyncio.create_task(self._count(one, self.gateway.drain + 10)) for one in services)
            tasks = {task for task in tasks if not task.done()}
            await asyncio.sleep(1 / (self.rate * len(services)))
        await asyncio.gather(*tasks)

    async def _count(self, service: world.Service, seconds: float) -> None:
        name, started, gateway = f"{service.namespace}/{service.name}", self.now(), self.gateway
        reason = ""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                reason = await _request(gateway, service.host, seconds)
        except (OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
        lasted = self.now() - started
        failure = Failure(name, started + lasted, lasted, reason) if reason else None
        if seconds > gateway.drain:
            self.figures.long_requests += 1
            self.figures.long_failures += [failure] if failure else []
            return
        self.figures.requests[name] += 1
        self.figures.failures += [failure] if failure else []

    async def _abandon(self, service: world.Service) -> None:
        """Hang up on a request under way; whether it would have succeeded is not asked."""
        try:
            async with asyncio.timeout(ABANDON_AFTER):
                await _request(self.gateway, service.host, 5.0 * pace.speed())
        except (OSError, ssl.SSLError, TimeoutError, ValueError):
            return


async def _request(gateway: Gateway, host: str, seconds: float) -> str:
    """One request on a connection of its own: an empty string when it was answered with 200, else why not."""
    tls = gateway.tls()
    name = host if tls else None
    reader, writer = await asyncio.open_connection(gateway.address, gateway.port, ssl=tls, server_hostname=name)
    try:
        writer.write(f"GET /?sleep={seconds:.2f} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1] if head.count(b" ") >= 2 else b"no answer"
    return "" if status == b"200" else f"{status.decode()} {body[:160].decode(errors='replace').strip()}"


def gateway(ca: str | None = None) -> Gateway:
    """The cluster-local entry of the Kourier gateway: with a CA over TLS, without one in plain HTTP."""
    return Gateway(*entry("kourier-internal", 443 if ca else 80), ca, drain_seconds())


def entry(name: str, number: int) -> tuple[str, int]:
    """Address and port of a gateway's pod behind that port of a Service, so that no Service proxy is tested along."""
    service = next(s for s in kube.items("service") if s["metadata"]["name"] == name)
    port = next(p for p in service["spec"]["ports"] if p["port"] == number)
    (found, *_) = kube.items("endpointslice", service["metadata"]["namespace"], f"kubernetes.io/service-name={name}")
    return found["endpoints"][0]["addresses"][0], port["targetPort"]


def drain_seconds() -> float:
    """The gateway's drain time in seconds, read from its Deployment as Envoy gets it."""
    deployment = next(d for d in kube.items("deployment") if d["metadata"]["name"] == "3scale-kourier-gateway")
    variables = deployment["spec"]["template"]["spec"]["containers"][0].get("env", [])
    return float(next((v["value"] for v in variables if v["name"] == "DRAIN_TIME_SECONDS"), "15"))


def main(seconds: float) -> None:
    """Send traffic for so long and print what was seen."""
    traffic = Traffic(gateway()).start()
    time.sleep(seconds)
    print(json.dumps(traffic.stop().summary(), indent=1))


if __name__ == "__main__":
    main(float(sys.argv[1]))
