"""Knative Serving 1.23 as seen from outside: its configuration, its objects, and who reacts to what."""
