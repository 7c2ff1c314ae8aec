"""The traffic itself under test, against small servers: it must be able to fail."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from tests.e2e.traffic import Gateway, Traffic
from tests.e2e.world import Service

STEADY, BROKEN = Service("team-a", "steady"), Service("team-b", "broken")


class Answering(BaseHTTPRequestHandler):
    """200 for everybody but the broken Service."""

    def do_GET(self) -> None:
        self.send_response(503 if "broken" in self.headers["Host"] else 200)
        self.end_headers()
        self.wfile.write(b"upstream connect error")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def send(gateway: Gateway, *services: Service, longer_than_drain_every: float = 0) -> Traffic:
    sent = Traffic(gateway, services, rate=100, limit=20, longer_than_drain_every=longer_than_drain_every)
    with sent:
        while sent.figures.total < 20 and sent.now() < 20:
            time.sleep(0.05)
    return sent


def test_what_is_answered_with_200_is_no_failure(server: ThreadingHTTPServer) -> None:
    figures = send(Gateway("127.0.0.1", server.server_port), STEADY).figures
    assert figures.total >= 20
    assert figures.failures == []
    assert figures.interrupted() == 0


def test_only_the_broken_service_is_counted_as_failed(server: ThreadingHTTPServer) -> None:
    figures = send(Gateway("127.0.0.1", server.server_port), STEADY, BROKEN).figures
    assert figures.failed("team-b/broken") == figures.requests["team-b/broken"] > 0
    assert figures.failed("team-a/steady") == 0
    assert figures.failures[0].reason == "503 upstream connect error"


def test_a_gateway_that_is_not_there_fails_every_request(server: ThreadingHTTPServer) -> None:
    server.socket.close()
    figures = send(Gateway("127.0.0.1", server.server_port), STEADY).figures
    assert figures.failed() == figures.total > 0


def test_a_client_fails_where_it_does_not_trust_the_server(server: ThreadingHTTPServer) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as secured:
        context = _serving(ours)
        secured.socket = context.wrap_socket(secured.socket, server_side=True)
        threading.Thread(target=secured.serve_forever, daemon=True).start()
        trusting = send(Gateway("127.0.0.1", secured.server_port, _pem(ours)), STEADY).figures
        doubting = send(Gateway("127.0.0.1", secured.server_port, _pem(theirs)), STEADY).figures
        secured.shutdown()
    assert trusting.failures == []
    assert doubting.failed() == doubting.total > 0


def _pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def _serving(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(STEADY.host).configure_cert(context)
    return context


def test_requests_longer_than_the_drain_time_are_counted_apart(server: ThreadingHTTPServer) -> None:
    gateway = Gateway("127.0.0.1", server.server_port, drain=1.5)
    figures = send(gateway, BROKEN, longer_than_drain_every=0.1).figures
    assert figures.long_requests > 0
    assert len(figures.long_failures) == figures.long_requests
