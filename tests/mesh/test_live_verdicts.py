"""The same policies read from a real API server and from files give the same filters and the same verdicts."""

import json
import os
from pathlib import Path

import pytest

from kntls.cli.main import run
from kntls.mesh import resources
from tests.e2e.kube import run as kubectl

pytestmark = pytest.mark.cluster

BUNDLES = resources.read([str(Path(__file__).parent / "cases" / "mesh-policies.yaml")]).bundles
POLICIES = json.dumps({"apiVersion": "v1", "kind": "List", "items": [entry.body for entry in BUNDLES["kmt-kind"]]})
QUESTIONS = {
    "compile": ["compile", "--workload", "knative-serving/app=activator"],
    "compile-tcp": ["compile", "--workload", "tenant-1/app=x", "--tcp"],
    "explain": ["explain", "--from", "tenant-2/default", "--to", "tenant-1/echo:80", "-o", "json"],
    "explain-no-sidecar": ["explain", "--from", "tenant-2/x", "--no-sidecar", "--to", "tenant-1/echo:80", "-o", "json"],
}
ECHO = """---
{apiVersion: v1, kind: Namespace, metadata: {name: tenant-1, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: tenant-2, labels: {istio-injection: enabled}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: echo, namespace: tenant-1},
 spec: {replicas: 0, selector: {matchLabels: {app: echo}}, template: {metadata: {labels: {app: echo}},
   spec: {serviceAccountName: default, containers: [{name: c, image: dev.local/i, ports: [{containerPort: 8080}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: echo, namespace: tenant-1},
 spec: {selector: {app: echo}, ports: [{name: http, port: 80, targetPort: 8080}]}}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The manifests, in the cluster and as files."""
    directory = tmp_path_factory.mktemp("manifests")
    (directory / "policies.json").write_text(POLICIES)
    (directory / "echo.yaml").write_text(ECHO)
    kubectl("create", "namespace", "knative-serving", check=False)
    kubectl("apply", "-f", str(directory / "echo.yaml"))
    kubectl("apply", "-f", str(directory / "policies.json"))
    yield str(directory)
    kubectl("delete", "-f", str(directory), "--wait=false", check=False)


def answer(capsys, *arguments):
    assert run(["mesh", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_cluster_and_its_manifests_give_the_same_answer(name, files, capsys):
    live = answer(capsys, *QUESTIONS[name], "--kubeconfig", os.environ["KNTLS_E2E_KUBECONFIG"])
    offline = answer(capsys, *QUESTIONS[name], "-f", files)
    if name.startswith("compile"):
        assert live == offline
    else:
        judged = [{**json.loads(text), "unread": [], "assumed": []} for text in (live, offline)]
        for document in judged:
            for hop in (hop for route in document["routes"] for hop in route["hops"]):
                hop["location"] = ""
        assert judged[0] == judged[1]
        assert judged[0]["verdict"] == ("403" if name == "explain" else "000")
