"""Tests of `kntls.lab`."""
