"""TLS handshakes that only look, and ones that really verify: what a server presents, and whether roots accept it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from kntls.errors import InputError
from kntls.pki import bundle
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Verdict, verify

Dial = Callable[[], socket.socket]
"""Opens one fresh connection."""


@dataclass(frozen=True)
class Handshake:
    """What one server did when it was greeted."""

    chain: tuple[Certificate, ...] = ()
    """As presented, leaf first; empty when there was no handshake."""
    tls_version: str = ""
    """`TLSv1.3`."""
    cipher: str = ""
    protocol: str = ""
    """The ALPN protocol that was agreed on."""
    error: str = ""
    """Why there was none: `connection refused`, `timed out`, `connection reset`, `not TLS`, `no certificate`, …"""
    verdict: Verdict | None = None
    """Whether the roots that were given accept what was presented."""


def handshake(
    dial: Dial,
    server_name: str,
    *,
    roots: Iterable[Certificate] | None = None,
    timeout: float = 5,
    alpn: Sequence[str] = (),
    at: datetime | None = None,
) -> Handshake:
    """Greet a server and take down what it presents, trusting nothing; `server_name` is the SNI (empty for none).

    With `roots`, the verdict says whether a client that trusts them and expects that name accepts it at that time
    (now). Failures to connect or to agree are in `error`; nothing is raised for them.
    """
    seen = _greet(_looking(), dial, server_name, timeout, alpn)
    if roots is None or not seen.chain:
        return seen
    leaf, *rest = seen.chain
    moment = at or datetime.now(UTC)
    return replace(seen, verdict=verify(leaf, intermediates=rest, roots=roots, at=moment, name=server_name))


def verified_handshake(
    dial: Dial, server_name: str, *, roots: Iterable[Certificate], timeout: float = 5, alpn: Sequence[str] = ()
) -> Handshake:
    """A handshake as a client makes it that trusts just these roots; OpenSSL judges, with its own strictness.

    A trusted intermediate is an anchor, as it is for Go and Envoy. The reason for a refusal is in `verdict`.
    """
    return _greet(_verifying(bundle.write(roots), bool(server_name)), dial, server_name, timeout, alpn)


def _looking() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying(roots: str, check_name: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if roots:
        context.load_verify_locations(cadata=roots)
    return context


def _greet(context: ssl.SSLContext, dial: Dial, server_name: str, timeout: float, alpn: Sequence[str]) -> Handshake:
    if alpn:
        context.set_alpn_protocols(list(alpn))
    try:
        plain = dial()
    except OSError as error:
        return Handshake(error=_reason(error))
    try:
        plain.settimeout(timeout)
        # As bytes, for names that IDNA would refuse.
        with plain, context.wrap_socket(plain, server_hostname=server_name.encode("ascii") or None) as secure:
            return _seen(secure, verified=context.verify_mode == ssl.CERT_REQUIRED)
    except ssl.SSLCertVerificationError as error:
        reason = str(error.verify_message)
        return Handshake(error=f"not accepted: {reason}", verdict=Verdict(False, reason))
    except (OSError, ValueError, InputError) as error:
        return Handshake(error=getattr(plain, "refusal", "") or _reason(error))


def _seen(secure: ssl.SSLSocket, *, verified: bool) -> Handshake:
    chain = tuple(Certificate.from_der(der) for der in _presented(secure))
    cipher = secure.cipher()
    return Handshake(
        chain,
        secure.version() or "",
        cipher[0] if cipher else "",
        secure.selected_alpn_protocol() or "",
        "" if chain else "no certificate",
        Verdict(True, chain=chain) if verified else None,
    )


def _presented(secure: ssl.SSLSocket) -> list[bytes]:
    """The chain as presented. Public from Python 3.13 on; before, only the C object below the socket has it."""
    connection: Any = secure
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    import _ssl

    certificates = connection._sslobj.get_unverified_chain() or []
    return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in certificates]


_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": "not TLS",
    "HTTP_REQUEST": "not TLS",
    "UNEXPECTED_EOF_WHILE_READING": "connection closed during the handshake",
}


def _reason(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return "timed out"
        case ConnectionResetError() | BrokenPipeError() | ssl.SSLZeroReturnError():
            return "connection reset"
        case ssl.SSLError():
            reason = error.reason or ""
            return _TLS_REASONS.get(reason, f"handshake failed: {reason.lower().replace('_', ' ') or error}")
        case InputError():
            return f"presents something else than certificates: {error.what}"
    return str(error.args[-1]) if error.args else type(error).__name__
