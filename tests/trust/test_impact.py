"""Impact: what stops verifying when a CA is removed."""

from __future__ import annotations

from kntls.knative.installation import detect
from kntls.trust.impact import impact
from tests.world import ca, healthy, leaf


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
