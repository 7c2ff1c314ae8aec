"""Knative Serving's names, SANs, configuration keys and their traps; what is installed."""
