"""What the checks of trust tell people to do."""

from __future__ import annotations

from kntls.checks import CHECKS
from kntls.checks.run import run
from kntls.model import kinds as k
from tests.world import World, healthy


def advice(world: World, id: str) -> set[str]:
    """The commands that a check gives."""
    (result,) = run(world.observation(), [CHECKS[id]]).results
    return {entry.problem.fix for entry in result.found}


def without_bundle() -> World:
    world = healthy()
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)
    return world


def test_a_missing_bundle_is_made_of_the_ca_that_is_in_use() -> None:
    (command,) = advice(without_bundle(), "KN-TRUST-001")
    assert command.startswith("kubectl get secrets/ca1 -n cert-manager ")
    assert command.endswith("| kntls trust add --ca - --yes")


def test_without_a_ca_in_the_cluster_enable_finds_or_makes_it() -> None:
    world = without_bundle()
    world.drop(k.SECRET, "ca1", "cert-manager")
    assert advice(world, "KN-TRUST-001") == {"kntls enable --cluster-local --system-internal"}
