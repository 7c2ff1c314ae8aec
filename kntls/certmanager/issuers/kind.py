"""What kntls must know about a kind of issuer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """Whether an issuer can sign something."""

    YES = "yes"
    NO = "no"
    PROBE = "probe"
    """Only a CertificateRequest tells."""


@dataclass(frozen=True)
class IssuerKind:
    """One kind of issuer."""

    name: str
    field: str
    """The key in `spec` that makes an issuer one of this kind."""
    internal_names: Answer
    """Whether it signs names that exist only inside a cluster (`kn-routing`, `app.ns.svc`)."""
    public_names: Answer
    """Whether it signs names of external domains."""
    rotatable: bool
    """Whether the CA is a Secret that can be swapped behind the issuer's name."""
    reason: str = ""
    """Why not, where an answer is no."""
