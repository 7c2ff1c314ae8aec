"""Ingress layers of Knative: one small file each says what transport encryption can do on it.

A new layer is one module with a `LAYER`, named in `LAYERS`.
"""

from kntls.knative.ingress.contour import LAYER as CONTOUR
from kntls.knative.ingress.gateway_api import LAYER as GATEWAY_API
from kntls.knative.ingress.istio import LAYER as ISTIO
from kntls.knative.ingress.kourier import LAYER as KOURIER
from kntls.knative.ingress.layer import Layer

LAYERS: tuple[Layer, ...] = (KOURIER, ISTIO, CONTOUR, GATEWAY_API)


def by_class(ingress_class: str) -> Layer | None:
    """The layer an ingress class belongs to."""
    return next((layer for layer in LAYERS if layer.ingress_class == ingress_class), None)


__all__ = ["CONTOUR", "GATEWAY_API", "ISTIO", "KOURIER", "LAYERS", "Layer", "by_class"]
