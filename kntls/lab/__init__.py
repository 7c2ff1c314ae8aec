"""The embedded cluster: an API server on loopback with certificates and TLS endpoints."""
