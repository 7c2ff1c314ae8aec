"""The main job on a real cluster, from beginning to end: each test goes on where the one before it stopped."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.e2e import evidence, kube, naive, pace, traffic, world
from tests.e2e.program import Answer, finish, kntls, start
from tests.terminal import on_terminal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

BOTH = ("--system-internal", "--cluster-local")
TENANT = "team-a"
ANOTHER_RUN = 4
"""Exit code of a run that is refused because another one is at work."""


@pytest.fixture(scope="module")
def cluster() -> None:
    """The cluster of the environment variables; a module that runs the story elsewhere has a fixture of this name."""


@pytest.fixture(scope="module", autouse=True)
def tenants(cluster: None) -> Iterator[None]:
    """The world, as long as the story lasts."""
    world.install()
    world.up()
    yield
    world.down()


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a CA that nothing in the cluster is signed by."""
    path = tmp_path_factory.mktemp("unrelated") / "ca.pem"
    path.write_text(world.unrelated_ca())
    return path


def record(run: str, figures: traffic.Figures, seconds: float) -> None:
    """Add the figures of one run to the file KNTLS_E2E_FIGURES names, a JSON line each."""
    summary = figures.summary() | {"seconds": round(seconds, 1)}
    line = {"run": run, "installation": os.environ.get("KNTLS_E2E_INSTALLATION", "upstream"), **summary}
    print(json.dumps(line))
    if path := os.environ.get("KNTLS_E2E_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps(line) + "\n")


@contextmanager
def under_traffic(run: str, sent: traffic.Traffic) -> Iterator[traffic.Figures]:
    """Traffic from a little before to a little after; the figures are complete when the block has ended."""
    sent.start()
    settle = pace.settle()
    try:
        time.sleep(settle)
        started = time.monotonic()
        yield sent.figures
        seconds = time.monotonic() - started
        time.sleep(settle)
    finally:
        figures = sent.stop()
    record(run, figures, seconds)


def lossless(figures: traffic.Figures) -> bool:
    """Whether every Service was called, often, and every request answered."""
    assert figures.total > pace.requests()
    assert not figures.failures, json.dumps(figures.summary(), indent=1)
    return True


def announced(*command: str) -> list[str]:
    """Whom a command's plan says it will interrupt: nobody, except where no order without interruption is proven."""
    found: list[str] = kntls(*command, "--dry-run", "-o", "json").json()["interruptions"]
    assert bool(found) == (os.environ.get("KNTLS_E2E_INSTALLATION") == "openshift")
    return found


def as_announced(figures: traffic.Figures, interruptions: list[str]) -> bool:
    """Whether nobody but those who were named beforehand noticed anything."""
    named = " ".join(interruptions)
    return lossless(figures) if not named else all(failure.service in named for failure in figures.failures)


def published() -> str:
    """What a client in the tenant's namespace trusts: what kntls published there."""
    (found,) = kube.items("configmap", TENANT, "kntls.dev/published")
    return "\n".join(found["data"].values())


def tenant_traffic(**options: Any) -> traffic.Traffic:
    """Clients that speak TLS to the gateway and trust what was published, as it changes."""
    return traffic.Traffic(traffic.gateway(published()), trust=published, **options)


class Watch:
    """Waits beside a running command until something is seen, then does something once."""

    def __init__(self, seen: Callable[[], bool], act: Callable[[], None]) -> None:
        self.seen, self.act, self.done = seen, act, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            if self.seen():
                self.act()
                self.done = True
                return

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


def nowhere(ca: x509.Certificate) -> bool:
    """Whether no bundle and no trusted `ca.crt` holds that CA."""
    places = [place for place, found in evidence.trusted().items() if ca in found]
    assert not places, f"{ca.subject.rfc4514_string()} is still trusted in {places}"
    return True


def replicas() -> dict[str, int]:
    """How many pods each of Knative's own Deployments is to have."""
    found = kube.items("deployment", evidence.SERVING)
    return {d["metadata"]["name"]: d["spec"]["replicas"] for d in found}


def autoscaling() -> dict[str, str]:
    """The autoscaler's settings."""
    settings: dict[str, str] = (kube.get("configmap", "config-autoscaler", evidence.SERVING) or {})["data"]
    return settings


def surfaces() -> dict[str, bool]:
    """Which surfaces `kntls status` says are on."""
    return {entry["name"]: entry["on"] for entry in kntls("status", "-o", "json").json()["surfaces"]}


def test_before_anything_nothing_is_on() -> None:
    assert not any(surfaces().values())
    assert "kntls enable" in kntls("status").out


def configured() -> dict[str, Any]:
    """What is in Knative's ConfigMaps; an operator writes the same again now and then."""
    return {o["metadata"]["name"]: o.get("data") for o in kube.items("configmap", evidence.SERVING)}


def test_a_dry_run_shows_the_actions_and_changes_nothing() -> None:
    before = configured()
    answer = kntls("enable", *BOTH, "--dry-run")
    assert "system-internal-tls" in answer.out
    assert configured() == before
    assert not kube.items("clusterissuer")


def test_enable_loses_no_request() -> None:
    interruptions = announced("enable", *BOTH)
    before, settings = replicas(), autoscaling()
    with under_traffic("enable", traffic.Traffic(traffic.gateway())) as figures:
        kntls("enable", *BOTH, "--yes")
    assert evidence.not_of(evidence.authority(evidence.signing_secret())) == []
    assert all(url.startswith("https://") for url in addresses())
    assert (replicas(), autoscaling()) == (before, settings)
    assert as_announced(figures, interruptions)


def addresses() -> list[str]:
    """The cluster-local address of each Route."""
    return [route["status"]["address"]["url"] for route in kube.items("routes.serving.knative.dev")]


def test_enabling_again_has_nothing_to_do() -> None:
    before = configured()
    kntls("enable", *BOTH, "--yes")
    assert configured() == before


def test_status_shows_both_surfaces_on() -> None:
    found = surfaces()
    assert found["system-internal"]
    assert found["cluster-local"]


@pytest.mark.parametrize(
    "command", [("status",), ("trust", "list"), ("trust", "show"), ("cert", "list"), ("cert", "verify"), ("check",)]
)
def test_after_enabling_every_report_finds_all_well(command: tuple[str, ...]) -> None:
    answer = kntls(*command)
    assert answer.out.strip()
    assert "…" not in answer.out, "nothing is cut in a pipe"
    seen = on_terminal(80, *command, "--kubeconfig", kube.kubeconfig())
    assert max(map(len, seen.splitlines())) <= 80
    assert kntls(*command, "-o", "json").json()["apiVersion"] == "kntls.dev/v1alpha1"


def test_trust_is_published_to_a_tenant() -> None:
    kntls("trust", "publish", "--namespace", TENANT, "--yes")
    assert set(evidence.certificates(published())) == {evidence.authority(evidence.signing_secret())}


def test_an_unrelated_ca_is_added_to_the_bundle(unrelated: Path) -> None:
    kntls("trust", "add", "--ca", str(unrelated), "--yes")
    (ca,) = evidence.certificates(unrelated.read_text())
    assert any(ca in found for found in evidence.trusted().values())


def test_a_rotation_loses_no_request(unrelated: Path) -> None:
    old = evidence.authority(evidence.signing_secret())
    sent = tenant_traffic(longer_than_drain_every=40)
    late: list[str] = []

    def switched() -> bool:
        return evidence.signing_secret() == "ca2"

    def retired() -> bool:
        bundles = kube.items("configmap", evidence.SERVING, evidence.BUNDLE_LABEL)
        return not any(old in evidence.certificates("\n".join(bundle["data"].values())) for bundle in bundles)

    with under_traffic("rotate", sent) as figures:
        first_call = Watch(switched, lambda: sent.add(world.COLD))
        proof = Watch(retired, lambda: late.extend(evidence.not_of(evidence.authority("ca2"))))
        with first_call, proof:
            kntls("rotate-ca", "--new-secret", "ca2", *pace.default_waits(), "--yes")
            time.sleep(1)
    assert first_call.done
    assert proof.done
    assert not late, f"still without a leaf of the new CA when the old one was retired: {late}"
    assert figures.requests[f"{world.COLD.namespace}/{world.COLD.name}"] > 10
    assert nowhere(old)
    (kept,) = evidence.certificates(unrelated.read_text())
    assert any(kept in found for found in evidence.trusted().values())
    assert set(evidence.certificates(published())) == {evidence.authority("ca2")}
    assert lossless(figures)


def test_rotating_again_to_the_same_secret_is_already_done() -> None:
    assert kntls("rotate-ca", "--new-secret", "ca2", "--yes").code == 0
    assert evidence.signing_secret() == "ca2"


def test_reissued_certificates_are_rolled_back_without_a_lost_request() -> None:
    rolled_back("reissue", "ca3")


def test_a_switched_issuer_is_rolled_back_without_a_lost_request() -> None:
    rolled_back("switch", "ca4")


def rolled_back(stage: str, secret: str) -> None:
    """Rotate until that stage, then back again."""
    kept = evidence.authority("ca2")
    with under_traffic(f"rotate until {stage}, rolled back", tenant_traffic()) as figures:
        kntls("rotate-ca", "--new-secret", secret, "--until", stage, *pace.short_waits(), "--yes")
        away = evidence.authority(secret)
        assert evidence.signing_secret() == secret
        state = kntls("rotate-ca", "status", "-o", "json").json()
        assert state["underWay"]
        assert state["target"] == secret
        kntls("rotate-ca", "rollback", *pace.short_waits(), "--yes")
    assert evidence.signing_secret() == "ca2"
    assert evidence.not_of(kept) == []
    assert nowhere(away)
    assert lossless(figures)


def test_an_interrupted_rotation_says_how_to_go_on_and_can_be_rolled_back() -> None:
    process = start("rotate-ca", "--new-secret", "ca5", "--soak", "60s", "--yes")
    kube.wait("the new CA is trusted", lambda: len(evidence.certificates(published())) == 2, 120)
    process.send_signal(signal.SIGINT)
    assert "goes on" in finish(process, code=5, seconds=60).err
    assert kntls("rotate-ca", "status", "-o", "json").json()["target"] == "ca5"
    kntls("rotate-ca", "rollback", *pace.short_waits(), "--yes")
    assert nowhere(evidence.authority("ca5"))
    assert evidence.signing_secret() == "ca2"


@pytest.fixture
def minute_passes() -> Callable[[], None]:
    """Lets the minute pass after which queue-proxies look at their files; on a real cluster it does so by itself."""
    return lambda: None


def test_the_naive_order_loses_requests_under_the_same_traffic(minute_passes: Callable[[], None]) -> None:
    naive.make_ca("naive")
    sent = traffic.Traffic(traffic.gateway())
    with under_traffic("naive order", sent) as figures:
        naive.rotate("naive")
        minute_passes()
        kube.wait("every server reloads", lambda: not evidence.not_of(evidence.authority("naive")), 180, every=2)
    assert figures.failed() > 0


def test_disable_loses_no_request() -> None:
    interruptions = announced("disable", "--system-internal")
    before, settings = replicas(), autoscaling()
    with under_traffic("disable", traffic.Traffic(traffic.gateway())) as figures:
        kntls("disable", "--system-internal", "--yes")
    assert not surfaces()["system-internal"]
    assert evidence.leaf(*activator()) is None
    assert (replicas(), autoscaling()) == (before, settings)
    assert as_announced(figures, interruptions)


def activator() -> tuple[str, int, str]:
    """Where an activator listens for TLS, when it does."""
    pods = kube.items("pod", evidence.SERVING, "app=activator")
    living = next(pod for pod in pods if not pod["metadata"].get("deletionTimestamp"))
    return living["status"]["podIP"], evidence.DATA_PORT, "kn-routing"


def again() -> Answer:
    """`enable` once more, whatever it says."""
    return kntls("enable", "--system-internal", "--yes", code=None)


def test_an_enable_killed_while_envoy_is_frozen_is_finished_by_the_next_one() -> None:
    before = replicas()
    with under_traffic("enable, killed and run again", traffic.Traffic(traffic.gateway())):
        process = start("enable", "--system-internal", "--yes")
        kube.wait("Envoy is frozen", lambda: replicas() != before, 120, every=0.1)
        process.kill()
        finish(process, code=-signal.SIGKILL)
        kube.wait("the killed run's Lease runs out", lambda: again().code != ANOTHER_RUN, 90, every=2)
        assert again().code == 0
    assert replicas() == before
    assert evidence.not_of(evidence.authority(evidence.signing_secret())) == []
