"""Restarts: only where they are owed, once, and proven by more than a time where there is more."""

from __future__ import annotations

from kntls.knative.names import LEGACY_FLAG
from kntls.model import kinds as k
from kntls.model.plan import Action
from kntls.surfaces import restart
from kntls.surfaces.request import ground_of
from tests.surfaces.worlds import CONTROLLER_LEASE, INTERNAL, LOCAL, SYSTEM, World, cluster, request
from tests.world import AT, UPSTREAM, stamp


def activator(world: World) -> Action:
    return restart.activator(ground_of(world.observation(), request(SYSTEM)))


def switched(world: World, key: str = INTERNAL) -> World:
    """The flag was switched just now: pods are older than it."""
    fields = {"f:data": {f"f:{key}": {}}}
    entry = {"manager": "kntls", "operation": "Apply", "time": stamp(AT), "fieldsV1": fields}
    world.get(k.CONFIG_MAP, "config-network", world.serving)["metadata"]["managedFields"] = [entry]
    world.shows["activator"] = "connection refused"
    return world


def test_an_activator_older_than_the_flag_is_restarted_once() -> None:
    world = switched(cluster(UPSTREAM, (INTERNAL,)))
    changes = activator(world).changes(world.observation())
    assert len(changes) == 1
    template = world.get(k.DEPLOYMENT, "activator", world.serving)["spec"]["template"]
    template["metadata"]["annotations"] = changes[0].body["spec"]["template"]["metadata"]["annotations"]
    assert activator(world).changes(world.observation()) == ()
    assert activator(world).done(world.observation()).missing


def test_one_that_is_younger_is_only_waited_for_until_it_is_rolled_out() -> None:
    world = switched(cluster(UPSTREAM, (INTERNAL,)))
    world.get(k.POD, "activator-0", world.serving)["metadata"]["creationTimestamp"] = stamp(AT)
    world.get(k.DEPLOYMENT, "activator", world.serving)["status"]["updatedReplicas"] = 0
    assert activator(world).changes(world.observation()) == ()
    assert activator(world).done(world.observation()).missing


def test_one_that_presents_a_certificate_is_new_enough_whatever_the_times_say() -> None:
    world = switched(cluster(UPSTREAM, (INTERNAL,)))
    world.shows.clear()
    assert activator(world).done(world.observation()).complete


def test_the_legacy_key_counts_as_the_flag() -> None:
    world = switched(cluster(), LEGACY_FLAG)
    world.config()[LEGACY_FLAG] = "true"
    assert activator(world).changes(world.observation())


def test_where_it_was_never_switched_nothing_is_owed() -> None:
    world = cluster()
    assert activator(world).done(world.observation()).complete


def test_the_controller_is_restarted_where_nobody_alive_makes_certificates() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    action = restart.controller(ground_of(world.observation(), request(SYSTEM)))
    assert action.done(world.observation()).complete
    world.get(k.LEASE, CONTROLLER_LEASE.format("certificate"), world.serving)["spec"]["acquireTime"] = (
        "2026-01-01T00:00:00.000000Z"
    )
    assert len(action.changes(world.observation())) == 1, "its holder died before the oldest pod was made"


def test_before_1_15_another_deployment_makes_certificates() -> None:
    world = cluster()
    world.get(k.DEPLOYMENT, "controller", world.serving)["metadata"]["labels"]["app.kubernetes.io/version"] = "1.14.1"
    action = restart.controller(ground_of(world.observation(), request(SYSTEM)))
    assert action.done(world.observation()).complete


def test_a_stamp_of_an_earlier_restart_in_any_time_zone_does_not_count_for_this_one() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    world.config().pop(LOCAL)
    template = world.get(k.DEPLOYMENT, "controller", world.serving)["spec"]["template"]
    template["metadata"]["annotations"] = {restart.RESTARTED: "2026-06-01T23:00:00+11:00"}
    action = restart.controller_again(ground_of(world.observation(), request(LOCAL)))
    changes = action.changes(world.observation())
    assert changes, "its certificate reconciler still works"
    template["metadata"]["annotations"] = changes[0].body["spec"]["template"]["metadata"]["annotations"]
    assert action.changes(world.observation()) == ()
