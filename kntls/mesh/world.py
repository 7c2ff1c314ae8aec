"""From resources to a world that requests can be walked through: validated, typed, with implied objects."""

from __future__ import annotations

from kntls.mesh.authz import parse, validation
from kntls.mesh.authz.engine import Engine
from kntls.mesh.authz.model import Mesh
from kntls.mesh.control import with_implied
from kntls.mesh.resources import Resources
from kntls.mesh.settings import mesh_settings
from kntls.mesh.walk import World


def build(resources: Resources, mesh: Mesh | None = None) -> World:
    """The world these resources make; `mesh` overrides what a control plane in them says.

    Raises `InputError` for the first object that Istio's webhook would reject.
    """
    everything = with_implied(resources)
    settings = mesh or mesh_settings(everything)
    for found in everything.all("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"):
        validation.check(found)
    engine = Engine(
        [parse.authorization_policy(found) for found in everything.all("AuthorizationPolicy")],
        [parse.peer_authentication(found) for found in everything.all("PeerAuthentication")],
        [parse.request_authentication(found) for found in everything.all("RequestAuthentication")],
        settings,
    )
    rules = [parse.destination_rule(found, settings.cluster_domain) for found in everything.all("DestinationRule")]
    return World(engine, rules, _mutual_ports(everything))


def _mutual_ports(resources: Resources) -> dict[int, str]:
    """The gateway ports that take Istio's mTLS only (istio `validation.go`, ISTIO_MUTUAL servers)."""
    return {
        int(server["port"]["number"]): f"Gateway {found.namespace}/{found.name}"
        for found in resources.all("Gateway")
        for server in found.spec.get("servers") or ()
        if (server.get("tls") or {}).get("mode") == "ISTIO_MUTUAL" and (server.get("port") or {}).get("number")
    }
