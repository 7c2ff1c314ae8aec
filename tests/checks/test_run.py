"""Running checks: what applies, what was not looked at, what explains what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kntls.checks import CHECKS, Category
from kntls.checks.run import Outcome, run, select, within
from kntls.errors import UsageError
from kntls.model import kinds as k
from kntls.model.observation import Unread
from tests.world import AT, INTERNAL, World, ca, healthy


def outcomes(world: World) -> dict[str, Outcome]:
    return {result.check.id: result.outcome for result in run(world.observation(), CHECKS.values()).results}


def test_a_kind_that_was_not_read_is_never_taken_for_fine() -> None:
    world = healthy()
    world.forget(k.SECRET)
    world.unread = (Unread(k.SECRET.resource, "forbidden: list secrets"),)
    found = run(world.observation(), select(["KN-LEAF-002"]))
    (result,) = found.results
    assert result.outcome == Outcome.UNSEEN
    assert result.reason == "secrets: forbidden: list secrets"


@pytest.mark.parametrize(
    "kind", [k.SECRET, k.CONFIG_MAP, k.DEPLOYMENT, k.KCERT, k.CERTIFICATE, k.CLUSTER_ISSUER, k.POD, k.ROUTE]
)
def test_leaving_a_kind_out_never_makes_a_finding(kind: k.Kind) -> None:
    world = healthy()
    world.forget(kind)
    world.live = False
    found = outcomes(world)
    bad = {id for id, outcome in found.items() if outcome in (Outcome.ERROR, Outcome.WARNING)}
    assert bad == set()
    assert Outcome.UNSEEN in found.values()


def test_a_surface_that_is_off_has_checks_that_do_not_apply() -> None:
    found = outcomes(healthy(surfaces=(INTERNAL,)))
    assert found["KN-SERVE-005"] == Outcome.IDLE
    assert found["KN-TRUST-007"] == Outcome.SUCCESS


def test_whether_a_surface_is_on_is_unknown_without_its_configuration() -> None:
    world = healthy()
    world.drop(k.CONFIG_MAP, "config-network", world.serving)
    world.live = False
    assert outcomes(world)["KN-LEAF-002"] == Outcome.UNSEEN


def test_files_without_private_keys_do_not_look_like_missing_keys() -> None:
    world = healthy()
    world.live = False
    for secret in world.objects[k.SECRET].values():
        secret |= {"keys": ["ca.crt", "tls.crt"], "publicKey": "", "keyProblem": "it has no tls.key"}
    found = outcomes(world)
    assert found["KN-LEAF-004"] == found["KN-ISSUER-008"] == Outcome.UNSEEN


def test_keys_a_must_gather_left_out_do_not_look_like_broken_ones() -> None:
    world = healthy()
    world.live = False
    for secret in world.objects[k.SECRET].values():
        secret |= {"publicKey": "", "keyProblem": "its tls.key is not a private key in PEM"}
    found = outcomes(world)
    assert found["KN-LEAF-004"] == found["KN-ISSUER-008"] == Outcome.UNSEEN


def test_a_namespace_that_is_not_in_the_files_is_not_looked_at() -> None:
    world = healthy()
    world.live = False
    for kind in (k.DEPLOYMENT, k.POD, k.SECRET, k.CERTIFICATE):
        for space, name in [*world.objects[kind]]:
            if space == "cert-manager":
                world.drop(kind, name, space)
    found = outcomes(world)
    assert found["KN-CM-001"] == found["KN-ISSUER-006"] == found["KN-ISSUER-009"] == Outcome.UNSEEN
    assert Outcome.ERROR not in found.values()


def test_secrets_that_were_gathered_elsewhere_only_are_not_missing() -> None:
    world = healthy()
    world.live = False
    for space, name in [*world.objects[k.SECRET]]:
        if space != world.serving:
            world.drop(k.SECRET, name, space)
    found = outcomes(world)
    assert found["KN-ISSUER-006"] == found["KN-LEAF-001"] == Outcome.UNSEEN
    assert Outcome.ERROR not in found.values()


def test_files_do_not_tell_how_long_something_has_been_going_on() -> None:
    world = healthy()
    world.live = False
    long_ago = (AT - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.put(k.LEASE, "kntls", world.serving, spec={"holderIdentity": "alice", "renewTime": long_ago})
    world.put(k.CERTIFICATE_REQUEST, "serving-certs-2", "team-a", status={"conditions": []})
    found = outcomes(world)
    assert found["KN-ROT-004"] == found["KN-CM-006"] == Outcome.UNSEEN


def test_without_knative_no_surface_is_on() -> None:
    world = healthy(surfaces=())
    for kind in (k.DEPLOYMENT, k.CONFIG_MAP):
        for space, name in [*world.objects[kind]]:
            if space != "cert-manager":
                world.drop(kind, name, space)
    found = outcomes(world)
    assert found["KN-CONFIG-001"] == Outcome.ERROR
    assert found["KN-LEAF-002"] == found["KN-TRUST-007"] == Outcome.IDLE


def test_what_is_said_of_cas_and_leaves_needs_some() -> None:
    world = healthy()
    world.objects[k.CERTIFICATE].clear()
    world.drop(k.CLUSTER_ISSUER, "knative-serving-ca-issuer")
    found = outcomes(world)
    assert found["KN-ISSUER-007"] == found["KN-LEAF-002"] == found["KN-TRUST-020"] == Outcome.IDLE


def test_who_may_see_nothing_but_that_is_told_nothing() -> None:
    nothing = World()
    nothing.unread = tuple(Unread(kind.resource, "forbidden") for kind in k.ALL)
    report = run(nothing.observation(), select([]))
    assert report.warnings[0].check.id == "KN-API-001"
    assert report.blind


def test_what_was_not_read_is_listed_in_the_same_order_every_time() -> None:
    world = healthy()
    world.unread = tuple(Unread(kind.resource, "forbidden") for kind in (k.POD, k.BUNDLE, k.ISSUER))
    report = run(world.observation(), select(["KN-API-001"]))
    assert [entry.what for entry in report.unread] == sorted(entry.what for entry in world.unread)
    reasons = [problem.reason for problem in report.results[0].roots]
    assert reasons == sorted(reasons)


def test_a_server_we_may_not_greet_is_not_found_silent() -> None:
    world = healthy()
    world.shows["queue-proxy"] = "forbidden: get and create pods/portforward in namespace team-a"
    assert outcomes(world)["KN-SERVE-001"] == Outcome.SUCCESS


def test_a_finding_explains_others_of_its_namespace_only() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    world.sign("serving-certs", "team-b", ca("stranger"))
    found = {result.check.id: result for result in run(world.observation(), CHECKS.values()).results}
    refused = {str(entry.problem.object): entry.cause for entry in found["KN-TRUST-007"].found}
    assert refused["Certificate team-a/serving-certs"] == "KN-LEAF-002"
    assert refused["Certificate team-b/serving-certs"] == ""


def test_a_namespace_narrows_findings_but_keeps_those_of_the_system() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    report = run(world.observation(), select(["KN-LEAF-002"]))
    assert within(report, "team-a").errors
    assert not within(report, "team-b").errors


def test_checks_are_chosen_by_id_prefix_or_category() -> None:
    assert [check.id for check in select(["kn-leaf-002"])] == ["KN-LEAF-002"]
    assert {check.category for check in select(["KN-LEAF", "trust"])} == {Category.LEAF, Category.TRUST}


def test_a_name_that_means_nothing_is_a_usage_error_that_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="no such check or category: tls") as caught:
        select(["tls"])
    assert "trust" in caught.value.fix


def test_the_clock_is_the_observations() -> None:
    world = healthy()
    later = world.observation()
    object.__setattr__(later, "taken_at", AT + timedelta(days=100))
    found = {result.check.id for result in run(later, CHECKS.values()).errors}
    assert "KN-LEAF-005" in found
