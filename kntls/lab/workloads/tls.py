"""TLS as the data plane does it: which roots a text yields for whom, contexts that change under a running listener."""

from __future__ import annotations

import hashlib
import re
import ssl
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

BLOCK = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----\r?\n(?:(?!-----).)*-----END \1-----[ \t]*(?:\r?\n|\Z)", re.S | re.M)
CERTIFICATE = b"CERTIFICATE"


def _parses(block: bytes) -> bool:
    from cryptography import x509

    try:
        x509.load_pem_x509_certificate(block)
    except ValueError:
        return False
    return True


def _blocks(text: bytes) -> list[tuple[bytes, bytes]]:
    """(type, block) of every PEM block that Go's `pem.Decode` would find; two without a newline between are none."""
    return [(found[1], found[0]) for found in BLOCK.finditer(text)]


def lenient_roots(text: bytes) -> list[bytes]:
    """What Go's `AppendCertsFromPEM` takes, as the activator does: each certificate that parses, the rest skipped."""
    return [block for kind, block in _blocks(text) if kind == CERTIFICATE and _parses(block)]


def strict_roots(text: bytes) -> list[bytes] | None:
    """What net-kourier's `checkCertBundle` takes: everything, or None if any of it is no certificate."""
    if not text:
        return []
    found = _blocks(text)
    if not found:
        return None
    end = list(BLOCK.finditer(text))[-1].end()
    if text[end:] or any(kind != CERTIFICATE or not _parses(block) for kind, block in found):
        return None
    return [block for _, block in found]


def first_block(text: bytes) -> bytes | None:
    """The first PEM block of a text, None if it holds none: all that the activator reads of `ca.crt`."""
    found = _blocks(text)
    return found[0][1] if found else None


def trusting(roots: Iterable[bytes]) -> ssl.SSLContext:
    """A client context (TLS 1.3 only) that accepts what chains to one of these certificates, self-signed or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as Go and Envoy: any trusted certificate ends a chain
    text = b"".join(root if root.endswith(b"\n") else root + b"\n" for root in dict.fromkeys(roots))
    if text:
        context.load_verify_locations(cadata=text.decode("ascii"))
    return context


@lru_cache(maxsize=512)
def serving(chain: bytes, key: bytes, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A server context that presents a certificate.

    Raises:
        ssl.SSLError: the two are no pair, or unreadable.
    """
    context = _server_context(minimum)
    with tempfile.TemporaryDirectory(prefix="kntls-lab-") as folder:
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(key + b"\n" + chain)
        context.load_cert_chain(pair)
    return context


def _server_context(minimum: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.num_tickets = 0  # every new connection is a whole handshake
    return context


Choose = Callable[[str], ssl.SSLContext | None]
"""The context for a server name ('' without SNI); None refuses the connection."""


def choosing(choose: Choose, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A listener's context that asks at every handshake which certificate to present."""
    context = _server_context(minimum)

    def pick(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        chosen = choose((name or "").lower())
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = chosen
        connection.lab_server_name = (name or "").lower()  # type: ignore[union-attr]
        return None

    context.sni_callback = pick
    return context


def names_presented(connection: ssl.SSLObject) -> set[str]:
    """The DNS names of the certificate the peer presented and that was verified."""
    found: Any = connection.getpeercert() or {}
    return {str(value) for kind, value in found.get("subjectAltName", ()) if kind == "DNS"}


def digest(*parts: bytes) -> str:
    """A short name for contents, to see whether they changed."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
