"""Tests of `kntls.lab.certmanager`."""
