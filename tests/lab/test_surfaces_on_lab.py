"""Each surface alone and several CAs, as on a real cluster, on the lab."""

from __future__ import annotations

import pytest

from tests.e2e.test_surfaces import *  # noqa: F403 - the same tests and fixtures, on another cluster
from tests.lab.on_lab import cluster  # noqa: F401 - a fixture

pytestmark = [pytest.mark.timeout(120), pytest.mark.nightly]


@pytest.fixture(scope="module", params=["upstream", "operator"])
def layout(request: pytest.FixtureRequest) -> str:
    """Where the ConfigMaps are ours to write, and where an operator owns them."""
    return str(request.param)
