"""The Jobs in manifests/ are accepted, and what they run works in their pods with nothing but the pod's own token."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from string import Template

import pytest

from tests.e2e import evidence, kube
from tests.e2e.program import kntls
from tests.manifests import accounts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

JOBS = accounts.ROOT / "manifests" / "jobs"
VALUES = {"KNTLS_IMAGE": "dev.local/kntls", "KNTLS_NEW_SECRET": "ca2"}


def manifest(name: str) -> str:
    """One of the files as `envsubst` would hand it to kubectl."""
    return Template((JOBS / name).read_text()).substitute(VALUES)


@pytest.fixture(scope="module", autouse=True)
def encrypted() -> Iterator[None]:
    """Encryption on, so that there is something to check and to rotate; the roles, the Jobs."""
    kntls("enable", "--system-internal", "--yes")
    kube.run("apply", "-k", str(accounts.RBAC))
    for name in ("check.yaml", "rotate-ca.yaml"):
        kube.run("apply", "--validate=strict", "-f", "-", stdin=manifest(name))
    yield
    for name in ("check.yaml", "rotate-ca.yaml"):
        kube.run("delete", "-f", "-", "--wait=false", stdin=manifest(name))


def environment() -> list[str]:
    """What a kubelet tells every container of the API server, and no kubeconfig."""
    service = (kube.get("service", "kubernetes", "default") or {})["spec"]
    place = {"KUBERNETES_SERVICE_HOST": service["clusterIP"], "KUBERNETES_SERVICE_PORT": service["ports"][0]["port"]}
    return ["-u", "KUBECONFIG", "HOME=/", *(f"{name}={value}" for name, value in place.items())]


def runs_in_its_pod(job: str) -> str:
    """What the Job's arguments print when they are run in its pod, whose image is another here."""
    pods = kube.items("pod", evidence.SERVING, f"job-name={job}")
    (container,) = pods[0]["spec"]["containers"]
    command = ["env", *environment(), sys.executable, "-m", "kntls", *container["args"]]
    return kube.run("exec", pods[0]["metadata"]["name"], "-n", evidence.SERVING, "--", *command).stdout


def has_pod(job: str) -> bool:
    """Whether its pod runs."""
    pods = kube.items("pod", evidence.SERVING, f"job-name={job}")
    return any(pod.get("status", {}).get("phase") == "Running" for pod in pods)


def test_the_hourly_check_reads_the_cluster_with_its_own_token() -> None:
    kube.run("create", "job", "check-now", "--from=cronjob/kntls-check", "-n", evidence.SERVING)
    kube.wait("its pod runs", lambda: has_pod("check-now"), 60)
    assert "results are √" in runs_in_its_pod("check-now")


def test_the_rotation_rotates_with_its_own_token() -> None:
    kube.wait("its pod runs", lambda: has_pod("kntls-rotate-ca"), 60)
    runs_in_its_pod("kntls-rotate-ca")
    assert evidence.signing_secret() == "ca2"
