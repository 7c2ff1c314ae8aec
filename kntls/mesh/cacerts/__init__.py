"""Istio's plug-in CA, the Secret `cacerts`: created, judged, compared, installed, rotated, and seen in live chains."""
