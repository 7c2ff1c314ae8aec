"""Trust bundles: what each consumer really reads from one value, and the one form that all of them read.

Knative's consumers disagree. net-kourier ignores a whole value for one flaw (net-kourier:
pkg/generator/ingress_translator.go, checkCertBundle); the activator takes what parses and says nothing (go:
crypto/x509, CertPool.AppendCertsFromPEM); and of `ca.crt` in `routing-serving-certs` the activator takes the first
block without looking whether there is one (serving: pkg/activator/certificate/cache.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kntls.errors import InputError
from kntls.pki.certificate import Certificate
from kntls.pki.pem import CERTIFICATE, Block, as_bytes, blocks, has_private_key


@dataclass(frozen=True)
class Reading:
    """What one consumer makes of one value."""

    accepted: tuple[Certificate, ...] = ()
    """What it then trusts, in the order read."""
    problem: str = ""
    """Why something in the value is not trusted, or what it is warned of; empty when all is well."""
    crashes: bool = False
    """Whether reading it kills the process."""


def read_as_kourier(text: str) -> Reading:
    """All or nothing: a block of another type, a broken certificate or text after the last block voids the value."""
    data = as_bytes(text)
    found: list[Certificate] = []
    end = 0
    for block in blocks(data):
        if block.label != CERTIFICATE:
            return Reading(problem=f"ignored as a whole: it holds a block of type {block.label}")
        try:
            found.append(Certificate.from_der(block.der))
        except InputError as error:
            return Reading(problem=f"ignored as a whole: its certificate {len(found) + 1} is broken ({error.what})")
        end = block.end
    if end < len(data):
        return Reading(problem=f"ignored as a whole: {_leftover(data[end:], bool(found))}")
    return Reading(tuple(found))


def _leftover(rest: bytes, after_certificates: bool) -> str:
    if not after_certificates:
        return "no PEM block can be read from it"
    if not rest.strip():
        return "blank space follows the line end of the last certificate"
    return "there is text after the last certificate"


def read_as_activator(text: str) -> Reading:
    """Whatever parses is trusted; the rest is passed over. A value without any certificate is only warned of."""
    parsed = [(block, _plain_certificate(block)) for block in blocks(as_bytes(text))]
    found = tuple(certificate for _, certificate in parsed if certificate is not None)
    passed_over = [block.label for block, certificate in parsed if certificate is None]
    if not found:
        return Reading(problem="no certificate can be read from it")
    if passed_over:
        return Reading(found, f"passed over without a warning: {', '.join(passed_over)}")
    return Reading(found)


def _plain_certificate(block: Block) -> Certificate | None:
    if block.label != CERTIFICATE or block.has_headers:
        return None
    try:
        return Certificate.from_der(block.der)
    except InputError:
        return None


def read_first_block(text: str) -> Reading:
    """The activator's reading of `ca.crt` in `routing-serving-certs`: the first PEM block, whatever its type.

    Empty is nothing; anything else without a block is a nil pointer, hence a crash at start and at update.
    """
    if not text:
        return Reading()
    block = next(blocks(as_bytes(text)), None)
    if block is None:
        return Reading(problem="not PEM: the activator crashes on it", crashes=True)
    try:
        return Reading((Certificate.from_der(block.der),))
    except InputError as error:
        return Reading(problem=f"its first block ({block.label}) is no certificate ({error.what})")


def write(certs: Iterable[Certificate]) -> str:
    """The strict form: each certificate once, ordered by subject, one newline at the end.

    Of several with one subject the one that ends last comes first: Envoy takes the first that fits, be it expired.
    """
    lasting = sorted(set(certs), key=lambda cert: (cert.not_after, cert.fingerprint), reverse=True)
    unique = sorted(lasting, key=lambda cert: cert.subject)
    return "".join(cert.pem() for cert in unique)


def is_strict(text: str) -> str:
    """Why this is not in the form every consumer reads alike; empty when it is.

    Strict is certificate blocks and nothing else, each once, in lines as `write` makes them; any order will do.
    """
    if has_private_key(text):
        return "it holds a private key"
    kourier, activator = read_as_kourier(text), read_as_activator(text)
    if kourier.problem:
        return kourier.problem.removeprefix("ignored as a whole: ")
    if activator.problem:
        return activator.problem
    if len(set(kourier.accepted)) != len(kourier.accepted):
        return "it holds a certificate twice"
    if "".join(cert.pem() for cert in kourier.accepted) != text:
        return "it holds more than certificate blocks, or lines of another form"
    return ""
