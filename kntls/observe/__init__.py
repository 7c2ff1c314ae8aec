"""Builds an Observation from a cluster or files; private keys end here."""
