"""Istio authorization as a pure library: typed policies in, the decision on a request and Envoy's filters out.

    engine = Engine(policies, peers, tokens, Mesh(trust_domain="example.org"))
    engine.decide(workload, Request(port=8012, peer="spiffe://example.org/ns/a/sa/b", path="/x"))
    engine.filters(workload)

Nothing here reads a file, asks a cluster or looks at the clock.
"""

from __future__ import annotations

from kntls.mesh.authz.engine import Cause, Decision, Engine
from kntls.mesh.authz.model import (
    Action,
    AuthorizationPolicy,
    JwtRule,
    Mesh,
    MtlsMode,
    Normalization,
    PeerAuthentication,
    Request,
    RequestAuthentication,
    Rule,
    Scope,
    Target,
    Terms,
    Workload,
)

__all__ = [
    "Action",
    "AuthorizationPolicy",
    "Cause",
    "Decision",
    "Engine",
    "JwtRule",
    "Mesh",
    "MtlsMode",
    "Normalization",
    "PeerAuthentication",
    "Request",
    "RequestAuthentication",
    "Rule",
    "Scope",
    "Target",
    "Terms",
    "Workload",
]
