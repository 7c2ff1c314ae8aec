"""Issuers by kind: one small file each says what it can sign and whether its CA can be rotated.

A new kind is one module with a `KIND`, named in `KINDS`.
"""

from kntls.certmanager.issuers.acme import KIND as ACME
from kntls.certmanager.issuers.ca import KIND as CA
from kntls.certmanager.issuers.external import KIND as EXTERNAL
from kntls.certmanager.issuers.kind import Answer, IssuerKind
from kntls.certmanager.issuers.selfsigned import KIND as SELF_SIGNED
from kntls.certmanager.issuers.vault import KIND as VAULT
from kntls.certmanager.issuers.venafi import KIND as VENAFI
from kntls.model.objects import Object, dig

KINDS: tuple[IssuerKind, ...] = (ACME, CA, VAULT, SELF_SIGNED, VENAFI)
"""In cert-manager's own order where several are set (cert-manager `pkg/api/util/issuers.go`)."""


def kind_of(issuer: Object) -> IssuerKind:
    """The kind of an issuer, from its spec."""
    return next((kind for kind in KINDS if kind.field in dig(issuer, "spec", default={})), EXTERNAL)


__all__ = ["ACME", "CA", "EXTERNAL", "KINDS", "SELF_SIGNED", "VAULT", "VENAFI", "Answer", "IssuerKind", "kind_of"]
