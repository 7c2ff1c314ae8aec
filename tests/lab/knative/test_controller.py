from __future__ import annotations

import pytest

from kntls.lab.answers import ApiError
from kntls.lab.client import RESOURCES
from kntls.lab.layouts import tables
from kntls.lab.layouts.worlds import named
from kntls.lab.objects import condition
from kntls.lab.reading import is_true, status_of
from tests.lab.small import CERTIFICATES, DEPLOYMENTS, SERVICES, Administrator, until, world

KCERTS = "certificates.networking.internal.knative.dev"
INGRESSES = "ingresses.networking.internal.knative.dev"


@pytest.fixture
def administrator():
    objects = [
        *named("upstream").objects(),
        tables.namespace("team-a"),
        tables.knative_service("hello", "team-a", {"min-scale": "1"}),
    ]
    with world(objects=objects) as made:
        yield Administrator(made)


def test_flags_without_a_restart_make_kcerts_but_no_certificates(administrator):
    flags = {"system-internal-tls": "Enabled", "cluster-local-domain-tls": "Enabled"}
    administrator.patch("configmaps", "knative-serving", "config-network", {"data": flags})
    until(lambda: len(administrator.client.list(KCERTS)) == 3, "three KCerts")
    administrator.world.loop.settle()
    assert not administrator.client.list(CERTIFICATES)
    assert not any(condition(one, "Ready") for one in administrator.client.list(KCERTS))
    ingress = administrator.client.get(INGRESSES, "team-a", "hello")
    until(
        lambda: condition(administrator.client.get(INGRESSES, "team-a", "hello"), "Ready")["status"] == "Unknown",
        "stuck",
    )
    text = condition(administrator.client.get(INGRESSES, "team-a", "hello"), "Ready")["message"]
    assert 'secret "routing-serving-certs" not found' in text
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["splits"][0]["servicePort"] == 443


def test_an_activator_started_without_its_secret_crash_loops(administrator):
    administrator.patch("configmaps", "knative-serving", "config-network", {"data": {"system-internal-tls": "Enabled"}})
    stamp = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    administrator.patch(DEPLOYMENTS, "knative-serving", "activator", {"spec": {"template": stamp}})
    pods = lambda: [  # noqa: E731
        one
        for pod in administrator.client.list("pods", "knative-serving")
        for one in status_of(pod).get("containerStatuses") or []
        if one["name"] == "activator" and one["restartCount"] > 1
    ]
    until(pods, "the new activator crash-loops")
    assert pods()[0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert administrator.world.pods("knative-serving", app="activator")


def template(administrator):
    return administrator.client.get(DEPLOYMENTS, "team-a", "hello-00001-deployment")["spec"]["template"]


def test_turned_on_and_off_again_the_deployment_is_rolled_and_the_certificates_stay(administrator):
    administrator.enable()
    assert template(administrator)["spec"]["volumes"][0]["secret"]["secretName"] == "serving-certs"
    flags = {"system-internal-tls": "Disabled", "cluster-local-domain-tls": "Disabled"}
    administrator.patch("configmaps", "knative-serving", "config-network", {"data": flags})
    until(lambda: "volumes" not in template(administrator)["spec"], "the volume goes")
    assert len(administrator.client.list(KCERTS)) == 3
    until(
        lambda: status_of(administrator.client.get(SERVICES, "team-a", "hello"))["url"].startswith("http:"),
        "http again",
    )


def test_a_users_edit_of_a_certificate_is_reverted(administrator):
    administrator.enable()
    administrator.patch(CERTIFICATES, "team-a", "serving-certs", {"spec": {"duration": "24h"}})

    def duration() -> bool:
        return "duration" in administrator.client.get(CERTIFICATES, "team-a", "serving-certs")["spec"]

    until(lambda: not duration(), "the edit is reverted")


def test_another_issuer_name_drops_https_until_the_leaf_is_issued_again(administrator):
    administrator.enable()
    ref = {"data": {"clusterLocalIssuerRef": "name: nowhere\n"}}
    administrator.patch("configmaps", "knative-serving", "config-certmanager", ref)
    until(lambda: not administrator.encrypted(), "https is dropped")
    route = next(one for one in administrator.client.list(KCERTS) if one["metadata"]["name"].startswith("route-"))
    assert not is_true(route, "Ready")
    assert "tls" not in administrator.client.get(INGRESSES, "team-a", "hello")["spec"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("config-network", {"system-internal-tls": "perhaps"}, 'system-internal-tls with value: "perhaps"'),
        ("config-network", {"_example": "x"}, 'the update modifies a key in "_example"'),
        ("config-certmanager", {"issuerRef": "a: [b"}, "did not find expected"),
    ],
)
def test_the_webhook_refuses_what_does_not_parse(administrator, name, data, message):
    with pytest.raises(ApiError, match="denied the request: validation failed") as refused:
        administrator.patch("configmaps", "knative-serving", name, {"data": data})
    assert refused.value.code == 400
    assert message in refused.value.message


def test_a_service_may_start_without_a_pod_only_where_the_cluster_allows_it(administrator):
    administrator.patch(
        "configmaps", "knative-serving", "config-autoscaler", {"data": {"allow-zero-initial-scale": None}}
    )
    with pytest.raises(ApiError, match="initial-scale=0 not allowed by cluster"):
        administrator.world.put(tables.knative_service("cold", "team-a", {"initial-scale": "0"}))


def test_a_scale_that_is_no_number_is_refused(administrator):
    with pytest.raises(ApiError, match=r"invalid value: many: spec.template.metadata.annotations.*/min-scale"):
        administrator.world.put(tables.knative_service("odd", "team-a", {"min-scale": "many"}))


def test_a_kingress_that_somebody_emptied_is_written_anew(administrator):
    found = administrator.client.get(INGRESSES, "team-a", "hello")
    administrator.world.store.update(RESOURCES[INGRESSES], {key: found[key] for key in found if key != "spec"})
    administrator.patch(SERVICES, "team-a", "hello", {"spec": {"template": {"spec": {"timeoutSeconds": 30}}}})
    until(lambda: (administrator.client.get(INGRESSES, "team-a", "hello") or {}).get("spec"), "a spec again")
    until(lambda: is_true(administrator.client.get(INGRESSES, "team-a", "hello"), "Ready"), "the gateway took it up")


def test_a_port_without_a_number_is_the_default_one(administrator):
    service = tables.knative_service("vague", "team-a", {"min-scale": "1"})
    service["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "http1"}]
    administrator.world.put(service)
    until(lambda: is_true(administrator.client.get(SERVICES, "team-a", "vague") or {}, "Ready"), "Ready")


def test_without_its_webhook_nothing_of_knatives_is_written(administrator):
    administrator.patch(DEPLOYMENTS, "knative-serving", "webhook", {"spec": {"replicas": 0}})
    until(lambda: not administrator.world.pods("knative-serving", app="webhook"), "the webhook is gone")
    with pytest.raises(ApiError, match='no endpoints available for service "webhook"'):
        administrator.world.put(tables.knative_service("other", "team-a"))
