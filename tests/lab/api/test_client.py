"""The official Python client against the lab."""

import socket
import ssl
import threading

import pytest
from kubernetes import dynamic, stream, watch
from kubernetes.client import ApiClient, ApiException, CoreV1Api, CustomObjectsApi, V1ConfigMap, V1ObjectMeta

from kntls.lab.resources import PODS
from tests.lab.api.conftest import configuration

CERTIFICATES = ("cert-manager.io", "v1")


@pytest.fixture
def core(api):
    return CoreV1Api(api)


@pytest.fixture
def config_map(core, namespace):
    return core.create_namespaced_config_map(namespace, V1ConfigMap(metadata=V1ObjectMeta(name="c"), data={"k": "v"}))


def test_a_stale_replace_is_a_conflict(core, namespace, config_map):
    core.patch_namespaced_config_map("c", namespace, {"data": {"k": "w"}})
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("c", namespace, config_map)
    assert refused.value.status == 409


def test_the_dynamic_client_applies_and_is_told_of_conflicts(api, namespace):
    client = dynamic.DynamicClient(api)
    kind = client.resources.get(api_version="cert-manager.io/v1", kind="Certificate")
    spec = {"secretName": "a", "dnsNames": ["a"], "issuerRef": {"name": "x"}}
    body = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "a"}, "spec": spec}
    made = kind.server_side_apply(body=body, namespace=namespace, field_manager="one")
    assert made.metadata.generation == 1
    body["spec"] = {**spec, "dnsNames": ["b"]}
    with pytest.raises(ApiException) as refused:
        kind.server_side_apply(body=body, namespace=namespace, field_manager="two")
    assert refused.value.status == 409


def test_a_watch_delivers_what_happens_and_ends_in_time(core, namespace):
    seen = []
    version = core.list_namespaced_config_map(namespace).metadata.resource_version

    def look():
        listing = core.list_namespaced_config_map
        for event in watch.Watch().stream(listing, namespace, timeout_seconds=10, resource_version=version):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                return

    looking = threading.Thread(target=look)
    looking.start()
    core.create_namespaced_config_map(namespace, V1ConfigMap(metadata=V1ObjectMeta(name="c")))
    core.delete_namespaced_config_map("c", namespace)
    looking.join(10)
    assert [event for event in seen if event[1] == "c"] == [("ADDED", "c"), ("DELETED", "c")]


def test_pages_hold_everything_once(core, namespace):
    for number in range(7):
        core.create_namespaced_secret(namespace, {"metadata": {"name": f"s{number}"}})
    names, token = [], None
    while token is None or token:
        page = core.list_namespaced_secret(namespace, limit=3, _continue=token or None)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"s{number}" for number in range(7)]


def test_a_dry_run_leaves_no_trace(core, namespace):
    core.create_namespaced_secret(namespace, {"metadata": {"name": "s"}}, dry_run="All")
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_secret("s", namespace)
    assert missing.value.status == 404


def test_the_status_has_a_door_of_its_own(api, namespace):
    custom = CustomObjectsApi(api)
    where = (*CERTIFICATES, namespace, "certificates")
    body = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "a"}}
    spec = {"secretName": "a", "issuerRef": {"name": "x"}}
    custom.create_namespaced_custom_object(*where, {**body, "spec": spec, "status": {"revision": 7}})
    assert "status" not in custom.get_namespaced_custom_object(*where, "a")
    custom.patch_namespaced_custom_object_status(*where, "a", {"spec": {"secretName": "b"}, "status": {"revision": 1}})
    found = custom.get_namespaced_custom_object(*where, "a")
    assert (found["spec"]["secretName"], found["status"]["revision"], found["metadata"]["generation"]) == ("a", 1, 1)


@pytest.fixture
def echo():
    """A server that answers in capitals, on a loopback address of its own as the lab's pods are."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(100).upper())

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_port_forward_reaches_a_pods_port(lab, namespace, echo):
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    lab.store.create(PODS, pod)
    lab.store.modify(PODS, namespace, "p", lambda obj: {**obj, "status": {"podIP": "127.0.0.1"}}, "status")
    from kubernetes import config

    core = CoreV1Api(ApiClient(configuration(lab, config)))
    forwarded = stream.portforward(core.connect_get_namespaced_pod_portforward, "p", namespace, ports=str(echo))
    connection = forwarded.socket(echo)
    connection.setblocking(True)
    connection.sendall(b"hello")
    assert connection.recv(100) == b"HELLO"
    connection.close()


def test_the_api_server_listens_on_loopback_only_and_speaks_tls(lab):
    assert lab.server.server_address[0] == "127.0.0.1"
    trusting = ssl.create_default_context(cadata=lab.ca.certificate.pem())
    plain = socket.create_connection(("127.0.0.1", lab.server.server_port))
    with trusting.wrap_socket(plain, server_hostname="kubernetes.default.svc") as connection:
        assert connection.version() == "TLSv1.3"


def test_the_kubeconfig_is_for_its_owner_only(lab):
    assert lab.kubeconfig.stat().st_mode & 0o077 == 0
