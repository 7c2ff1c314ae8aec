"""Expressions over a request, which both evaluate and render themselves as Envoy's Permission or Principal.

Source: istio `pilot/pkg/security/authz/model/{permission,principal}.go`; envoy `source/extensions/filters/common/rbac`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from kntls.mesh.authz.model import Request


class Side(Enum):
    """Envoy keeps what is asked for (permission) and who asks (principal) apart, with other field names."""

    PERMISSION = ("andRules", "orRules", "rules", "notRule")
    PRINCIPAL = ("andIds", "orIds", "ids", "notId")


class Node(Protocol):
    """A condition on a request."""

    def render(self, side: Side) -> dict[str, Any]:
        """Envoy's JSON."""

    def matches(self, request: Request) -> bool:
        """Whether the request meets it."""


@dataclass(frozen=True)
class Always:
    """Every request."""

    def render(self, side: Side) -> dict[str, Any]:
        """`any: true`."""
        return {"any": True}

    def matches(self, request: Request) -> bool:
        """True."""
        return True


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple[Node, ...]

    def render(self, side: Side) -> dict[str, Any]:
        """`andRules` or `andIds`."""
        return {side.value[0]: {side.value[2]: [part.render(side) for part in self.parts]}}

    def matches(self, request: Request) -> bool:
        """Whether all parts match."""
        for part in self.parts:  # noqa: SIM110 - a generator costs a third more, on the hottest line there is
            if not part.matches(request):
                return False
        return True


@dataclass(frozen=True)
class Either:
    """At least one part holds."""

    parts: tuple[Node, ...]

    def render(self, side: Side) -> dict[str, Any]:
        """`orRules` or `orIds`."""
        return {side.value[1]: {side.value[2]: [part.render(side) for part in self.parts]}}

    def matches(self, request: Request) -> bool:
        """Whether any part matches."""
        for part in self.parts:  # noqa: SIM110 - as above
            if part.matches(request):
                return True
        return False


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Node

    def render(self, side: Side) -> dict[str, Any]:
        """`notRule` or `notId`."""
        return {side.value[3]: self.part.render(side)}

    def matches(self, request: Request) -> bool:
        """Whether the part does not match."""
        return not self.part.matches(request)


ALWAYS = Always()
