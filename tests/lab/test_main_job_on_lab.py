"""The main job's story, as it is told on a real cluster, on each layout of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import kntls
from tests.e2e.test_main_job import *  # noqa: F403 - the same tests and fixtures, on another cluster

SPEED = 60
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=["upstream", "operator", "openshift"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A lab in a process of its own, which the story takes for its cluster."""
    home: Path = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KNTLS_LAB_HOME", str(home))
        environment.setenv("KNTLS_E2E_KUBECONFIG", str(home / "kubeconfig"))
        environment.setenv("KNTLS_E2E_INSTALLATION", request.param)
        environment.setenv("KNTLS_E2E_SPEED", str(SPEED))
        kntls("lab", "up", "--layout", request.param, "--speed", str(SPEED))
        yield
        kntls("lab", "down")
