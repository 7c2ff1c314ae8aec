"""The registry of matcher families: a new attribute is one entry here and its family in one file beside it."""

from __future__ import annotations

from kntls.mesh.authz.matchers import address, connection, header, identity, metadata, path
from kntls.mesh.authz.matchers.family import Family, Site, Unusable

FAMILIES: tuple[Family, ...] = (
    identity.PRINCIPAL,
    metadata.REQUEST_PRINCIPAL,
    identity.SERVICE_ACCOUNT,
    identity.TRUST_DOMAIN,
    identity.NAMESPACE,
    address.REMOTE_IP,
    address.SOURCE_IP,
    header.HOST,
    header.METHODS,
    path.PATHS,
    address.DESTINATION_PORT,
    metadata.AUDIENCES,
    metadata.PRESENTER,
    metadata.CLAIMS,
    header.HEADER,
    address.DESTINATION_IP,
    connection.SNI,
    metadata.FILTER_METADATA,
)
"""In the order in which Istio renders the fields of a source or an operation (`model/model.go` New)."""

BY_FIELD = {family.field: family for family in FAMILIES if family.field}
"""Field of `source` or `operation` → family."""

_BY_ATTRIBUTE = {family.attribute: family for family in FAMILIES}


def family_of(attribute: str) -> Family | None:
    """The family of a term's attribute or a `when` key; None for a key Istio does not know."""
    return _BY_ATTRIBUTE.get(attribute) or next((family for family in FAMILIES if family.takes(attribute)), None)


__all__ = ["BY_FIELD", "FAMILIES", "Family", "Site", "Unusable", "family_of"]
