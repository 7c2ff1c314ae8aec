"""The lab's API server: Kubernetes' HTTP API over the store, on loopback, with TLS and bearer tokens."""
