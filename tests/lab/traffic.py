"""Requests through the lab's gateway that open new connections behind it all the time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from types import TracebackType

from kntls.lab.workloads.http import Broken, Pool, Request
from kntls.lab.world import World

PLAIN_PORT = 8081


class Traffic:
    """While it is entered, every service gets bursts of overlapping requests, each on its own connection."""

    def __init__(self, world: World, *hosts: str, overlap: int = 4) -> None:
        self.world, self.hosts, self.overlap = world, hosts, overlap
        self.answers: Counter[int] = Counter()
        self.reasons: list[str] = []
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def failed(self) -> int:
        """How many requests did not answer 200."""
        return sum(count for status, count in self.answers.items() if status != 200)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        while not self._stop.is_set():
            size = 1 + self.rounds % self.overlap
            await asyncio.gather(*(self._one(host) for host in self.hosts for _ in range(size)))
            self.rounds += 1
            await asyncio.sleep(0.02)

    async def _one(self, host: str) -> None:
        gateway = self.world.gateways()[0].address
        pool = Pool((gateway, PLAIN_PORT), lambda: None)
        try:
            answer = await pool.send(Request("GET", "/?sleep=0.01", {"host": host, "connection": "close"}))
        except (OSError, Broken) as error:
            self.answers[0] += 1
            self.reasons.append(str(error))
            return
        self.answers[answer.status] += 1
        if answer.status != 200:
            self.reasons.append(answer.body.decode())
