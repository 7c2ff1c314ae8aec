"""Fixtures for every tier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from kntls.lab import Lab

settings.register_profile("kntls", deadline=None)
settings.load_profile("kntls")


@pytest.fixture(scope="session")
def api() -> Iterator[Lab]:
    """One API server on loopback without controllers; tests use namespaces of their own and clear faults."""
    with Lab() as lab:
        yield lab
