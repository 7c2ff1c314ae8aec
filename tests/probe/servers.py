"""Real servers on loopback for the tests to greet."""

from __future__ import annotations

import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from kntls.pki.create import KeyPair
from kntls.probe.dial import DirectDialer

YEAR = timedelta(days=365)
Serve = Callable[[socket.socket], None]


@contextmanager
def server(serve: Serve) -> Iterator[functools.partial[socket.socket]]:
    """A loopback server that treats one connection after the other with `serve`; gives the way to dial it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield functools.partial(DirectDialer().dial, "ns", "pod", *listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)


def _wait_for_the_end(connection: socket.socket) -> None:
    connection.recv(1)


def tls(pair: KeyPair, tmp_path: Path, *, then: Serve = _wait_for_the_end, **options: object) -> Serve:
    """Terminates TLS with that certificate and goes on with `then`."""
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    for file, text in zip(files, (pair.chain_pem(), pair.key_pem()), strict=True):
        file.write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(*files)
    for name, value in options.items():
        setattr(context, name, value)
    context.set_alpn_protocols(["h2"])

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            then(secure)

    return serve


def address(dial: functools.partial[socket.socket]) -> tuple[str, int]:
    """Host and port of a server."""
    host, port = dial.args[2:]
    return host, port
