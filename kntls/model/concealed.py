"""A text that is written to the API server and shown to nobody."""

from __future__ import annotations


class Concealed(str):
    """A private key on its way into a Secret.

    It serializes as what it is (the request's JSON encoder reads the underlying characters), but everything that
    prints, formats or represents it gets a placeholder.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "(not shown)"

    def __str__(self) -> str:
        return "(not shown)"

    def __format__(self, spec: str) -> str:
        return "(not shown)"
