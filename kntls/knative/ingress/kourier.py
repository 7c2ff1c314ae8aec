"""Kourier: the layer all surfaces are made for."""

from kntls.knative.ingress.layer import Layer
from kntls.knative.names import GATEWAY, NET_KOURIER, Surface

LAYER = Layer("Kourier", "kourier.ingress.networking.knative.dev", NET_KOURIER, GATEWAY, frozenset(Surface))
