"""Impact: what stops verifying when a CA is removed."""

from __future__ import annotations

from kntls.knative.installation import detect
from kntls.model.kinds import SECRET
from kntls.pki.create import new_ca
from kntls.trust.impact import impact
from tests.pki.forge import YEAR, forge
from tests.world import AT, ca, healthy, leaf


def broken(world: object, name: str = "ca1") -> list[str]:
    seen = world.observation()  # type: ignore[attr-defined]
    return [str(entry) for entry in impact(seen, detect(seen), ca(name).certificate)]


def test_removing_the_only_ca_breaks_every_leaf_for_every_consumer():
    found = broken(healthy())
    assert any("activator" in entry and "team-a/serving-certs" in entry for entry in found)
    assert any("Envoy" in entry and "routing-serving-certs" in entry for entry in found)


def test_removing_a_ca_nobody_needs_breaks_nothing():
    world = healthy()
    world.bundle(ca(), ca("extra"))
    assert broken(world, "extra") == []


def test_a_pod_that_still_presents_an_old_leaf_keeps_its_ca_needed():
    world = healthy()
    new = ca("ca2")
    world.bundle(ca(), new)
    world.reissue(new)
    assert broken(world) == []
    old = leaf(("kn-user-team-a", "data-plane.knative.dev"), ca())
    world.shows["team-a/hello-00001-deployment-0"] = old
    assert any("still presents" in entry for entry in broken(world))


def test_a_ca_renewed_with_its_key_but_another_key_identifier_does_not_replace_its_former_self_for_envoy():
    former = forge("ca1", ca=True, ski=b"1" * 20, begin=AT - YEAR, end=AT + YEAR)
    renewed = new_ca("ca1", key=former.private_key, lifetime=YEAR, at=AT - YEAR / 2)
    world = healthy()
    world.bundle(former, renewed)
    world.reissue(former)
    for secret in world.objects[SECRET].values():
        secret.get("data", {}).pop("ca.crt", None)
    seen = world.observation()
    found = [str(entry) for entry in impact(seen, detect(seen), former.certificate)]
    assert any("Envoy" in entry and "with key identifier 3131" in entry for entry in found)
    assert not any("activator" in entry for entry in found)
