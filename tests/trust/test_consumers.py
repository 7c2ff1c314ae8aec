"""Effective trust: what each consumer accepts, by its own reading."""

from __future__ import annotations

from kntls.knative.installation import detect
from kntls.model import kinds as k
from kntls.trust.consumers import EffectiveTrust, consumers, effective_trust
from tests.world import OPENSHIFT, World, ca, healthy


def trust(world: World) -> dict[str, EffectiveTrust]:
    seen = world.observation()
    return {entry.name.split()[0]: effective_trust(seen, entry) for entry in consumers(detect(seen))}


def test_a_healthy_world_trusts_its_ca_from_two_places():
    for entry in trust(healthy()).values():
        (sources,) = entry.anchors.values()
        assert [source.ref.kind for source in sources] == [k.CONFIG_MAP, k.SECRET]


def test_a_comment_at_the_end_is_dropped_by_kourier_alone():
    world = healthy()
    world.bundle(ca("extra"), name="extra")["data"]["knative-ca-bundle.pem"] += "# end\n"
    seen = trust(world)
    extra = ca("extra").certificate
    assert extra in seen["activator"].anchors
    assert extra not in seen["Envoy"].anchors
    assert "text after the last certificate" in seen["Envoy"].dropped[0][1]


def test_the_value_of_the_label_is_irrelevant_its_presence_counts():
    world = healthy()
    world.bundle(ca("extra"), name="x")["metadata"]["labels"]["networking.knative.dev/trust-bundle"] = "false"
    assert ca("extra").certificate in trust(world)["activator"].anchors


def test_a_ca_crt_that_is_not_pem_crashes_the_activator_only():
    world = healthy()
    world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"] = "nonsense"
    seen = trust(world)
    assert seen["activator"].crashes
    assert not seen["Envoy"].crashes


def test_on_openshift_each_consumer_reads_its_own_namespace():
    world = healthy(OPENSHIFT)
    world.bundle(ca("extra"), name="extra", namespace="knative-serving-ingress")
    seen = trust(world)
    assert ca("extra").certificate not in seen["activator"].anchors
    assert ca("extra").certificate in seen["Envoy"].anchors


def test_a_bundle_in_the_gateways_namespace_is_read_by_nobody():
    world = healthy()
    world.bundle(ca("extra"), name="extra", namespace="kourier-system")
    assert all(ca("extra").certificate not in entry.anchors for entry in trust(world).values())
