"""One HTTPS request that trusts nothing but the given roots."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from kntls.pki import bundle
from kntls.pki.certificate import Certificate
from kntls.probe.handshake import Dial


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int = 0
    """The HTTP status; 0 where there was none."""
    tls_version: str = ""
    error: str = ""
    """Why there was no answer."""

    @property
    def reached(self) -> bool:
        """Whether the server itself answered, whatever it thinks of the path."""
        return 0 < self.status < 500


def https_get(dial: Dial, host: str, *, roots: Iterable[Certificate], timeout: float = 10) -> Answer:
    """`GET /` for that host over a fresh connection; certificate and name are verified with these roots only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=bundle.write(roots))
    try:
        with dial() as plain:
            plain.settimeout(timeout)
            with context.wrap_socket(plain, server_hostname=host) as secure:
                secure.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
                answer = http.client.HTTPResponse(secure)
                answer.begin()
                return Answer(answer.status, secure.version() or "")
    except ssl.SSLCertVerificationError as error:
        return Answer(error=f"its certificate is not accepted: {error.verify_message}")
    except (OSError, http.client.HTTPException) as error:
        return Answer(error=str(error) or type(error).__name__)
