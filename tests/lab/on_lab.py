"""Fixtures that give the end-to-end story a lab for its cluster; a module has a fixture `layout`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.program import ROOT
from tests.lab.serving import SPEED


@pytest.fixture(scope="module")
def cluster(layout: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The process of a lab, which the story takes for its cluster."""
    home = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KNTLS_E2E_KUBECONFIG", str(home / "kubeconfig"))
        environment.setenv("KNTLS_E2E_INSTALLATION", layout)
        environment.setenv("KNTLS_E2E_SPEED", str(SPEED))
        environment.setenv("KNTLS_E2E_PROGRAM", "tests.lab.hurried")
        command = [sys.executable, "-m", "tests.lab.serving", layout, str(home)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "serving\n"
            yield process
            process.terminate()


@pytest.fixture
def minute_passes(cluster: subprocess.Popen[str]) -> Iterator[Callable[[], None]]:
    """Queue-proxies look at their files again only when this is called.

    A lab's minute lasts a second, while nobody's kubectl is any quicker there: an impatient procedure would be late.
    """
    cluster.send_signal(signal.SIGUSR1)

    def end() -> None:
        time.sleep(2)
        cluster.send_signal(signal.SIGUSR2)

    yield end
    cluster.send_signal(signal.SIGUSR2)
