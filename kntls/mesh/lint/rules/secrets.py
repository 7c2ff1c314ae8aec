"""Secrets in manifests: private keys that do not belong there, and certificates that do not work."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from kntls.errors import InputError
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.resources import Resource
from kntls.model.findings import Severity
from kntls.pki.certificate import Certificate
from kntls.pki.pem import certificates


def _values(secret: Resource) -> Mapping[str, str]:
    """Key → decoded value; what is no base64 is left out."""
    found = {str(key): str(value) for key, value in (secret.body.get("stringData") or {}).items()}
    for key, value in (secret.body.get("data") or {}).items():
        try:
            found[str(key)] = base64.b64decode(str(value), validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            continue
    return found


def _keys(secret: Resource) -> list[str]:
    return [key for key, value in _values(secret).items() if "PRIVATE KEY-----" in value]


@rule(
    "MESH-KEY-001",
    Severity.ERROR,
    "A private key in a manifest",
    fix="take the Secret out of the repository, replace the key, and create it in the cluster (or let cert-manager)",
)
def key_in_manifest(world: World) -> Iterator[Hit]:
    """Whoever can read the repository, now or in its history, has the key. Judged for files, not for a cluster."""
    if world.live:
        return
    for secret in world.resources.in_group("Secret", ""):
        for key in _keys(secret):
            yield Hit(secret, f"{key} holds a private key")


def _leaf(secret: Resource) -> Certificate | None:
    """The first certificate of tls.crt, if it can be read."""
    try:
        return next(iter(certificates(_values(secret).get("tls.crt", ""), secret.where)), None)
    except InputError:
        return None


@rule(
    "MESH-KEY-002",
    Severity.ERROR,
    "A certificate outside its validity",
    fix="renew it",
)
def expired(world: World) -> Iterator[Hit]:
    """A gateway presents it all the same, and every client refuses it."""
    for secret in world.resources.in_group("Secret", ""):
        leaf = _leaf(secret)
        if leaf and leaf.not_after < world.now:
            yield Hit(secret, f"tls.crt expired on {leaf.not_after:%Y-%m-%d}")
        if leaf and leaf.not_before > world.now:
            yield Hit(secret, f"tls.crt is not valid before {leaf.not_before:%Y-%m-%d}")


@rule(
    "MESH-KEY-003",
    Severity.ERROR,
    "A certificate without a subject alternative name",
    fix="issue it again with the host in a SAN",
)
def no_san(world: World) -> Iterator[Hit]:
    """Clients stopped reading the common name; a certificate without SANs is valid for no host."""
    for secret in world.resources.in_group("Secret", ""):
        leaf = _leaf(secret)
        if leaf and not leaf.sans:
            yield Hit(secret, "tls.crt has no subject alternative name")


CA_FILES = frozenset({"ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"})


@rule(
    "MESH-KEY-004",
    Severity.ERROR,
    "A plug-in CA Istio will not find",
    fix="name the Secret cacerts and put it into the control plane's namespace: kntls mesh cacerts create",
)
def misplaced_ca(world: World) -> Iterator[Hit]:
    """Istio reads the Secret `cacerts` of istiod's namespace and no other; documentation calls it `cacert` in places.
    With another name istiod goes on with a self-signed CA."""
    for secret in world.resources.in_group("Secret", ""):
        files = CA_FILES & set(_values(secret))
        right = secret.name == "cacerts" and secret.namespace == world.mesh.root_namespace
        if (len(files) > 1 or secret.name == "cacert") and not right:
            yield Hit(
                secret, f"CA files in {secret.namespace}/{secret.name}; Istio reads {world.mesh.root_namespace}/cacerts"
            )
