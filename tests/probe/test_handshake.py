"""Real handshakes with real servers: what is presented, what is accepted, and how failures read."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.pki.create import KeyPair, bridge, issue, new_ca
from kntls.probe.dial import DirectDialer
from kntls.probe.handshake import Handshake, handshake, verified_handshake
from tests.probe.servers import YEAR, Serve, server, tls


@pytest.fixture(scope="module")
def ca() -> KeyPair:
    return new_ca("ca1", lifetime=YEAR)


def test_the_presented_chain_is_seen_without_being_trusted(tmp_path, ca):
    middle = issue(ca, common_name="middle", is_ca=True, lifetime=YEAR)
    leaf = issue(middle, dns=["kn-routing"], lifetime=YEAR)
    with server(tls(leaf, tmp_path)) as dial:
        seen = handshake(dial, "kn-routing", alpn=["h2"])
    assert seen.chain == (leaf.certificate, middle.certificate)
    assert (seen.tls_version, seen.protocol, seen.error, seen.verdict) == ("TLSv1.3", "h2", "", None)
    assert seen.cipher


def test_given_roots_it_says_who_would_accept_what_was_presented(tmp_path, ca):
    leaf = issue(ca, dns=["kn-routing"], lifetime=YEAR)
    other = new_ca("ca1", lifetime=YEAR).certificate
    with server(tls(leaf, tmp_path)) as dial:
        good = handshake(dial, "kn-routing", roots=[ca.certificate])
        bad = handshake(dial, "kn-routing", roots=[other])
        wrong_name = handshake(dial, "kn-user-a", roots=[ca.certificate])
    assert good.verdict.ok
    assert good.verdict.root == ca.certificate
    assert "its key is not the one of the trusted" in bad.verdict.reason
    assert "not valid for kn-user-a" in wrong_name.verdict.reason
    assert bad.chain == wrong_name.chain == good.chain


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "rsa-2048", "ed25519"])
def test_a_verifying_handshake_agrees_with_the_verdict(tmp_path, key_type):
    authority = new_ca("ca", key_type=key_type, lifetime=YEAR)
    other = new_ca("other", key_type=key_type, lifetime=YEAR)
    leaf = issue(authority, dns=["kn-routing"], key_type=key_type, lifetime=YEAR)
    with server(tls(leaf, tmp_path)) as dial:
        for roots in ([authority], [other], [authority, other], []):
            trusted = [pair.certificate for pair in roots]
            for name in ("kn-routing", "kn-user-a"):
                asked = verified_handshake(dial, name, roots=trusted)
                assert asked.verdict.ok == handshake(dial, name, roots=trusted).verdict.ok
                assert asked.verdict.ok == (not asked.error)


def test_a_bridge_is_accepted_by_those_who_know_only_the_old_root(tmp_path, ca):
    new = new_ca("ca2", lifetime=YEAR)
    leaf = issue(new, dns=["kn-routing"], lifetime=YEAR)
    bridged = KeyPair(leaf.certificate, leaf.private_key, (bridge(new, ca),))
    with server(tls(bridged, tmp_path)) as dial:
        for root in (ca, new):
            assert handshake(dial, "kn-routing", roots=[root.certificate]).verdict.ok
            assert verified_handshake(dial, "kn-routing", roots=[root.certificate]).verdict.ok


def test_an_expired_leaf_is_seen_and_refused(tmp_path, ca):
    leaf = issue(ca, dns=["a"], at=ca.certificate.not_before - YEAR, lifetime=YEAR / 2)
    with server(tls(leaf, tmp_path)) as dial:
        seen = handshake(dial, "a", roots=[ca.certificate])
    assert seen.chain == (leaf.certificate,)
    assert seen.verdict.reason.startswith("expired ")


def test_a_weak_leaf_is_seen_though_openssl_would_not_have_it(tmp_path, ca):
    leaf = issue(ca, dns=["a"], key=rsa.generate_private_key(65537, 1024), lifetime=YEAR)
    with server(tls(leaf, tmp_path)) as dial:
        seen = handshake(dial, "a", roots=[ca.certificate])
        assert not verified_handshake(dial, "a", roots=[ca.certificate]).verdict.ok
    assert seen.chain == (leaf.certificate,)
    assert seen.verdict.ok


def test_an_intermediate_may_be_the_anchor_as_for_go_and_envoy(tmp_path, ca):
    middle = issue(ca, common_name="middle", is_ca=True, lifetime=YEAR)
    leaf = issue(middle, dns=["a"], lifetime=YEAR)
    with server(tls(leaf, tmp_path)) as dial:
        assert handshake(dial, "a", roots=[middle.certificate]).verdict.ok
        assert verified_handshake(dial, "a", roots=[middle.certificate]).verdict.ok


def test_tls_1_2_is_seen(tmp_path, ca):
    leaf = issue(ca, dns=["a"], lifetime=YEAR)
    with server(tls(leaf, tmp_path, maximum_version=ssl.TLSVersion.TLSv1_2)) as dial:
        assert handshake(dial, "a").tls_version == "TLSv1.2"


def test_a_long_server_name_and_none_at_all_are_sent(tmp_path, ca):
    names: list[str | None] = []
    leaf = issue(ca, dns=["a"], lifetime=YEAR)
    record = lambda _socket, name, _context: names.append(name)  # noqa: E731 - ssl wants a callable in an attribute
    label = "kn-user-" + "n" * 60
    with server(tls(leaf, tmp_path, sni_callback=record)) as dial:
        assert handshake(dial, label).chain
        assert handshake(dial, "").chain
    assert names == [label, None]


def fails(serve: Serve, name: str = "a", **options: float) -> Handshake:
    with server(serve) as dial:
        seen = handshake(dial, name, **options)
    assert not seen.chain
    return seen


def test_a_refused_connection_says_so():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    assert handshake(lambda: socket.create_connection(address), "a").error == "connection refused"


def test_a_silent_server_times_out():
    wait = threading.Event()
    assert fails(lambda _: wait.wait() and None, timeout=0.1).error == "timed out"
    wait.set()


def test_a_plain_server_is_not_tls():
    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert fails(answer).error == "not TLS"


def test_a_reset_says_so():
    def reset(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert fails(reset).error == "connection reset"


def test_a_server_that_hangs_up_says_so():
    assert fails(lambda connection: connection.recv(1024) and None).error == "connection closed during the handshake"


def test_a_server_without_certificate_is_a_failed_handshake():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def serve(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    assert "handshake failure" in fails(serve).error


@pytest.mark.parametrize("name", ["ä", ".a", "a" * 300])
def test_a_name_that_cannot_be_sent_is_an_error_and_no_traceback(name):
    assert fails(lambda connection: connection.recv(1024) and None, name=name).error


def test_a_name_that_does_not_resolve_is_an_error_and_no_traceback():
    seen = handshake(lambda: DirectDialer().dial("ns", "pod", "no such host", 443), "a")
    assert seen.error
    assert "\n" not in seen.error
