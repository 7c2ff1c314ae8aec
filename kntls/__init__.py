"""kntls: transport encryption for Knative Serving and the service mesh under it."""

__version__ = "0.1.0"
