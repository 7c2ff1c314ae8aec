"""The main job's whole story, as it is told on a real cluster, on the lab."""

from __future__ import annotations

import pytest

from tests.e2e.test_main_job import *  # noqa: F403 - the same tests and fixtures, on another cluster
from tests.lab.on_lab import cluster, minute_passes  # noqa: F401 - fixtures

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def layout() -> str:
    """Upstream YAML, as on most clusters."""
    return "upstream"
