"""What `generate` prints is what `enable` writes."""

from __future__ import annotations

from kntls.certmanager.manifests import RootOptions, root_options
from kntls.model import kinds as k
from kntls.model.objects import dig
from kntls.surfaces import generate
from kntls.surfaces.enable import enable
from kntls.trust.edit import adding, bundle_ref
from tests.surfaces.test_enable import by_id
from tests.surfaces.worlds import CLUSTER_LOCAL, SYSTEM, cluster, request, without_issuers
from tests.world import OPERATOR, UPSTREAM, ca


def test_the_issuers_are_those_that_enable_makes() -> None:
    world = without_issuers(cluster())
    plan = enable(world.observation(), request(SYSTEM))
    made = by_id(plan, "issuer/knative-serving-ca-issuer").changes(world.observation())
    assert tuple(change.body for change in made) == generate.issuers(RootOptions())


def test_the_bundle_is_the_one_that_enable_writes() -> None:
    anchors = (ca().certificate,)
    made = generate.trust_bundle(anchors, "knative-ca-bundle", ("knative-serving",))
    world = without_issuers(cluster())
    ref = bundle_ref("knative-serving")
    assert made == tuple(change.body for change in adding(world.observation(), ref, anchors))


def test_the_configuration_is_what_enable_sets() -> None:
    world = without_issuers(cluster(UPSTREAM))
    plan = enable(world.observation(), request(SYSTEM, CLUSTER_LOCAL))
    _, certmanager = generate.config_maps(frozenset((SYSTEM, CLUSTER_LOCAL)))
    change = by_id(plan, "issuer-refs").changes(world.observation())[0]
    assert dig(change.body, "data") == certmanager["data"]


def test_for_the_operator_it_is_the_part_of_a_knative_serving_in_the_short_spelling() -> None:
    (serving,) = generate.knative_serving(frozenset((SYSTEM,)))
    assert serving["kind"] == k.KNATIVE_SERVING.name
    assert serving["spec"]["config"] == {
        "network": {"system-internal-tls": "Enabled"},
        "certmanager": {"systemInternalIssuerRef": "kind: ClusterIssuer\nname: knative-serving-ca-issuer\n"},
    }
    world = without_issuers(cluster(OPERATOR))
    change = by_id(enable(world.observation(), request(SYSTEM)), "issuer-refs").changes(world.observation())[0]
    assert dig(change.body, "spec", "config", "certmanager") == serving["spec"]["config"]["certmanager"]


def test_options_of_a_ca_keep_its_renewal_before_its_end() -> None:
    assert root_options() == RootOptions()
    made = root_options("my-ca", "3650d", "rsa-4096")
    assert (made.common_name, made.duration, made.renew_before) == ("my-ca", "87600h", "8760h")
    assert (made.algorithm, made.size) == ("RSA", 4096)
    assert root_options(duration="90m").renew_before == "9m"
