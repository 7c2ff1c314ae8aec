"""Greeting every server: what may not be greeted is told as not looked at."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from kntls.model.kinds import HANDSHAKES
from kntls.model.observation import Presented
from kntls.trust.presented import sense
from tests.probe.servers import server, tls
from tests.world import INTERNAL, LOCAL, World, ca, healthy, leaf


class Guarded:
    """A dialer that may reach some namespaces only."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """Refuses, for one reason or the other."""
        if namespace in self.allowed:
            raise ConnectionRefusedError
        raise PermissionError(f"forbidden: get and create pods/portforward in namespace {namespace}")


def unread(*allowed: str) -> dict[str, str]:
    world = healthy()
    world.live = False
    seen = sense(lambda _: Guarded(*allowed))(None, world.observation())
    return {entry.what: entry.reason for entry in seen.unread}


def test_without_any_permission_no_handshake_was_looked_at() -> None:
    assert "forbidden" in unread()[HANDSHAKES.resource]


def test_a_namespace_without_permission_is_named() -> None:
    assert set(unread("team-a", "knative-serving", "kourier-system")) == {"handshakes in team-b"}


def test_what_refuses_was_looked_at() -> None:
    assert unread("team-a", "team-b", "knative-serving", "kourier-system") == {}


class Answering:
    """A dialer behind which one role answers with TLS, and nobody else."""

    def __init__(self, role: str, dial: Callable[[], socket.socket]) -> None:
        self.role, self._dial = role, dial

    def dial(self, namespace: str, pod: str, ip: str, port: int) -> socket.socket:
        """A connection to the TLS server for pods of that role."""
        if pod.startswith(self.role):
            return self._dial()
        raise ConnectionRefusedError


def greeted(world: World, role: str, directory: Path) -> list[Presented]:
    world.live = False
    with server(tls(leaf(("kn-routing",), ca()), directory)) as dial:
        seen = sense(lambda _: Answering(role, dial))(None, world.observation())
    return [entry for entry in seen.presented if entry.role == "activator"]


def test_an_activator_that_still_answers_with_tls_is_seen_although_it_should_not(tmp_path: Path) -> None:
    (shown,) = greeted(healthy(surfaces=(LOCAL,)), "activator", tmp_path)
    assert shown.chain == (leaf(("kn-routing",), ca()).certificate.der,)


def test_an_activator_that_is_rightly_silent_is_nothing_to_tell_of(tmp_path: Path) -> None:
    assert greeted(healthy(surfaces=(LOCAL,)), "nobody", tmp_path) == []


def test_an_activator_that_is_wrongly_silent_is_told(tmp_path: Path) -> None:
    (shown,) = greeted(healthy(surfaces=(INTERNAL,)), "nobody", tmp_path)
    assert shown.error == "connection refused"
