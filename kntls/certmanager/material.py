"""The certificates in a scrubbed Secret, parsed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kntls.errors import InputError
from kntls.model.kinds import SECRET
from kntls.model.objects import Object, ObjectRef, dig, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.pki.certificate import Certificate
from kntls.pki.pem import certificates


@lru_cache(maxsize=65536)
def _parse(text: str) -> tuple[Certificate, ...]:
    try:
        return certificates(text, "")
    except InputError:
        return ()


@dataclass(frozen=True, slots=True)
class Material:
    """What a TLS Secret holds, apart from its key."""

    ref: ObjectRef
    chain: tuple[Certificate, ...]
    """`tls.crt`, leaf (or CA) first; empty where absent or unreadable."""
    ca_crt: tuple[Certificate, ...]
    ca_text: str
    """`ca.crt` as it is: the activator crashes on text that is not PEM."""
    public_key: str
    """SHA-256 of the private key's public half (hex); empty where there is none."""
    key_problem: str

    @property
    def leaf(self) -> Certificate | None:
        """The first certificate of `tls.crt`."""
        return self.chain[0] if self.chain else None

    @property
    def key_matches(self) -> bool:
        """Whether `tls.key` belongs to the first certificate."""
        return self.leaf is not None and self.leaf.public_key_hash == self.public_key


def material(secret: Object) -> Material:
    """The certificates of a Secret as `kntls.observe` left it."""
    data = dig(secret, "data", default={})
    return Material(
        ObjectRef(SECRET, name_of(secret), namespace_of(secret)),
        _parse(data.get("tls.crt", "")),
        _parse(data.get("ca.crt", "")),
        data.get("ca.crt", ""),
        str(secret.get("publicKey", "")),
        str(secret.get("keyProblem", "")),
    )


def material_of(observation: Observation, ref: ObjectRef) -> Material | None:
    """The certificates of the Secret a reference names, or None where there is no such Secret."""
    secret = observation.find(ref)
    return material(secret) if secret is not None else None
