"""What the TLS connection asks for: the server name.

Source: istio `generator.go` connSNI. Istio's own mTLS sends `outbound_.PORT_.SUBSET_.FQDN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kntls.mesh.authz.matchers.family import Family, Site
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import Side
from kntls.mesh.authz.strings import StringMatch, string_match


@dataclass(frozen=True)
class ServerName:
    """The SNI; empty without TLS."""

    name: StringMatch

    def render(self, side: Side) -> dict[str, Any]:
        """`requestedServerName`."""
        return {"requestedServerName": self.name.render()}

    def matches(self, request: Request) -> bool:
        """Whether it matches."""
        return self.name.matches(request.sni)


def _server_name(site: Site, value: str) -> ServerName:
    return ServerName(string_match(value))


SNI = Family("connection.sni", Side.PERMISSION, _server_name)
