"""Tests of `kntls.lab.knative`."""
