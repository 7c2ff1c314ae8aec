"""Health rules: one registry of small checks, each a positive sentence with a pure judgement.

A new check is one decorated function in its category's module; a new category is one module, named here.
"""

from kntls.checks import (
    api,
    certmanager,
    configuration,
    issuers,
    kcerts,
    leaves,
    namespaces,
    restarts,
    rotation,
    serving,
    trust,
    versions,
)
from kntls.checks.check import CHECKS, Category, Check, Phase, Problem

MODULES = (
    api, versions, certmanager, issuers, configuration, namespaces, kcerts, restarts, leaves, trust, serving, rotation,
)  # fmt: skip
"""Every module with checks; importing it fills `CHECKS`."""

__all__ = ["CHECKS", "MODULES", "Category", "Check", "Phase", "Problem"]
