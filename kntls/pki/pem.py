"""PEM text: blocks as Go's `encoding/pem` finds them, certificates in files, and what may be known of a private key.

Every consumer of a trust bundle that Knative ships is a Go program, so the blocks are those Go's `pem.Decode` finds
(go: encoding/pem/pem.go), odd corners included.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kntls.errors import InputError
from kntls.pki.certificate import Certificate

CERTIFICATE = "CERTIFICATE"
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"\n-----END ", b"-----"
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_CERTIFICATE_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, repr=False)
class Block:
    """One PEM block; its content, which may be a key, is not in its repr."""

    label: str
    """`CERTIFICATE`, `EC PRIVATE KEY`."""
    der: bytes
    has_headers: bool
    end: int
    """Where the text goes on after the block's last line, in bytes."""

    def __repr__(self) -> str:
        return f"<Block {self.label}>"


def as_bytes(text: str) -> bytes:
    """UTF-8; characters that have no encoding, as JSON can bring them, become question marks."""
    return text.encode("utf-8", "replace")


def blocks(data: bytes) -> Iterator[Block]:
    """The blocks Go finds, in order; text between them and blocks that do not decode are passed over."""
    start = 0
    while (block := _next_block(data, start)) is not None:
        yield block
        start = block.end


def _next_block(data: bytes, start: int) -> Block | None:
    # A block is an END line and the last BEGIN line before it; a failed attempt resumes behind that END marker.
    while (end := data.find(_END, start)) >= 0:
        begin = data.rfind(_BEGIN, start, end)
        if begin == start or (begin > start and data[begin - 1] == ord("\n")):
            block = _block(data, begin, end)
            if block is not None:
                return block
        start = end + len(_END)
    return None


def _block(data: bytes, begin: int, end: int) -> Block | None:
    line, body = _line(data, begin + len(_BEGIN))
    if not line.endswith(_DASHES):
        return None
    label = line.removesuffix(_DASHES)
    body, has_headers = _after_headers(data, body)
    trailer = data[end + len(_END) : end + len(_END) + len(line)]
    leftover, after = _line(data, end + len(_END) + len(trailer))
    if trailer != label + _DASHES or leftover or (has_headers and body > end):
        return None
    encoded = data[body:end].translate(None, b" \t\r\n")
    if len(encoded) % 4:
        return None
    try:
        der = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return None
    return Block(label.decode("utf-8", "replace"), der, has_headers, after)


def _after_headers(data: bytes, position: int) -> tuple[int, bool]:
    found = False
    while position < len(data):
        line, after = _line(data, position)
        if b":" not in line:
            break
        position, found = after, True
    return position, found


def _line(data: bytes, start: int) -> tuple[bytes, int]:
    """The line at `start` without its end and trailing blanks, and where the next one starts."""
    newline = data.find(b"\n", start)
    if newline < 0:
        return data[start:].rstrip(b" \t"), len(data)
    line = data[start:newline]
    return line.removesuffix(b"\r").rstrip(b" \t"), newline + 1


def certificates(text: str, where: str) -> tuple[Certificate, ...]:
    """Every certificate of a text, in order; other text and other blocks are passed over.

    Raises `InputError`, naming `where`, when a certificate block is broken.
    """
    data = as_bytes(text)
    found = tuple(_certificate(block, where) for block in blocks(data) if block.label == CERTIFICATE)
    begun = data.count(_CERTIFICATE_BEGIN)
    if begun != len(found):
        what = f"{begun} certificate blocks begin, but only {len(found)} can be read"
        raise InputError(what, where=where, fix="each block needs its BEGIN and END on lines of their own")
    return found


def _certificate(block: Block, where: str) -> Certificate:
    try:
        return Certificate.from_der(block.der)
    except InputError as error:
        raise InputError(f"a certificate block holds no certificate ({error.what})", where=where) from None


def has_private_key(text: str) -> bool:
    """Whether any private key block begins in this text, be it broken."""
    return _PRIVATE_KEY.search(text) is not None


def public_key_hash_of_private_key(pem: bytes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo of a private key (PKCS#1, SEC 1 or PKCS#8): what `tls.key` pairs with.

    Raises `InputError` when it cannot be read; neither the error nor its cause carries any of the input.
    """
    try:
        # Testing an RSA key's primes takes 20 ms, a Secret; nothing is ever signed with the key, so it is left out.
        public = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError("not a private key that can be read (PKCS#1, SEC 1 or PKCS#8, unencrypted PEM)") from None
    return hashlib.sha256(der).hexdigest()
