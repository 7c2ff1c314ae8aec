"""What kntls must know about an ingress layer."""

from __future__ import annotations

from dataclasses import dataclass

from kntls.knative.names import Surface


@dataclass(frozen=True)
class Layer:
    """One ingress layer."""

    name: str
    ingress_class: str
    controller: str
    """Deployment that turns KIngresses into gateway configuration, and whose namespace's bundles are read."""
    gateway: str
    """Deployment of the gateway itself; empty where it is not Knative's."""
    surfaces: frozenset[Surface] = frozenset()
    """Surfaces that work on it."""
    instead: str = ""
    """Where to turn for the others."""
