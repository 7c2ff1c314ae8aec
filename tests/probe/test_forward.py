"""Handshakes through port-forward: the same as direct ones, and what it says when there is no way through."""

from __future__ import annotations

import functools
import os
import socket
import threading
import time

import pytest
from kubernetes.client import ApiClient, Configuration

from kntls.cluster.connection import connect
from kntls.model.kinds import POD
from kntls.model.objects import name_of
from kntls.pki.create import issue, new_ca
from kntls.probe.forward import PortForwardDialer
from kntls.probe.handshake import Handshake, handshake, verified_handshake
from tests.probe.kubelet import port_forward
from tests.probe.servers import YEAR, address, server, tls

CA = new_ca("ca1", lifetime=YEAR)
LEAF = issue(CA, dns=["kn-routing"], lifetime=YEAR)


def dialer(dial, **settings: object) -> PortForwardDialer:
    """A port-forward dialer for the API server that `dial` leads to."""
    host, port = address(dial)
    configuration = Configuration()
    configuration.host = f"http://{host}:{port}"
    for name, value in settings.items():
        setattr(configuration, name, value)
    return PortForwardDialer(ApiClient(configuration), timeout=5)


def greet(through: PortForwardDialer, name: str = "kn-routing", port: int = 1, **options: object) -> Handshake:
    """A handshake through port-forward."""
    return handshake(lambda: through.dial("ns", "pod", "", port), name, **options)


def forwards() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("forward ")]


def gone() -> bool:
    """Whether every relay has ended; waits for it a while."""
    for _ in range(500):
        if not forwards():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def pod(tmp_path):
    with server(tls(LEAF, tmp_path)) as dial:
        yield address(dial)


def test_a_forwarded_handshake_sees_what_a_direct_one_sees(pod):
    asked: list[dict[str, str]] = []
    with server(port_forward(pod, asked)) as dial:
        through = dialer(dial, api_key={"authorization": "Bearer t0ken"})
        through.api.default_headers["Impersonate-User"] = "jane"
        seen = greet(through, port=8112, roots=[CA.certificate])
        direct = handshake(lambda: socket.create_connection(pod), "kn-routing", roots=[CA.certificate])
    assert seen == direct
    assert seen.verdict.ok
    (request,) = asked
    assert request[""] == "GET /api/v1/namespaces/ns/pods/pod/portforward?ports=8112 HTTP/1.1"
    assert request["authorization"] == "Bearer t0ken"
    assert request["impersonate-user"] == "jane"
    assert gone()


def test_a_verifying_handshake_goes_through_as_well(pod):
    with server(port_forward(pod, [])) as dial:
        through = functools.partial(dialer(dial).dial, "ns", "pod", "", 1)
        for root, accepted in ((CA, True), (new_ca("other", lifetime=YEAR), False)):
            seen = verified_handshake(through, "kn-routing", roots=[root.certificate])
            assert seen.verdict.ok is accepted
    assert gone()


def test_a_port_on_which_nobody_listens_is_a_refused_connection():
    with server(port_forward(None, [])) as dial:
        through = dialer(dial)
        assert greet(through).error == "connection refused"
    assert gone()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("403 Forbidden", "forbidden: get and create pods/portforward in namespace ns"),
        ("401 Unauthorized", "forbidden: get and create pods/portforward in namespace ns"),
        ("404 Not Found", "port-forward to ns/pod: no such pod"),
        ("500 Internal Server Error", "port-forward to ns/pod: HTTP 500"),
    ],
)
def test_a_refusal_by_the_api_server_is_told(status, error):
    with server(port_forward(None, [], status)) as dial:
        through = dialer(dial)
        assert greet(through).error == error
    assert gone()


def test_an_api_server_that_is_not_there_is_told():
    with server(port_forward(None, [])) as dial:
        through = dialer(dial)
    assert greet(through).error == "connection refused"


def test_an_api_server_is_verified_as_the_kubeconfig_says(tmp_path, pod):
    serving = issue(CA, ips=["127.0.0.1"], lifetime=YEAR)
    (tmp_path / "ca.pem").write_text(CA.certificate.pem())
    (tmp_path / "other.pem").write_text(new_ca("other", lifetime=YEAR).certificate.pem())
    (tmp_path / "api").mkdir()
    terminate = tls(serving, tmp_path / "api", then=port_forward(pod, []))
    with server(terminate) as dial:
        for file, accepted in (("ca.pem", True), ("other.pem", False)):
            through = dialer(dial, ssl_ca_cert=str(tmp_path / file))
            through.api.configuration.host = through.api.configuration.host.replace("http:", "https:")
            seen = greet(through)
            assert bool(seen.chain) is accepted, seen.error
            assert ("certificate verify failed" in seen.error) is not accepted
    assert gone()


def test_a_connection_that_nobody_uses_any_more_ends_its_relay(pod):
    with server(port_forward(pod, [])) as dial:
        connection = dialer(dial).dial("ns", "pod", "", 1)
        assert forwards()
        connection.close()
        assert gone()


@pytest.mark.cluster
def test_on_a_real_cluster_a_webhook_is_seen_and_a_dead_port_is_refused():
    cluster = connect(kubeconfig=os.environ["KNTLS_E2E_KUBECONFIG"])
    (pod, *_) = cluster.list(POD, "cert-manager", selector="app.kubernetes.io/name=webhook")
    through, name = PortForwardDialer(cluster.api), name_of(pod)
    seen = handshake(lambda: through.dial("cert-manager", name, "", 10250), "cert-manager-webhook.cert-manager.svc")
    assert seen.chain, seen.error
    assert handshake(lambda: through.dial("cert-manager", name, "", 1), "a").error == "connection refused"
    assert "no such pod" in handshake(lambda: through.dial("cert-manager", "none", "", 1), "a").error
    assert gone()
