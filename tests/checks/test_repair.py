"""What `--fix` would do: the safe subset, and why the rest is left to people."""

from __future__ import annotations

from kntls.checks.repair import plan
from kntls.checks.run import run, select
from kntls.engine.predict import after
from kntls.model import kinds as k
from kntls.model.plan import Plan, Verb
from kntls.pki.bundle import is_strict
from tests.checks.breakages import BREAKAGES, _unreconciled
from tests.world import ISSUER, LOCAL, World, ca, condition, healthy

KEY = "knative-ca-bundle.pem"


def mending(world: World) -> Plan:
    observation = world.observation()
    return plan(observation, run(observation, select([])))


def bundle(world: World) -> dict:
    return world.get(k.CONFIG_MAP, "knative-ca-bundle", world.serving)


def test_a_healthy_world_needs_no_mending() -> None:
    assert mending(healthy()).actions == ()


def test_a_dropped_bundle_is_written_strictly_with_every_certificate_it_had() -> None:
    world = healthy()
    before = bundle(world)["data"][KEY]
    bundle(world)["data"][KEY] = "# a\n" + before + "# b\n"
    (action,) = mending(world).actions
    observation = world.observation()
    (change,) = action.changes(observation)
    written = after(observation.find(change.ref), change)
    assert written is not None
    assert written["data"][KEY] == before
    assert is_strict(written["data"][KEY]) == ""
    assert not action.done(observation).complete


def test_a_bundle_that_trust_manager_writes_is_left_alone() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    owner = {"kind": "Bundle", "apiVersion": "trust.cert-manager.io/v1alpha1", "name": "roots", "controller": True}
    bundle(world)["metadata"]["ownerReferences"] = [owner]
    assert mending(world).actions == ()
    assert any("trust-manager writes it" in note for note in mending(world).notes)


def test_a_bundle_that_gitops_tracks_is_left_alone_and_the_rest_mended() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    bundle(world)["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "infra"}
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    (action,) = mending(world).actions
    assert action.stage == "KN-LEAF-002"
    assert any("Argo CD (infra) tracks" in note for note in mending(world).notes)


def test_a_bundle_with_a_private_key_is_left_to_people() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += ca("leaked").key_pem()
    assert mending(world).actions == ()


def test_a_leaf_with_wrong_names_is_issued_again() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    (action,) = mending(world).actions
    (change,) = action.changes(world.observation())
    assert change.verb == Verb.CONDITION
    assert change.body["reason"] == "ManuallyTriggered"


def test_a_leaf_that_is_being_issued_is_not_triggered_again() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    world.get(k.CERTIFICATE, "serving-certs", "team-a")["status"]["conditions"].append(condition("Issuing"))
    (action,) = mending(world).actions
    assert action.changes(world.observation()) == ()


def test_a_routes_leaf_is_not_issued_again_for_that_cuts_long_requests() -> None:
    world = healthy()
    name = next(name for space, name in world.objects[k.CERTIFICATE] if space == "team-a" and "route" in name)
    world.sign(name, "team-a", names=("hello.team-a",))
    assert mending(world).actions == ()


def test_nothing_is_issued_again_while_the_signing_ca_is_not_trusted() -> None:
    world = healthy()
    world.add_ca("ca2")
    world.switch("ca2")
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    assert mending(world).actions == ()


def test_nothing_is_issued_again_by_a_ca_that_forbids_the_names() -> None:
    world = healthy()
    breakage = next(entry for entry in BREAKAGES if entry.id == "KN-ISSUER-012")
    breakage.apply(world)
    world.sign("serving-certs", "team-a", names=("kn-user-team-a", "data-plane.knative.dev", "kn-user-team-b"))
    assert mending(world).actions == ()


def test_nothing_is_issued_again_by_an_issuer_whose_ca_is_not_known() -> None:
    world = healthy()
    world.get(k.CLUSTER_ISSUER, ISSUER)["spec"] = {"vault": {"path": "pki/sign/knative"}}
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    assert mending(world).actions == ()


def test_nothing_is_issued_again_while_nobody_would_issue_it() -> None:
    world = healthy()
    world.get(k.DEPLOYMENT, "cert-manager", "cert-manager")["spec"]["replicas"] = 0
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    assert mending(world).actions == ()


def test_a_ca_crt_that_is_not_pem_has_the_routing_certificate_issued_again() -> None:
    world = healthy()
    world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"] = "see the wiki"
    (action,) = mending(world).actions
    (change,) = action.changes(world.observation())
    assert change.ref.name == "routing-serving-certs"
    assert change.ref.kind == k.CERTIFICATE


def test_what_depends_on_a_bundle_is_mended_after_it() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"] = "see the wiki"
    first, second = mending(world).actions
    assert first.stage == "KN-TRUST-003"
    assert second.stage == "KN-TRUST-006"


def test_a_restart_needs_two_ready_replicas() -> None:
    world = healthy(surfaces=(LOCAL,))
    _unreconciled(world)
    assert mending(world).actions == ()
    controller = world.get(k.DEPLOYMENT, "controller", world.serving)
    controller["spec"]["replicas"] = 2
    controller["status"] |= {"readyReplicas": 2, "updatedReplicas": 2}
    (action,) = mending(world).actions
    (change,) = action.changes(world.observation())
    assert change.ref == action.changes(world.observation())[0].ref
    assert change.ref.name == "controller"


def test_a_restart_that_would_turn_a_surface_on_is_left_to_enable() -> None:
    world = healthy()
    world.shows["activator"] = "connection refused"
    found = mending(world)
    assert found.actions == ()
    assert any("kntls enable --system-internal" in note for note in found.notes)


def test_everything_that_is_not_mended_is_noted_with_its_command() -> None:
    world = healthy()
    world.config()["cluster-local-domains-tls"] = "Enabled"
    (note,) = mending(world).notes
    assert "KN-CONFIG-007" in note
    assert "kubectl patch" in note
