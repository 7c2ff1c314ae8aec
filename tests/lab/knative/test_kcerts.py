from __future__ import annotations

import pytest

from kntls.lab.knative import kcerts
from kntls.lab.knative.config import Issuers, Network
from kntls.lab.knative.names import local_hosts

ROUTE = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Route",
    "metadata": {"name": "hello", "namespace": "Team", "uid": "u-1"},
}


def test_the_kcert_of_a_route_has_three_sorted_names():
    wanted = kcerts.route_local(ROUTE, "", Network())
    assert wanted["metadata"]["name"] == "route-u-1-local"
    assert wanted["spec"]["dnsNames"] == ["hello.Team", "hello.Team.svc", "hello.Team.svc.cluster.local"]
    assert wanted["spec"]["domain"] == "svc.cluster.local"


def test_a_tag_enters_the_name_as_its_adler32():
    wanted = kcerts.route_local(ROUTE, "blue", Network())
    assert wanted["metadata"]["name"] == "route-u-1-69140905-local"
    assert wanted["spec"]["dnsNames"][0] == "blue-hello.Team"


def test_a_namespace_of_digits_has_no_short_name():
    assert local_hosts("hello", "42") == ["hello.42.svc", "hello.42.svc.cluster.local"]


def test_the_kcert_of_queue_proxies_names_the_namespace_in_lower_case():
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Team", "uid": "n"}}
    assert kcerts.serving_certs(namespace, Network())["spec"]["dnsNames"] == ["kn-user-team", "data-plane.knative.dev"]


def kcert(first: str, domain: str = "") -> dict[str, object]:
    spec = {"dnsNames": [first], "secretName": "s", **({"domain": domain} if domain else {})}
    metadata = {"name": "k", "namespace": "n", "uid": "u", "labels": {}}
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Certificate",
        "metadata": metadata,
        "spec": spec,
    }


def test_a_name_over_63_characters_is_replaced_by_k_and_the_domain():
    long = "x" * 60 + ".svc.cluster.local"
    assert kcerts.common_name(kcert(long, "svc.cluster.local")) == (
        "k.svc.cluster.local",
        ["k.svc.cluster.local", long],
    )
    assert kcerts.common_name(kcert("x" * 63))[0] == "x" * 63


def test_a_namespace_over_55_characters_can_have_no_queue_proxy_certificate():
    with pytest.raises(kcerts.TooLong):
        kcerts.certificate(kcert("kn-user-" + "n" * 56), Issuers())


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("True", "Ready", "True"),
        ("Unknown", "x", "Unknown"),
        ("False", "Pending", "Unknown"),
        ("False", "IncorrectIssuer", "False"),
        ("False", "DoesNotExist", "False"),
    ],
)
def test_a_kcert_is_ready_as_its_certificate_is(status, reason, expected):
    found = {"status": {"conditions": [{"type": "Ready", "status": status, "reason": reason}]}}
    assert kcerts.readiness(found)["status"] == expected


def test_a_kcert_without_certificate_is_unknown():
    assert kcerts.readiness(None)["reason"] == "NoCertManagerCertCondition"
