"""A matcher family: one attribute of a request, how its values become a condition, and what Istio checks first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kntls.mesh.authz.nodes import Node, Side


class Unusable(ValueError):
    """A value or key of which no condition can be made here; what follows depends on the policy's action."""


@dataclass(frozen=True)
class Site:
    """Where a condition is made: what its matcher may need to know besides the value."""

    key: str
    """The attribute as written: `request.headers[X-Tenant]`."""
    namespace: str
    """The policy's own."""


def no_problem(label: str, values: tuple[str, ...]) -> Iterator[str]:
    """Nothing Istio would reject."""
    return iter(())


Build = Callable[[Site, str], Node]
Check = Callable[[str, tuple[str, ...]], Iterator[str]]


@dataclass(frozen=True)
class Family:
    """One attribute: its name as a `when` key, its field in a source or operation, and its condition."""

    attribute: str
    """The `when` key; with a bracket or a dot at the end (`request.headers[`) the start of one."""
    side: Side
    build: Build | None = None
    """One value → one condition; the values are alternatives."""
    build_all: Callable[[Site, tuple[str, ...]], Node] | None = None
    """All values → one condition, where Istio renders them so."""
    field: str = ""
    """The field of `source` or `operation`; empty for what only `when` knows."""
    keyed: bool = True
    """Whether `when` knows it."""
    http_only: bool = False
    needs_mtls: bool = False
    custom: bool = True
    """Whether a CUSTOM policy may use it (istio `pkg/config/validation/validation.go`)."""
    check: Check = no_problem
    """What Istio's webhook rejects: (label, values) → reasons."""

    def takes(self, key: str) -> bool:
        """Whether a `when` key is this family's."""
        if self.attribute[-1] in "[.":
            return key.startswith(self.attribute.removesuffix("["))
        return self.keyed and key == self.attribute
