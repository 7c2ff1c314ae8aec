"""What the roles in manifests/ grant is enough for what they say, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kntls.lab import Lab
from tests.manifests import accounts
from tests.manifests.accounts import kntls

READING = (["status"], ["check"], ["cert", "list"], ["cert", "verify"], ["trust", "show"], ["rotate-ca", "status"])
SURFACES = ("--system-internal", "--cluster-local")


@pytest.fixture(scope="module", params=["lab", pytest.param("real", marks=pytest.mark.cluster)])
def configs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A cluster with the roles applied; a kubeconfig for each account."""
    directory = tmp_path_factory.mktemp("accounts")
    with ExitStack() as stack:
        if request.param == "lab":
            lab = stack.enter_context(Lab.whole())
            environment = stack.enter_context(pytest.MonkeyPatch.context())
            environment.setenv("KNTLS_E2E_KUBECONFIG", str(lab.kubeconfig))
            environment.setenv("KNTLS_E2E_PROGRAM", "tests.lab.hurried")
        accounts.install()
        accounts.account("viewer", "kntls-view")
        accounts.account("rotator", "kntls-view", "kntls-rotate")
        accounts.account("smoker", "kntls-view", "kntls-smoke")
        accounts.account("enabler", "kntls-view", "kntls-rotate", "kntls-surfaces")
        yield {name: accounts.kubeconfig(name, directory) for name in ("viewer", "rotator", "smoker", "enabler")}


@pytest.mark.timeout(900)
def test_the_roles_carry_the_job_from_enable_to_disable_and_each_refuses_the_next(configs: dict[str, Path]) -> None:
    refused = kntls(configs["rotator"], "enable", *SURFACES, "--yes")
    assert refused.returncode in (3, 5), refused.stderr
    assert "manifests/rbac/surfaces.yaml" in refused.stderr

    ready = kntls(configs["enabler"], "check", "--pre", "--fail-on", "warning")
    assert ready.returncode == 0, ready.stdout
    assert kntls(configs["rotator"], "check", "--pre").returncode == 1

    enabled = kntls(configs["enabler"], "enable", *SURFACES, "--yes")
    assert enabled.returncode == 0, enabled.stderr

    refused = kntls(configs["viewer"], "check", "--smoke", "--image", "dev.local/hello")
    assert refused.returncode == 3, refused.stderr
    assert "cannot create resource" in refused.stderr
    assert "manifests/rbac/smoke.yaml" in refused.stderr

    tried = kntls(configs["smoker"], "check", "--smoke", "--image", "dev.local/hello")
    assert tried.returncode == 0, tried.stdout + tried.stderr

    for command in READING:
        read = kntls(configs["viewer"], *command)
        assert read.returncode in (0, 1), read.stderr
        assert "forbidden" not in (read.stdout + read.stderr).lower(), f"{command}: {read.stdout}{read.stderr}"

    refused = kntls(configs["viewer"], "rotate-ca", "--new-secret", "ca2", "--yes")
    assert refused.returncode == 3, refused.stderr
    assert "manifests/rbac/rotate.yaml" in refused.stderr

    rotated = kntls(configs["rotator"], "rotate-ca", "--new-secret", "ca2", "--soak", "1s", "--grace", "2s", "--yes")
    assert rotated.returncode == 0, rotated.stderr

    disabled = kntls(configs["enabler"], "disable", *SURFACES, "--yes")
    assert disabled.returncode == 0, disabled.stderr
