"""Tests of `kntls.probe`."""
