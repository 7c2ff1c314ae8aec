"""What servers present now, seen by greeting every ready pod; becomes part of the observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from kntls.cluster.client import Cluster
from kntls.errors import NotInstalled
from kntls.knative.installation import detect
from kntls.knative.servers import Server, servers, silent
from kntls.model.kinds import HANDSHAKES
from kntls.model.observation import Observation, Presented, Unread
from kntls.probe.dial import Dialer
from kntls.probe.handshake import handshake

TIMEOUT = 5.0
"""Seconds for one handshake."""


def greet(server: Server, dialer: Dialer) -> Presented:
    """One handshake with one listener of one pod, trusting nothing."""
    seen = handshake(
        lambda: dialer.dial(server.pod.namespace, server.pod.name, server.ip, server.port),
        server.server_name,
        timeout=TIMEOUT,
    )
    chain = tuple(certificate.der for certificate in seen.chain)
    address = f"{server.ip}:{server.port}"
    return Presented(server.pod, server.role, address, server.server_name, chain, seen.error)


def sense(dialer: Callable[[Cluster], Dialer], workers: int = 16) -> Callable[[Cluster, Observation], Observation]:
    """A sense for `kntls.observe`: fills `presented` with a handshake per listener, those that should not be there
    only where they answer."""

    def look(cluster: Cluster, observation: Observation) -> Observation:
        try:
            place = detect(observation)
        except NotInstalled:
            return observation
        wanted, quiet = servers(observation, place), silent(observation, place)
        reach = dialer(cluster)
        with ThreadPoolExecutor(workers) as pool:
            seen = tuple(pool.map(lambda server: greet(server, reach), (*wanted, *quiet)))
        shown = (*seen[: len(wanted)], *(entry for entry in seen[len(wanted) :] if entry.chain or entry.denied))
        others = tuple(entry for entry in observation.unread if not entry.what.startswith(HANDSHAKES.resource))
        return replace(observation, presented=shown, unread=(*others, *_denied(shown)))

    return look


def _denied(shown: tuple[Presented, ...]) -> Iterator[Unread]:
    """What could not be greeted for lack of permission: everything, or the servers of some namespaces."""
    denied = {entry.server.namespace: entry.error for entry in shown if entry.denied}
    if denied and all(entry.denied for entry in shown):
        yield Unread(HANDSHAKES.resource, next(iter(denied.values())))
    else:
        yield from (Unread(f"{HANDSHAKES.resource} in {space}", why) for space, why in sorted(denied.items()))
