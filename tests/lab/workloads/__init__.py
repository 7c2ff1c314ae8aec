"""Tests of `kntls.lab.workloads`."""
