"""Tests of `kntls.pki`."""
