"""enable, disable and generate on the command line: usage errors, and manifests that read back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.world import ca


def kntls(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kntls", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enable"], "which surface?"),
        (["disable"], "which surface?"),
        (["generate", "config"], "which surface?"),
        (["enable", "--system-internal", "--algorithm", "dsa"], "no such key type"),
        (["enable", "--system-internal", "--duration", "ten years"], "not a duration"),
        (["enable", "--system-internal", "--duration", "10m"], "too short for a CA"),
        (["enable", "--system-internal", "--common-name", "x" * 65], "longer than 64"),
        (["generate", "trust-bundle", "--ca", "/does/not/exist"], "No such file"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    done = kntls(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unreachable_cluster_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    config = tmp_path / "config"
    cluster = {"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "gone", "context": {"cluster": "gone", "user": "me"}}
    body = {
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "me", "user": {}}],
        "current-context": "gone",
    }
    config.write_text(yaml.safe_dump(body))
    done = kntls("enable", "--system-internal", "--kubeconfig", str(config), "--request-timeout", "1s")
    assert done.returncode == 3
    assert "no API server answers" in done.stderr


def test_generated_yaml_is_documents_and_json_is_one_list() -> None:
    text = kntls("generate", "issuers", "-n", "certs").stdout
    documents = list(yaml.safe_load_all(text))
    assert [document["kind"] for document in documents] == ["ClusterIssuer", "Certificate", "ClusterIssuer"]
    assert documents[1]["metadata"]["namespace"] == "certs"
    assert json.loads(kntls("generate", "issuers", "-n", "certs", "-o", "json").stdout)["items"] == documents


def test_a_bundle_is_made_of_standard_input() -> None:
    pem = ca().certificate.pem()
    done = kntls("generate", "trust-bundle", "--ca", "-", stdin=f"# a comment\n{pem}\n\n")
    assert yaml.safe_load(done.stdout)["data"] == {"knative-ca-bundle.pem": pem}
