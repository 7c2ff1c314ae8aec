"""Istio and OpenShift Service Mesh: resources, lint, evaluation, root certificates."""
