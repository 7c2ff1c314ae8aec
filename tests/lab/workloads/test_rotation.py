from __future__ import annotations

import socket
import ssl
import threading

import pytest

from kntls.lab.client import RESOURCES
from kntls.lab.objects import clone
from kntls.lab.reading import data_of, is_true, status_of
from kntls.lab.workloads.queueproxy import QueueProxy
from tests.lab.small import Administrator, two_services, until, world
from tests.lab.traffic import Traffic

HOSTS = ("hello.team-a.svc.cluster.local", "direct.team-b.svc.cluster.local")


@pytest.fixture(scope="module")
def encrypted():
    with world(objects=two_services()) as made:
        administrator = Administrator(made)
        administrator.enable()
        yield administrator


def presented(address: str, port: int, name: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), 5) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        return tls.getpeercert(binary_form=True) or b""


def leaf(administrator: Administrator, namespace: str, name: str) -> bytes:
    data = data_of(administrator.client.get("secrets", namespace, name))
    return ssl.PEM_cert_to_DER_cert(
        data["tls.crt"].decode().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )


def queue_proxies_reloaded(administrator: Administrator) -> bool:
    programs = [one for pod in administrator.world.kubelet.pods.values() for one in pod.programs.values()]
    return all(
        presented(one.pod.address, 8112, "x") == leaf(administrator, one.pod.namespace, "serving-certs")
        for one in programs
        if isinstance(one, QueueProxy)
    )


def wait_for_polls(administrator: Administrator) -> None:
    """Long enough for a kubelet's sync and a queue-proxy's poll."""
    threading.Event().wait(administrator.world.clock.real(130.0))


def test_the_right_order_loses_no_request_and_the_naive_one_does(encrypted):
    one, made = encrypted, encrypted.world
    one.authority("ca2")
    one.bundle(one.pem("ca1") + one.pem("ca2"))
    with Traffic(made, *HOSTS) as careful:
        one.reissue("ca2")
        until(lambda: queue_proxies_reloaded(one), "queue-proxies present the new leaf")
        one.bundle(one.pem("ca2"))
        start = careful.rounds
        until(lambda: careful.rounds > start + 8, "more traffic")
    assert careful.answers[200] > 50
    assert careful.failed == 0, careful.reasons[:3]

    one.authority("ca3")
    one.bundle(one.pem("ca2") + one.pem("ca3"))
    with Traffic(made, *HOSTS) as naive:
        one.reissue("ca3")
        one.bundle(one.pem("ca3"))
        start = naive.rounds
        until(lambda: naive.rounds > start + 8, "more traffic")
        until(lambda: queue_proxies_reloaded(one), "queue-proxies present the new leaf")
    assert naive.failed > 0
    assert any("CERTIFICATE_VERIFY_FAILED" in reason or "unknown authority" in reason for reason in naive.reasons)
    one.bundle("".join(one.pem(name) for name in ("ca1", "ca2", "ca3")))


def test_every_server_presents_its_leaf(encrypted):
    gateway = encrypted.world.gateways()[0].address
    activator = encrypted.world.pods("knative-serving", app="activator")[0].address
    route = next(
        one
        for one in encrypted.client.list("certificates.networking.internal.knative.dev")
        if "route" in one["metadata"]["name"]
    )
    host = route["spec"]["dnsNames"][0]
    secret = leaf(encrypted, route["metadata"]["namespace"], route["metadata"]["name"])
    until(lambda: presented(gateway, 8444, host) == secret, "the gateway presents the route's leaf")
    assert presented(activator, 8112, "kn-routing") == leaf(encrypted, "knative-serving", "routing-serving-certs")
    until(lambda: queue_proxies_reloaded(encrypted), "queue-proxies present their leaf")


def test_the_gateway_refuses_a_host_without_a_certificate(encrypted):
    with pytest.raises(ssl.SSLError):
        presented(encrypted.world.gateways()[0].address, 8444, "unknown.team-a.svc.cluster.local")


def test_the_activator_crashes_on_a_ca_that_is_not_pem_and_comes_back(encrypted):
    secret = encrypted.client.get("secrets", "knative-serving", "routing-serving-certs")
    kept = clone(secret["data"])
    broken = {**kept, "ca.crt": "bm8gcGVt"}
    encrypted.patch("secrets", "knative-serving", "routing-serving-certs", {"data": broken})
    until(lambda: restarts(encrypted) >= 2, "the activator crash-loops")
    assert not encrypted.world.pods("knative-serving", app="activator")
    encrypted.patch("secrets", "knative-serving", "routing-serving-certs", {"data": kept})
    until(lambda: encrypted.world.pods("knative-serving", app="activator"), "the activator runs again")


def restarts(administrator: Administrator) -> int:
    pods = [
        one for one in administrator.client.list("pods", "knative-serving") if "activator" in one["metadata"]["name"]
    ]
    return max(one["restartCount"] for pod in pods for one in status_of(pod)["containerStatuses"])


def test_kourier_does_not_notice_a_changed_ca_of_the_routing_secret(encrypted):
    until(encrypted.idle, "the world is quiet")
    before = upstream_roots(encrypted)
    other = {"ca.crt": data_to_text(encrypted.pem("ca1"))}
    secret = encrypted.client.get("secrets", "knative-serving", "routing-serving-certs")
    kept = clone(secret["data"])
    encrypted.patch("secrets", "knative-serving", "routing-serving-certs", {"data": other})
    encrypted.world.loop.settle()
    assert upstream_roots(encrypted) == before
    encrypted.patch("secrets", "knative-serving", "routing-serving-certs", {"data": kept})


def upstream_roots(administrator: Administrator) -> set[tuple[bytes, ...]]:
    """What the gateway trusts behind it."""
    snapshot = administrator.world.plane.snapshot
    assert snapshot is not None
    splits = [split for virtual in snapshot.local.values() for split in virtual.splits]
    return {split.cluster.tls.roots for split in splits if split.cluster.tls}


def data_to_text(pem: str) -> str:
    import base64

    return base64.b64encode(pem.encode()).decode()


def test_a_queue_proxy_that_never_reloads_keeps_its_leaf(encrypted):
    fault = encrypted.world.faults.add("no-reload=queue-proxy")
    before = [one.loaded for one in queue_proxies(encrypted)]
    encrypted.authority("ca4")
    encrypted.bundle("".join(encrypted.pem(name) for name in ("ca1", "ca2", "ca3", "ca4")))
    encrypted.reissue("ca4")
    wait_for_polls(encrypted)
    assert [one.loaded for one in queue_proxies(encrypted)] == before
    encrypted.world.faults.remove(fault)
    until(lambda: queue_proxies_reloaded(encrypted), "they reload once they may")


def queue_proxies(administrator: Administrator) -> list[QueueProxy]:
    pods = sorted(administrator.world.kubelet.pods.values(), key=lambda pod: pod.name)
    return [one for pod in pods for one in pod.programs.values() if isinstance(one, QueueProxy)]


def test_a_request_from_zero_waits_for_its_pod(encrypted):
    from kntls.lab.layouts import tables

    encrypted.world.put(tables.knative_service("cold", "team-a", {"initial-scale": "0"}))
    found = lambda: encrypted.client.get("services.serving.knative.dev", "team-a", "cold")  # noqa: E731
    until(lambda: is_true(found() or {}, "Ready"), "the cold service is Ready")
    with Traffic(encrypted.world, "cold.team-a.svc.cluster.local", overlap=1) as calls:
        until(lambda: calls.answers[200] > 0, "an answer from zero")
    assert calls.failed == 0, calls.reasons
    encrypted.world.store.delete(RESOURCES["services.serving.knative.dev"], "team-a", "cold")
