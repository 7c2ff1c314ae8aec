"""Greeting every server: what may not be greeted is told as not looked at."""

from __future__ import annotations

import socket

from kntls.model.kinds import HANDSHAKES
from kntls.trust.presented import sense
from tests.world import healthy


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
