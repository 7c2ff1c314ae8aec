"""What is looked at: a namespace that is not there, and kinds that nobody gathered, are told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kntls.lab import Lab
from kntls.model import kinds as k
from kntls.observe.files import SECRETS
from tests.files import write
from tests.terminal import say
from tests.world import healthy

READING = (["cert", "list"], ["cert", "verify"], ["trust", "list"], ["trust", "show"], ["check"], ["status"])
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide.md"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A cluster with Knative and cert-manager, nothing encrypted."""
    with Lab.whole("upstream", speed=60) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path) -> str:
    """A healthy world as files."""
    return str(write(healthy(), tmp_path))


# ------------------------------------------------------------------ namespaces


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_namespace_that_is_not_in_the_files_is_told(command: list[str], files: str) -> None:
    code, out, err = say(*command, "-f", files, "-n", "nosuch")
    assert (code, out) == (3, "")
    assert err == "kntls: nosuch: no object of this namespace is in the files (fix: leave -n out, or add files)\n"


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_namespace_that_does_not_exist_is_told(command: list[str], lab: Lab) -> None:
    code, out, err = say(*command, "--kubeconfig", str(lab.kubeconfig), "-n", "nosuch")
    assert (code, out) == (3, "")
    assert err == "kntls: nosuch: no such namespace (fix: `kubectl get namespaces` lists them)\n"


def test_status_counts_the_leaves_of_one_namespace(files: str) -> None:
    def leaves(*more: str) -> dict[str, int]:
        surfaces = json.loads(say("status", "-f", files, "-o", "json", *more)[1])["surfaces"]
        return {surface["name"]: surface["leaves"] for surface in surfaces}

    assert leaves()["cluster-local"] == 2
    assert leaves("-n", "team-a")["cluster-local"] == 1


def test_trust_of_one_namespace_is_that_of_the_consumers_there(files: str) -> None:
    code, out, err = say("trust", "show", "-f", files, "-n", "team-a")
    assert (code, out, err) == (0, "", "None of Knative's consumers is in team-a.\n")
    assert "activator" in say("trust", "show", "-f", files, "-n", "knative-serving")[1]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("command", [["status"], ["cert", "list"]], ids=" ".join)
def test_kinds_that_are_not_in_the_files_are_told_with_the_command_that_gathers_them(
    command: list[str], tmp_path: Path
) -> None:
    world = healthy()
    world.forget(k.KCERT)
    world.forget(k.SECRET)
    code, out, err = say(*command, "-f", str(write(world, tmp_path)), "-o", "json")
    assert code == 0
    assert "the files hold no KCerts, Secrets" in err
    assert f"kubectl get {k.KCERT.resource} -A -o yaml; {SECRETS}" in err
    missing = {entry["what"]: entry["reason"] for entry in json.loads(out)["notLookedAt"]}
    assert missing[k.KCERT.resource] == missing["secrets"] == "none in the files"


def test_nothing_is_said_of_files_that_hold_everything(files: str) -> None:
    assert say("status", "-f", files)[2] == ""
    assert say("cert", "list", "-f", files)[2] == ""


def test_an_issuer_is_not_called_missing_where_no_issuers_were_gathered(tmp_path: Path) -> None:
    world = healthy()
    world.forget(k.CLUSTER_ISSUER)
    _, out, _ = say("status", "-f", str(write(world, tmp_path)), "-o", "json")
    assert {surface["issuerKind"] for surface in json.loads(out)["surfaces"]} == {"not looked at"}


def test_a_directory_without_manifests_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    code, _, err = say("cert", "list", "-f", str(tmp_path))
    assert code == 2
    assert err == f"kntls: {tmp_path}: no file in it ends in .json, .yaml, .yml\n"


def gathering() -> list[str]:
    """The guide's commands that gather a cluster's objects into files."""
    return re.findall(r"^    (kubectl get .* > gathered/.*)$", GUIDE.read_text(), re.MULTILINE)


def test_what_the_guide_gathers_is_all_that_is_needed_and_holds_no_private_key(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "gathered").mkdir()
    issuers = say("generate", "issuers")[1]
    kubectl = str(Path(sys.executable).parent / "kubectl")
    path = f"{Path(kubectl).parent}:/usr/bin:/bin"
    environment = {"KUBECONFIG": str(lab.kubeconfig), "PATH": path, "HOME": str(tmp_path)}
    subprocess.run([kubectl, "apply", "-f", "-"], input=issuers, env=environment, text=True, check=True)
    ready = [kubectl, "wait", "--for=condition=Ready", "clusterissuer/knative-serving-ca-issuer", "--timeout=30s"]
    subprocess.run(ready, env=environment, check=True, capture_output=True)
    commands = gathering()
    assert len(commands) == 2
    script = "\n".join(["set -eu", *commands])
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True)
    gathered = "".join(path.read_text() for path in (tmp_path / "gathered").iterdir())
    assert "tls.crt:" in gathered
    assert "tls.key:" not in gathered
    for command in (["status"], ["cert", "list"], ["trust", "list"], ["trust", "show"], ["rotate-ca", "plan"]):
        more = ["--new-secret", "ca2", "--issuer", "knative-serving-ca-issuer"] if command[0] == "rotate-ca" else []
        code, _, err = say(*command, *more, "-f", str(tmp_path / "gathered"))
        assert code == 0, command
        assert "the files hold no" not in err, command
    _, out, _ = say("check", "-f", str(tmp_path / "gathered"))
    others = {kind.resource for kind in (k.CRD, k.SELF_SUBJECT_ACCESS_REVIEW, k.BUNDLE, k.KNATIVE_SERVING)}
    assert set(re.findall(r"(\S+): none in the files", out)) <= others
