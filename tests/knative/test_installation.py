"""What is installed is found, never assumed."""

from __future__ import annotations

import pytest

from kntls.errors import NotInstalled, Refused
from kntls.knative.installation import Flavour, detect, drain_seconds, require_supported
from kntls.knative.restarts import restarts_owed
from kntls.model import kinds as k
from tests.world import OPENSHIFT, OPERATOR, UPSTREAM, healthy


@pytest.mark.parametrize(
    ("flavour", "expected", "trust", "gateway"),
    [
        (UPSTREAM, Flavour.UPSTREAM, ("knative-serving",), "kourier-system"),
        (OPERATOR, Flavour.OPERATOR, ("knative-serving",), "knative-serving"),
        (OPENSHIFT, Flavour.OPENSHIFT, ("knative-serving", "knative-serving-ingress"), "knative-serving-ingress"),
    ],
)
def test_each_installation_is_recognised_with_its_namespaces(flavour, expected, trust, gateway):
    found = detect(healthy(flavour).observation())
    assert found.flavour == expected
    assert found.trust_namespaces == trust
    assert found.gateway_namespace == gateway
    assert found.version == "1.23.0"


def test_no_knative_is_said_so():
    world = healthy()
    world.forget(k.DEPLOYMENT)
    world.forget(k.CONFIG_MAP)
    with pytest.raises(NotInstalled, match="Knative Serving is not installed"):
        detect(world.observation())


def test_a_version_before_certificates_became_kcerts_is_refused():
    world = healthy()
    world.get(k.DEPLOYMENT, "controller", world.serving)["metadata"]["labels"]["app.kubernetes.io/version"] = "1.13.1"
    with pytest.raises(Refused, match="too old"):
        require_supported(detect(world.observation()))


@pytest.mark.parametrize(
    ("container", "seconds"),
    [
        ({"args": ["--drain-time-s", "40"]}, 40),
        ({"args": ["--drain-time-s=7"]}, 7),
        ({"command": ["envoy"], "args": ["--drain-time-s", "$(T)"], "env": [{"name": "T", "value": "33"}]}, 33),
        ({"args": ["--log-level", "info"]}, 15),
    ],
)
def test_the_drain_time_is_read_from_the_gateway(container, seconds):
    world = healthy()
    gateway = world.get(k.DEPLOYMENT, "3scale-kourier-gateway", world.gateway)
    gateway["spec"]["template"]["spec"]["containers"] = [{"name": "envoy", "image": "envoy", **container}]
    seen = world.observation()
    assert drain_seconds(seen, detect(seen)) == seconds


def test_a_controller_that_was_not_restarted_leaves_kcerts_without_status():
    world = healthy()
    world.get(k.KCERT, "routing-serving-certs", world.serving)["status"] = {}
    seen = world.observation()
    assert [owed.deployment.name for owed in restarts_owed(seen, detect(seen))] == ["controller"]


def test_an_activator_that_was_not_restarted_does_not_answer_on_its_tls_port():
    world = healthy()
    world.shows["activator"] = "connection refused"
    seen = world.observation()
    (owed,) = restarts_owed(seen, detect(seen))
    assert owed.command == "kubectl rollout restart deploy/activator -n knative-serving"


def test_with_the_mesh_as_ingress_layer_the_control_planes_namespace_gets_a_bundle_too():
    world = healthy(surfaces=())
    world.config()["ingress-class"] = "istio.ingress.networking.knative.dev"
    world.deployment("istiod-basic", "istio-system", {}, "istiod")
    assert detect(world.observation()).trust_namespaces == ("knative-serving", "istio-system")
