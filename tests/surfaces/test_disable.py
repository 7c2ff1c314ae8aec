"""What `disable` plans: Envoy first, queue-proxies last, the legacy key too, and nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kntls.model import kinds as k
from kntls.model.objects import dig
from kntls.model.plan import Plan, Verb
from kntls.surfaces.disable import disable
from tests.surfaces.test_enable import by_id, ids, undone
from tests.surfaces.worlds import (
    CLUSTER_LOCAL,
    EXTERNAL_DOMAIN,
    INTERNAL,
    LOCAL,
    SYSTEM,
    World,
    cluster,
    request,
)
from tests.world import OPENSHIFT, OPERATOR, UPSTREAM


def plan(world: World, *surfaces: Any, **more: Any) -> Plan:
    return disable(world.observation(), request(*surfaces, **more))


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from((UPSTREAM, OPERATOR)),
    st.sets(st.sampled_from((SYSTEM, CLUSTER_LOCAL, EXTERNAL_DOMAIN)), min_size=1),
)
def test_on_a_cluster_where_it_is_off_there_is_nothing_to_do(flavour: str, surfaces: set[Any]) -> None:
    world = cluster(flavour)
    assert undone(plan(world, *surfaces), world) == []


@pytest.mark.parametrize("flavour", [UPSTREAM, OPERATOR])
def test_envoy_moves_first_then_activators_and_queue_proxies_last(flavour: str) -> None:
    order = ids(plan(cluster(flavour, (INTERNAL, LOCAL)), SYSTEM))
    expected = [
        "hold/revision", "wait/route", "freeze", "flag/system-internal", "wait/port-80", "resume", "wait/ingress-plain",
        "restart/activator", "wait/endpoints", "wait/drained", "release/revision", "wait/revisions",
    ]  # fmt: skip
    assert [id for id in order if id in expected] == expected


def test_every_temporary_change_is_taken_back() -> None:
    for flavour in (UPSTREAM, OPERATOR, OPENSHIFT):
        found = plan(cluster(flavour, (INTERNAL, LOCAL)), SYSTEM, CLUSTER_LOCAL)
        released = {id for action in found.actions for id in action.releases}
        assert {action.id for action in found.actions if action.temporary} == released


def test_the_legacy_key_that_would_overrule_the_new_one_is_set_to_false() -> None:
    world = cluster(UPSTREAM, (INTERNAL,))
    world.config()["internal-encryption"] = "true"
    found = plan(world, SYSTEM)
    body = by_id(found, "flag/system-internal").changes(world.observation())[0].body
    assert dig(body, "data", "internal-encryption") == "false"
    assert any("legacy" in note for note in found.notes)
    world.config().update({"internal-encryption": "false", INTERNAL: "Disabled"})
    assert by_id(found, "flag/system-internal").done(world.observation()).complete


def test_after_the_last_surface_the_controller_stops_making_certificates() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    assert "restart/controller-off" not in ids(plan(world, SYSTEM))
    assert "restart/controller-off" in ids(plan(world, SYSTEM, CLUSTER_LOCAL))


def test_openshift_uses_the_documented_order_and_names_whom_it_interrupts() -> None:
    found = plan(cluster(OPENSHIFT, (INTERNAL,)), SYSTEM)
    assert "freeze" not in ids(found)
    assert "team-a/hello" in found.interruptions[0]


def test_clients_of_https_addresses_are_warned() -> None:
    found = plan(cluster(UPSTREAM, (LOCAL,)), CLUSTER_LOCAL)
    assert found.interruptions == ("clients that call cluster-local addresses with https must go back to http",)


def test_clean_deletes_what_is_off_and_never_the_routing_certificate() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    found = plan(world, SYSTEM, clean=True)
    world.config()[INTERNAL] = "Disabled"
    changes = by_id(found, "clean/kcerts").changes(world.observation())
    assert {change.verb for change in changes} == {Verb.DELETE}
    assert {(change.ref.namespace, change.ref.name) for change in changes} == {
        ("team-a", "serving-certs"),
        ("team-b", "serving-certs"),
    }


def test_secrets_go_only_once_their_certificate_is_gone() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    secrets = by_id(plan(world, SYSTEM, clean=True), "clean/secrets")
    assert secrets.changes(world.observation()) == ()
    world.drop(k.CERTIFICATE, "serving-certs", "team-a")
    assert [change.ref.namespace for change in secrets.changes(world.observation())] == ["team-a"]


def test_a_secret_that_cert_manager_did_not_make_is_kept() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    secrets = by_id(plan(world, SYSTEM, clean=True), "clean/secrets")
    world.drop(k.CERTIFICATE, "serving-certs", "team-a")
    world.get(k.SECRET, "serving-certs", "team-a")["metadata"]["annotations"] = {}
    assert secrets.changes(world.observation()) == ()


def test_a_run_that_was_killed_after_the_flag_goes_on_where_it_was() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    world.config()[INTERNAL] = "Disabled"
    deployment = world.get(k.DEPLOYMENT, "net-kourier-controller", world.ingress)
    deployment["metadata"]["annotations"] = {"kntls.dev/restore": '{"spec": {"replicas": 1}}'}
    deployment["spec"]["replicas"] = 0
    order = ids(plan(world, SYSTEM))
    assert "freeze" not in order
    assert order.index("hold/revision") < order.index("wait/port-80") < order.index("resume")
    assert order.index("resume") < order.index("restart/activator") < order.index("release/revision")


def test_a_freeze_that_was_left_is_lifted_whatever_is_asked_for() -> None:
    for may_hold, surfaces in ((False, (SYSTEM,)), (True, (CLUSTER_LOCAL,))):
        world = cluster(UPSTREAM, (INTERNAL, LOCAL))
        deployment = world.get(k.DEPLOYMENT, "net-kourier-controller", world.ingress)
        deployment["metadata"]["annotations"] = {"kntls.dev/restore": '{"spec": {"replicas": 1}}'}
        deployment["spec"]["replicas"] = 0
        assert "resume/left-over" in ids(plan(world, *surfaces, may_hold=may_hold))


def test_queue_proxies_are_not_waited_for_where_somebody_turned_it_on_again() -> None:
    world = cluster(UPSTREAM, (INTERNAL,))
    found = plan(world, SYSTEM)
    for id in ("release/revision", "wait/revisions"):
        assert by_id(found, id).guard(world.observation()) == "somebody turned system-internal on again meanwhile"
    world.config()[INTERNAL] = "Disabled"
    assert by_id(found, "wait/revisions").guard(world.observation()) == ""


def test_it_works_without_cert_manager() -> None:
    world = cluster(UPSTREAM, (INTERNAL,))
    world.drop(k.DEPLOYMENT, "cert-manager", "cert-manager")
    assert "flag/system-internal" in ids(plan(world, SYSTEM))
