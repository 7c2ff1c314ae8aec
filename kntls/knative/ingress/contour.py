"""net-contour: it trusts `routing-serving-certs` only and reads no trust bundles, so a rotation would break it."""

from kntls.knative.ingress.layer import Layer

LAYER = Layer(
    "Contour",
    "contour.ingress.networking.knative.dev",
    "net-contour-controller",
    "",
    instead="net-contour reads no trust bundles; use Kourier for encryption that can be rotated",
)
