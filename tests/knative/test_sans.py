"""The SANs that Knative's certificates must have."""

from __future__ import annotations

from kntls.knative.sans import cluster_local_hosts, expected
from kntls.model import kinds as k
from tests.world import healthy


def test_the_two_system_internal_certificates_are_known_by_rule():
    world = healthy()
    routing = world.get(k.KCERT, "routing-serving-certs", world.serving)
    user = world.get(k.KCERT, "serving-certs", "team-a")
    assert expected(routing) == {"kn-routing", "data-plane.knative.dev"}
    assert expected(user) == {"kn-user-team-a", "data-plane.knative.dev"}


def test_a_namespace_of_digits_has_no_short_name():
    assert cluster_local_hosts("app", "123") == {"app.123.svc", "app.123.svc.cluster.local"}
    assert "app.team" in cluster_local_hosts("app", "team")


def test_a_first_name_too_long_for_a_common_name_brings_another():
    name = f"{'a' * 60}.team-a"
    kcert = {"metadata": {"name": "route-1-local"}, "spec": {"dnsNames": [name], "domain": "svc.cluster.local"}}
    assert expected(kcert) == {name, "k.svc.cluster.local"}
