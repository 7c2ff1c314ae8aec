"""Tests of `kntls.lab.layouts`."""
