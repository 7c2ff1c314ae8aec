"""The lab's data plane runs here: one event loop on one thread, and one loopback address for each pod."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LOCK_PORT = 8111
"""Held on a network's first address as long as a lab uses that network, so that two labs never share one."""


class Network:
    """Addresses 127.N.x.y of one lab, N chosen among those no other lab holds; pods of a stopped one never linger."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lab-network", daemon=True)
        self._numbers = itertools.count(1)
        self._held: socket.socket | None = None
        self.number = 0

    def start(self) -> None:
        """Take a free network and begin to serve.

        Raises:
            OSError: no loopback network can be bound.
        """
        self._held = self._take()
        self._thread.start()

    def stop(self) -> None:
        """Cut everything and give the network back."""
        if self._thread.is_alive():
            self.run(self._cancel_all())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)
            self.loop.close()
        if self._held is not None:
            self._held.close()

    def new_address(self) -> str:
        """The next pod's address."""
        number = next(self._numbers)
        return f"127.{self.number}.{number // 250}.{number % 250 + 1}"

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        """Run a coroutine on the network's thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def post(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine on the network's thread without waiting."""
        asyncio.run_coroutine_threadsafe(work, self.loop)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(lambda *_: None)  # connections that break are what the lab is about
        self.loop.run_forever()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self) -> socket.socket:
        problem: OSError | None = None
        for step in range(200):
            self.number = 20 + (os.getpid() + step * 7) % 230
            holder = socket.socket()
            try:
                holder.bind((f"127.{self.number}.0.1", LOCK_PORT))
            except OSError as error:
                holder.close()
                problem = error
            else:
                holder.listen(1)
                return holder
        raise problem or OSError("no loopback network is free")
