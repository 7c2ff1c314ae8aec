"""net-istio: encryption is the mesh's (net-istio declined system-internal-tls and trust bundles)."""

from kntls.knative.ingress.layer import Layer

LAYER = Layer(
    "Istio",
    "istio.ingress.networking.knative.dev",
    "net-istio-controller",
    "",
    instead="with Istio the mesh encrypts: see `kntls mesh generate mtls` and `kntls mesh lint`",
)
