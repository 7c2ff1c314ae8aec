from dataclasses import replace

import pytest

from kntls.mesh.outsiders import Scope, outsiders, unseen
from kntls.mesh.resources import from_objects


def pod(place, app, *, sidecar=True, env="", args=()):
    namespace, _, name = place.partition("/")
    containers = [{"name": "c", "env": [{"name": "URL", "value": env}], "args": list(args)}]
    containers += [{"name": "istio-proxy"}] if sidecar else []
    metadata = {"name": name, "namespace": namespace, "labels": {"app": app}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
        "status": {"phase": "Running"},
    }


def service(place, kind="ClusterIP"):
    namespace, _, name = place.partition("/")
    spec = {"type": kind, "selector": {"app": name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


WEB = [service("shop/web"), pod("shop/web-1", "web")]


def names(objects, scope=None):
    return [(each.role, each.namespace, each.name) for each in outsiders(from_objects(objects), scope or Scope())]


def test_a_mesh_where_everybody_has_a_sidecar_breaks_nobody():
    assert names([*WEB, pod("shop/cart-1", "cart", env="http://web")]) == []


@pytest.mark.parametrize("url", ["http://web.shop/x", "http://web.shop.svc.cluster.local:80", "tcp://web.shop.svc"])
def test_a_caller_is_known_by_the_service_names_in_its_settings(url):
    assert names([*WEB, pod("old/job-1", "job", sidecar=False, env=url)]) == [("caller", "old", "job-1")]


@pytest.mark.parametrize("url", ["http://web.shopping/x", "http://my-web.shop/x", "http://other.old"])
def test_other_names_do_not_make_a_caller(url):
    objects = [*WEB, pod("old/job-1", "job", sidecar=False, env=url)]
    assert names(objects) == []
    assert unseen(from_objects(objects), ()) == ("old",)


def test_a_pod_without_sidecar_in_the_namespace_is_a_likely_caller():
    assert names([*WEB, pod("shop/cron-1", "cron", sidecar=False)]) == [("caller", "shop", "cron-1")]


def test_the_scope_limits_who_counts():
    objects = [*WEB, pod("shop/cron-1", "cron", sidecar=False)]
    assert names(objects, Scope(("other",))) == []
    assert names(objects, Scope(("shop",), (("app", "other"),))) == []
    assert names(objects, Scope(("shop",), (("app", "web"),))) == [("caller", "shop", "cron-1")]


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_services_open_to_the_outside_are_named(kind):
    assert names([service("shop/web", kind), pod("shop/web-1", "web")]) == [("caller", "shop", "web")]


def test_the_ingress_gateway_is_not_its_own_outsider():
    gateway = pod("istio-system/gw-1", "istio-ingressgateway")
    gateway["metadata"]["labels"]["istio"] = "ingressgateway"
    front = service("istio-system/istio-ingressgateway", "LoadBalancer")
    assert names([front, gateway]) == []


def test_webhooks_ingresses_and_routes_call_from_outside():
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "check"},
        "webhooks": [{"name": "a", "clientConfig": {"service": {"namespace": "shop", "name": "web"}}}],
    }
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "front", "namespace": "shop"},
        "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]},
    }
    route = {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "door", "namespace": "shop"},
        "spec": {"to": {"name": "web"}},
    }
    assert names([*WEB, hook, ingress, route]) == [
        ("caller", "", "check"),
        ("caller", "shop", "door"),
        ("caller", "shop", "front"),
    ]


def test_servers_without_sidecar_break_only_where_clients_are_made_to_insist():
    objects = [*WEB, service("old/db"), pod("old/db-1", "db", sidecar=False)]
    assert names(objects) == []
    assert names(objects, Scope(mutual_rule=True)) == [("server", "old", "db")]
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "db", "namespace": "old"},
        "spec": {"host": "db", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    }
    assert names([*objects, rule], Scope(mutual_rule=True)) == []


def test_an_outsider_is_accepted_by_namespace_or_by_name():
    (found,) = outsiders(from_objects([*WEB, pod("shop/cron-1", "cron", sidecar=False)]), Scope())
    assert found.named(["shop"])
    assert found.named(["shop/cron-1"])
    assert not found.named(["shop/cron", "", "cron-1", "other"])


def loose(place, labels=None, port=None):
    namespace, _, name = place.partition("/")
    spec = {"selector": {"matchLabels": labels}} if labels else {}
    spec |= {"portLevelMtls": {port: {"mode": "PERMISSIVE"}}} if port else {"mtls": {"mode": "PERMISSIVE"}}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2024-01-01T00:00:00Z"}
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


CALLER = pod("old/job-1", "job", sidecar=False, env="http://web.shop")


@pytest.mark.parametrize(
    "kept", [loose("shop/default"), loose("shop/web", {"app": "web"}), loose("shop/web", {"app": "web"}, "80")]
)
def test_what_a_narrower_policy_keeps_open_breaks_nobody(kept):
    assert names([*WEB, CALLER]) == [("caller", "old", "job-1")]
    assert names([*WEB, CALLER, kept]) == []


def test_the_policy_of_the_same_scope_is_replaced():
    assert names([*WEB, CALLER, loose("shop/default")], Scope(("shop",))) == [("caller", "old", "job-1")]


def test_a_port_that_stays_open_breaks_nobody():
    scope = Scope(("shop",), (("app", "web"),))
    assert names([*WEB, CALLER], scope) == [("caller", "old", "job-1")]
    assert names([*WEB, CALLER], replace(scope, open_ports=(80,))) == []


def test_a_host_that_is_excepted_at_the_same_time_breaks_nobody():
    objects = [*WEB, service("old/db"), pod("old/db-1", "db", sidecar=False)]
    scope = Scope(mutual_rule=True)
    assert ("server", "old", "db") in names(objects, scope)
    excepted = replace(scope, plain_hosts=("db.old.svc.cluster.local",))
    assert ("server", "old", "db") not in names(objects, excepted)


@pytest.mark.parametrize("place", ["old/db", "istio-system/db"])
def test_a_rule_that_excepts_a_host_may_lie_anywhere(place):
    namespace, _, name = place.partition("/")
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"host": "db.old.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    }
    objects = [*WEB, service("old/db"), pod("old/db-1", "db", sidecar=False), rule]
    assert ("server", "old", "db") not in names(objects, Scope(mutual_rule=True))
