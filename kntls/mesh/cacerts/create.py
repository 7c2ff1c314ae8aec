"""A plug-in CA of one's own: an intermediate for Istio under a root whose key stays out of the cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kntls.errors import InputError, Refused, UsageError
from kntls.mesh.cacerts.material import CA_CERT, CA_KEY, CHAIN, ROOT
from kntls.pki.create import KeyPair, issue, new_ca

ROOT_KEY = "root-key.pem"
"""Written beside the CA's directory, never into it: `kubectl create secret --from-file=DIR` would take it along."""


@dataclass(frozen=True)
class Wanted:
    """The CA to make."""

    root_name: str = "Mesh root CA"
    ca_name: str = "Mesh intermediate CA"
    root_lifetime: timedelta = timedelta(days=3650)
    ca_lifetime: timedelta = timedelta(days=730)
    key_type: str = "ecdsa-p256"
    host: str = "istiod.istio-system.svc"
    """SAN of the intermediate, as Istio's own Makefile sets it."""


def create(wanted: Wanted, at: datetime, root: KeyPair | None = None) -> tuple[KeyPair, KeyPair]:
    """A root (unless one is given) and an intermediate with path length 0 under it.

    Raises `UsageError` for an empty name or lifetime, `Refused` if the intermediate would outlive its root or carry its
    name.
    """
    if not (wanted.root_name.strip() and wanted.ca_name.strip()):
        raise UsageError("a CA needs a name", fix="--root-name and --ca-name")
    if min(wanted.root_lifetime, wanted.ca_lifetime) <= timedelta(0):
        raise UsageError("a CA needs a lifetime", fix="--lifetime 730d")
    if wanted.root_name == wanted.ca_name:
        raise Refused("root and intermediate would have one name", fix="give them different common names")
    root = root or new_ca(wanted.root_name, lifetime=wanted.root_lifetime, key_type=wanted.key_type, at=at)
    if at + wanted.ca_lifetime > root.certificate.not_after:
        raise Refused("the intermediate would outlive its root", fix="shorten --lifetime, or renew the root")
    ca = issue(
        root,
        common_name=wanted.ca_name,
        dns=(wanted.host,),
        lifetime=wanted.ca_lifetime,
        is_ca=True,
        path_length=0,
        key_type=wanted.key_type,
        at=at,
    )
    return root, ca


def files(root: KeyPair, ca: KeyPair, extra_roots: str = "") -> dict[str, str]:
    """File name → content of the Secret; `cert-chain.pem` holds the CA and the root, as verification guides expect."""
    return {
        CA_CERT: ca.certificate.pem(),
        CA_KEY: ca.key_pem(),
        ROOT: root.certificate.pem() + extra_roots,
        CHAIN: ca.certificate.pem() + root.certificate.pem(),
    }


def write(directory: str, contents: Mapping[str, str]) -> list[str]:
    """Write the files (names may begin with `../` for a place beside it) and return their paths.

    Keys are readable by their owner only. Raises `Refused` rather than overwrite a file, and then writes none;
    `InputError` where the directory cannot be written.
    """
    paths = [Path(os.path.normpath(Path(directory) / name)) for name in contents]
    taken = [path for path in paths if path.exists()]
    if taken:
        raise Refused("would be overwritten", where=str(taken[0]), fix="choose another directory")
    try:
        for path, text in zip(paths, contents.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = 0o600 if "key" in path.name else 0o644
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(text)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=directory) from error
    return [str(path) for path in paths]
