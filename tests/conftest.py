"""Fixtures for every tier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from kntls.lab import Lab

settings.register_profile("kntls", deadline=None)
settings.load_profile("kntls")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole default tier in three processes, because much of it waits; anything else in one."""
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    return 3 if whole and "not cluster" in config.option.markexpr else 0


@pytest.fixture(scope="session")
def api() -> Iterator[Lab]:
    """One API server on loopback without controllers; tests use namespaces of their own and clear faults."""
    with Lab() as lab:
        yield lab
