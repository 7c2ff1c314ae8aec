"""Real HTTPS requests that trust one CA only."""

from __future__ import annotations

import socket

import pytest

from kntls.pki.create import KeyPair, issue, new_ca
from kntls.probe.request import https_get
from tests.probe.servers import YEAR, server, tls


@pytest.fixture(scope="module")
def ca() -> KeyPair:
    return new_ca("ca1", lifetime=YEAR)


def answering(status: int):
    def answer(connection: socket.socket) -> None:
        asked = connection.recv(4096).decode()
        assert asked.startswith("GET / HTTP/1.1\r\nHost: app.ns.svc\r\n")
        connection.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


@pytest.mark.parametrize(("status", "reached"), [(200, True), (404, True), (503, False)])
def test_an_answer_of_the_server_itself_counts_whatever_it_says(tmp_path, ca, status, reached):
    leaf = issue(ca, dns=["app.ns.svc"], lifetime=YEAR)
    with server(tls(leaf, tmp_path, then=answering(status))) as dial:
        seen = https_get(dial, "app.ns.svc", roots=[ca.certificate])
    assert (seen.status, seen.reached, seen.tls_version, seen.error) == (status, reached, "TLSv1.3", "")


@pytest.mark.parametrize("names", [["app.ns.svc"], ["other.ns.svc"]], ids=["wrong ca", "wrong name"])
def test_a_certificate_that_does_not_hold_is_no_answer(tmp_path, ca, names):
    signer = new_ca("stranger", lifetime=YEAR) if names == ["app.ns.svc"] else ca
    leaf = issue(signer, dns=names, lifetime=YEAR)
    with server(tls(leaf, tmp_path, then=answering(200))) as dial:
        seen = https_get(dial, "app.ns.svc", roots=[ca.certificate])
    assert not seen.reached
    assert seen.error.startswith("its certificate is not accepted: ")


def test_a_server_that_hangs_up_is_no_answer(tmp_path, ca):
    leaf = issue(ca, dns=["app.ns.svc"], lifetime=YEAR)
    with server(tls(leaf, tmp_path, then=lambda connection: None)) as dial:
        seen = https_get(dial, "app.ns.svc", roots=[ca.certificate])
    assert not seen.reached
    assert seen.error
