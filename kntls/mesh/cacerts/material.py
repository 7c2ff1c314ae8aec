"""The files of a plug-in CA as a value; private keys end here, as the hash of their public key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kntls.errors import InputError
from kntls.pki.certificate import Certificate
from kntls.pki.pem import certificates, public_key_hash_of_private_key

NAME = "cacerts"
CA_CERT, CA_KEY, ROOT, CHAIN, CRL = "ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem", "ca-crl.pem"
FILES = (CA_CERT, CA_KEY, ROOT, CHAIN)
TLS_FILES = {CA_CERT: "tls.crt", CA_KEY: "tls.key", ROOT: "ca.crt"}
"""Where a kubernetes.io/tls Secret has the files (istio pilot/pkg/bootstrap/istio_ca.go)."""


@dataclass(frozen=True)
class CaMaterial:
    """What a plug-in CA consists of, without its key."""

    where: str
    """File, directory or object it was read from."""
    ca: tuple[Certificate, ...] = ()
    roots: tuple[Certificate, ...] = ()
    chain: tuple[Certificate, ...] = ()
    public_key: str = ""
    """SHA-256 of the public key that belongs to the CA's private key; empty without a readable key."""
    present: frozenset[str] = frozenset()
    """Names of the files there are."""
    problems: tuple[tuple[str, str], ...] = ()
    """File that cannot be read → why."""
    crls: tuple[str, ...] = ()
    """Issuer names (RFC 4514) of the revocation lists."""
    tls: bool = False
    """Whether it came as a kubernetes.io/tls Secret."""
    namespace: str = ""
    name: str = ""
    """Of the Secret, where it is one."""

    @property
    def signer(self) -> Certificate | None:
        """The CA's own certificate."""
        return self.ca[0] if self.ca else None


def from_files(directory: str) -> CaMaterial:
    """The files of a directory. Raises `InputError` if it does not exist or holds none of them."""
    root = Path(directory)
    if not root.is_dir():
        raise InputError("no such directory", where=directory)
    try:
        texts = {name: (root / name).read_bytes() for name in (*FILES, CRL) if (root / name).is_file()}
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=directory) from error
    if not texts:
        raise InputError(f"holds none of {', '.join(FILES)}", where=directory)
    return material(texts, directory)


def from_secret(secret: Mapping[str, Any], where: str = "") -> CaMaterial:
    """The files of a Secret as the API server or a manifest has it."""
    metadata = secret.get("metadata") or {}
    place = f"Secret {metadata.get('namespace', '')}/{metadata.get('name', '')}"
    data = {str(key): _decoded(str(value), f"{place} {key}") for key, value in (secret.get("data") or {}).items()}
    data |= {str(key): str(value).encode() for key, value in (secret.get("stringData") or {}).items()}
    tls = "tls.crt" in data
    if tls:
        data = _as_files(data)
    return material(
        data, where or place, tls=tls, namespace=str(metadata.get("namespace", "")), name=str(metadata.get("name", ""))
    )


def from_observed(secret: Mapping[str, Any]) -> CaMaterial:
    """The files of a Secret as an Observation has it: certificates as text, the key as its public key's hash."""
    metadata = secret.get("metadata") or {}
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    data = {str(key): str(value).encode() for key, value in (secret.get("data") or {}).items()}
    tls = "tls.crt" in data
    files = _as_files(data) if tls else data
    found = material(files, f"Secret {namespace}/{name}", tls=tls, namespace=namespace, name=name)
    key = str(secret.get("publicKey") or "")
    named = {"tls.key": CA_KEY} if tls else {}
    present = found.present | {named.get(each, each) for each in secret.get("keys") or ()}
    return replace(found, public_key=key, present=frozenset(present))


def _decoded(value: str, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("is not base64", where=where) from None


def _as_files(data: Mapping[str, bytes]) -> dict[str, bytes]:
    """A kubernetes.io/tls Secret as Istio reads it: the chain is tls.crt and ca.crt."""
    files = {name: data[key] for name, key in TLS_FILES.items() if key in data}
    return files | {CHAIN: data.get("tls.crt", b"") + b"\n" + data.get("ca.crt", b"")}


def material(
    files: Mapping[str, bytes], where: str, *, tls: bool = False, namespace: str = "", name: str = ""
) -> CaMaterial:
    """File contents as a value; what cannot be read becomes a problem, never an exception."""
    found, problems = {}, []
    for file in (CA_CERT, ROOT, CHAIN):
        try:
            found[file] = certificates(files.get(file, b"").decode("latin-1"), f"{where} {file}")
        except InputError as error:
            problems.append((file, error.what))
    key = ""
    try:
        key = public_key_hash_of_private_key(files[CA_KEY]) if files.get(CA_KEY) else ""
    except InputError as error:
        problems.append((CA_KEY, error.what))
    crls, crl_problem = _crls(files.get(CRL, b""))
    problems += [(CRL, crl_problem)] if crl_problem else []
    return CaMaterial(
        where,
        found.get(CA_CERT, ()),
        found.get(ROOT, ()),
        found.get(CHAIN, ()),
        key,
        frozenset(file for file in files if files[file]),
        tuple(problems),
        crls,
        tls,
        namespace,
        name,
    )


def _crls(pem: bytes) -> tuple[tuple[str, ...], str]:
    from cryptography import x509

    begin, end = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
    blocks = [begin + part.partition(end)[0] + end for part in pem.split(begin)[1:]]
    try:
        return tuple(x509.load_pem_x509_crl(block).issuer.rfc4514_string() for block in blocks), ""
    except ValueError:
        return (), "holds a revocation list that cannot be read"
