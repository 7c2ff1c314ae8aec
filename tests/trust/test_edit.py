"""Writing bundles: strict, complete, and nothing lost that lay there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kntls.model import kinds as k
from kntls.model.objects import ObjectRef
from kntls.pki.bundle import is_strict
from kntls.trust.bundles import bundle_of
from kntls.trust.edit import adding, bundle_ref, obstacle, removing
from tests.world import World, ca, healthy

NAMES = ("a", "b", "c", "d", "e")
REF = bundle_ref("knative-serving")
some_cas = st.lists(st.sampled_from(NAMES), unique=True)


def apply(world: World, ref: ObjectRef, changes: object) -> None:
    for change in changes:  # type: ignore[attr-defined]
        metadata = {"labels": change.body["metadata"]["labels"]}
        world.put(k.CONFIG_MAP, ref.name, ref.namespace, metadata=metadata, data=change.body["data"])


def held(world: World, ref: ObjectRef = REF) -> set[str]:
    obj = world.observation().find(ref)
    return {cert.common_name for cert in bundle_of(obj).certificates} if obj else set()


@given(before=some_cas, wanted=some_cas, gone=some_cas)
def test_adding_and_removing_do_exactly_that_in_the_strict_form(before, wanted, gone):
    world = healthy(tenants=())
    world.bundle(*(ca(name) for name in before))
    apply(world, REF, adding(world.observation(), REF, [ca(name).certificate for name in wanted]))
    assert held(world) == {*before, *wanted}
    assert adding(world.observation(), REF, [ca(name).certificate for name in wanted]) == ()
    apply(world, REF, removing(world.observation(), REF, [ca(name).certificate for name in gone]))
    assert held(world) == {*before, *wanted} - {*gone}
    assert removing(world.observation(), REF, [ca(name).certificate for name in gone]) == ()
    assert all(not is_strict(text) for text in bundle_of(world.observation().find(REF)).data.values() if text)


def test_a_bundle_that_a_consumer_drops_is_written_again_though_nothing_is_missing():
    world = healthy()
    world.bundle(ca())["data"]["knative-ca-bundle.pem"] += "# end\n"
    (change,) = adding(world.observation(), REF, [ca().certificate])
    assert not is_strict(change.body["data"]["knative-ca-bundle.pem"])


def test_every_key_of_an_adopted_bundle_is_kept():
    world = healthy()
    bundle = world.bundle(ca("a"))
    bundle["data"] = {"mine.crt": ca("a").certificate.pem(), "note": ""}
    (change,) = adding(world.observation(), REF, [ca("b").certificate])
    assert change.body["data"]["mine.crt"] == ca("a").certificate.pem()
    assert "note" in change.body["data"]


def test_removing_from_one_key_leaves_the_others_as_they_are():
    world = healthy()
    odd = ca("a").certificate.pem() + "# a comment\n" + ca("b").certificate.pem()
    world.bundle(ca())["data"] = {"one": ca("c").certificate.pem() + ca("a").certificate.pem(), "two": odd}
    (change,) = removing(world.observation(), REF, [ca("c").certificate])
    assert change.body["data"]["two"] == odd
    assert change.body["data"]["one"] == ca("a").certificate.pem()


def test_somebody_elses_bundle_is_an_obstacle_until_adopted():
    world = healthy()
    world.bundle(ca())["metadata"]["labels"] = {"networking.knative.dev/trust-bundle": "true"}
    seen = world.observation()
    assert "--adopt knative-serving/knative-ca-bundle" in obstacle(seen, REF)
    assert obstacle(seen, REF, [REF]) == ""


def test_trust_managers_target_is_left_alone_even_if_its_labels_look_like_ours():
    world = healthy()
    owner = {"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "name": "roots", "controller": True}
    world.bundle(ca())["metadata"]["ownerReferences"] = [owner]
    assert "trust-manager's Bundle roots" in obstacle(world.observation(), REF)
