"""A real Envoy on loopback that enforces a mesh's policies: the oracle the offline evaluator is held against."""
