"""net-gateway-api: transport encryption behind it is not covered."""

from kntls.knative.ingress.layer import Layer

LAYER = Layer(
    "Gateway API",
    "gateway-api.ingress.networking.knative.dev",
    "net-gateway-api-controller",
    "",
    instead="net-gateway-api does not verify Knative's certificates; use Kourier",
)
