"""Deployments, pods and the programs in them: real TLS endpoints on loopback that behave as Knative's do."""
