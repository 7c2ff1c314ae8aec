"""Configuration: only our keys, in the right place, in the spelling that counts, nothing lost that we set before."""

from __future__ import annotations

from typing import Any

import pytest

from kntls.knative.installation import detect
from kntls.model import kinds as k
from kntls.model.objects import dig
from kntls.surfaces.config import spelling, writing
from tests.surfaces.worlds import INTERNAL, LOCAL, World, cluster
from tests.world import OPERATOR, UPSTREAM


def write(world: World, **settings: str) -> Any:
    observation = world.observation()
    return writing(observation, detect(observation), "config-network", settings)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({}, "network"),
        ({"network": {}}, "network"),
        ({"config-network": {}}, "config-network"),
        ({"config-network": {}, "network": {}}, "config-network"),
    ],
)
def test_the_operator_reads_the_long_spelling_and_ignores_the_short_one_beside_it(config: Any, key: str) -> None:
    assert spelling({"spec": {"config": config}}, "config-network") == key


def test_keys_that_we_applied_before_are_applied_again_or_they_would_vanish() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    change = write(world, **{INTERNAL: "Enabled"})[0]
    assert change.body["data"] == {
        LOCAL: "Enabled", INTERNAL: "Enabled", "ingress-class": "kourier.ingress.networking.knative.dev",
    }  # fmt: skip


def test_keys_of_others_are_not_applied() -> None:
    world = cluster()
    config = world.get(k.CONFIG_MAP, "config-network", world.serving)
    config["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:ingress-class": {}}}}
    ]
    assert write(world, **{INTERNAL: "Enabled"})[0].body["data"] == {INTERNAL: "Enabled"}


def test_with_an_operator_its_object_is_written_and_what_we_applied_elsewhere_in_it_stays() -> None:
    world = cluster(OPERATOR, (LOCAL,))
    serving = world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)
    owned = {
        "f:spec": {"f:config": {"f:certmanager": {"f:clusterLocalIssuerRef": {}}, "f:network": {f"f:{LOCAL}": {}}}}
    }
    serving["metadata"]["managedFields"] = [{"manager": "kntls", "operation": "Apply", "fieldsV1": owned}]
    body = write(world, **{INTERNAL: "Enabled"})[0].body
    assert body["kind"] == "KnativeServing"
    assert dig(body, "spec", "config", "network") == {LOCAL: "Enabled", INTERNAL: "Enabled"}
    assert set(dig(body, "spec", "config", "certmanager")) == {"clusterLocalIssuerRef"}


def test_what_is_so_already_is_not_written() -> None:
    assert write(cluster(UPSTREAM, (LOCAL,)), **{LOCAL: "Enabled"}) == ()
