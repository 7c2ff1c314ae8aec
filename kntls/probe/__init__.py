"""Live TLS handshakes with a chosen trust set, directly or through port-forward."""
