from __future__ import annotations

import pytest

from kntls.errors import UsageError
from kntls.lab.knative import operator
from kntls.lab.layouts.worlds import LAYOUTS, named
from kntls.lab.reading import is_true
from tests.lab.small import DEPLOYMENTS, SERVICES, Administrator, until, world
from tests.lab.traffic import Traffic


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_becomes_ready_and_answers(layout):
    with world(layout) as made:
        assert all(is_true(one, "Ready") for one in made.client.list(SERVICES))
        assert made.gateways()
        with Traffic(made, "hello.team-a.svc.cluster.local", "direct.team-b.svc.cluster.local") as traffic:
            until(lambda: traffic.rounds > 3, "requests")
        assert traffic.failed == 0, traffic.reasons


def test_an_unknown_layout_is_a_usage_error():
    with pytest.raises(UsageError, match="no such layout: k3s"):
        named("k3s")


def test_the_operator_puts_back_what_somebody_else_changed():
    with world("operator") as made:
        administrator = Administrator(made)
        administrator.patch(
            "configmaps", "knative-serving", "config-network", {"data": {"ingress-class": "other", "mine": "x"}}
        )
        data = lambda: administrator.client.get("configmaps", "knative-serving", "config-network")["data"]  # noqa: E731
        until(lambda: data()["ingress-class"].startswith("kourier"), "the key of the CR is back")
        assert data()["mine"] == "x"
        administrator.patch(DEPLOYMENTS, "knative-serving", "net-kourier-controller", {"spec": {"replicas": 0}})

        def replicas() -> int:
            return administrator.client.get(DEPLOYMENTS, "knative-serving", "net-kourier-controller")["spec"][
                "replicas"
            ]

        until(lambda: replicas() == 1, "the Deployment is back")
        serving = "knativeservings.operator.knative.dev"
        workloads = {"spec": {"workloads": [{"name": "net-kourier-controller", "replicas": 0}]}}
        administrator.patch(serving, "knative-serving", "knative-serving", workloads)
        until(lambda: replicas() == 0, "the override holds")


def test_the_full_name_of_a_config_hides_the_short_one():
    serving = {"spec": {"config": {"network": {"a": "1"}, "config-network": {"b": "2"}}}}
    assert operator.config_of(serving, "config-network") == {"b": "2"}


def test_a_key_no_longer_wanted_goes_and_a_foreign_one_stays():
    merged = operator.merged_data({"old": "1", "foreign": "2", "kept": "0"}, {"kept": "3"}, {"old": "1", "kept": "0"})
    assert merged == {"foreign": "2", "kept": "3"}


def test_openshift_has_kourier_and_its_second_certificate_in_a_namespace_of_its_own():
    with world("openshift") as made:
        home = "knative-serving-ingress"
        assert made.client.get(DEPLOYMENTS, home, "net-kourier-controller")
        assert made.client.get("configmaps", home, "config-network")
        assert made.client.get("certificates.networking.internal.knative.dev", home, "routing-serving-certs")
