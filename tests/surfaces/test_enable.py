"""What `enable` plans: the order, what it refuses, whom it warns of, and that it does nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kntls.errors import NotFound, Refused
from kntls.knative.config import render_issuer_ref
from kntls.model import kinds as k
from kntls.model.objects import ObjectRef, dig
from kntls.model.plan import Action, Plan, Verb
from kntls.surfaces.enable import enable
from tests.surfaces.worlds import (
    CLUSTER_LOCAL,
    CONTROLLER_LEASE,
    EXTERNAL,
    EXTERNAL_DOMAIN,
    HOLDER,
    INTERNAL,
    LOCAL,
    SYSTEM,
    World,
    cluster,
    condition,
    lease,
    request,
    without_issuers,
)
from tests.world import OPENSHIFT, OPERATOR, UPSTREAM, ca, leaf

FLAGS = {SYSTEM: INTERNAL, CLUSTER_LOCAL: LOCAL, EXTERNAL_DOMAIN: EXTERNAL}


def plan(world: World, *surfaces: Any, **more: Any) -> Plan:
    return enable(world.observation(), request(*surfaces, **more))


def ids(found: Plan) -> list[str]:
    return [action.id for action in found.actions]


def by_id(found: Plan, id: str) -> Action:
    return next(action for action in found.actions if action.id == id)


def undone(found: Plan, world: World) -> list[str]:
    now = world.observation()
    return [action.id for action in found.actions if not action.done(now).complete]


def refusal(world: World, *surfaces: Any, **more: Any) -> str:
    return " | ".join(plan(world, *surfaces, **more).refusals)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from((UPSTREAM, OPERATOR)),
    st.sets(st.sampled_from((SYSTEM, CLUSTER_LOCAL, EXTERNAL_DOMAIN)), min_size=1),
)
def test_on_a_cluster_where_it_is_on_already_there_is_nothing_to_do(flavour: str, surfaces: set[Any]) -> None:
    world = cluster(flavour, tuple(FLAGS[surface] for surface in surfaces))
    assert undone(plan(world, *surfaces), world) == []


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from((UPSTREAM, OPERATOR, OPENSHIFT)),
    st.sets(st.sampled_from((SYSTEM, CLUSTER_LOCAL)), min_size=1),
)
def test_every_plan_takes_back_each_temporary_change_and_has_no_id_twice(flavour: str, surfaces: set[Any]) -> None:
    found = plan(without_issuers(cluster(flavour)), *surfaces)
    released = {id for action in found.actions for id in action.releases}
    assert {action.id for action in found.actions if action.temporary} == released
    assert len(set(ids(found))) == len(ids(found))


@pytest.mark.parametrize("flavour", [UPSTREAM, OPERATOR])
def test_the_order_that_drops_nothing_moves_queue_proxies_then_activators_then_envoy(flavour: str) -> None:
    order = ids(plan(without_issuers(cluster(flavour)), SYSTEM, CLUSTER_LOCAL))
    expected = [
        "restart/controller", "certificates/queue-proxy", "wait/revision-route", "freeze/1", "flag/moment",
        "wait/templates", "hold/revision", "flag/back", "wait/port-80", "resume/1", "wait/revisions", "freeze/2",
        "flag/system-internal", "restart/activator", "wait/endpoints-new", "wait/port-443", "resume/2",
        "release/revision", "wait/handshakes",
    ]  # fmt: skip
    assert [id for id in order if id in expected] == expected


def test_the_operator_is_held_around_every_write_it_would_take_back() -> None:
    order = ids(plan(without_issuers(cluster(OPERATOR)), SYSTEM))
    assert order.index("hold/operator") < order.index("issuer-refs") < order.index("freeze/1")
    assert order.index("resume/2") < order.index("release/operator")


def test_while_the_operator_is_held_settings_go_to_its_object_and_straight_to_the_config_map() -> None:
    world = without_issuers(cluster(OPERATOR))
    changes = by_id(plan(world, SYSTEM), "issuer-refs").changes(world.observation())
    assert [(change.verb, change.ref.kind) for change in changes] == [
        (Verb.APPLY, k.KNATIVE_SERVING),
        (Verb.MERGE, k.CONFIG_MAP),
    ]


def test_the_flag_that_is_on_for_a_moment_never_reaches_the_operator() -> None:
    world = without_issuers(cluster(OPERATOR))
    changes = by_id(plan(world, SYSTEM), "flag/moment").changes(world.observation())
    assert [change.ref.kind for change in changes] == [k.CONFIG_MAP]


def test_system_internal_alone_turns_the_certificate_controller_on_by_a_selector_and_puts_it_back() -> None:
    found = plan(without_issuers(cluster()), SYSTEM)
    assert ids(found).index("wildcard/on") < ids(found).index("restart/controller")
    assert "wildcard/on" in by_id(found, "wildcard/off").releases
    assert "wildcard/on" not in ids(plan(without_issuers(cluster()), SYSTEM, CLUSTER_LOCAL))


def test_cluster_local_alone_freezes_nothing_and_interrupts_nobody() -> None:
    found = plan(without_issuers(cluster()), CLUSTER_LOCAL)
    assert not [id for id in ids(found) if id.startswith(("freeze", "hold"))]
    assert "restart/activator" not in ids(found)
    assert found.interruptions == ()


def test_openshift_uses_the_documented_order_and_says_whom_it_interrupts() -> None:
    found = plan(without_issuers(cluster(OPENSHIFT)), SYSTEM)
    assert "freeze/1" not in ids(found)
    assert "team-a/hello, team-b/hello" in found.interruptions[0]
    assert "not proven for OpenShift" in found.interruptions[0]


def test_without_the_permission_to_hold_the_plan_says_whom_it_interrupts_and_why() -> None:
    found = plan(without_issuers(cluster()), SYSTEM, may_hold=False)
    assert "freeze/1" not in ids(found)
    assert "no permission" in found.interruptions[0]


def test_without_revisions_nobody_is_interrupted_and_nothing_is_frozen() -> None:
    world = without_issuers(cluster())
    for kind in (k.DEPLOYMENT, k.REVISION):
        revisions = [key for key, obj in world.objects[kind].items() if "hello" in key[1]]
        for key in revisions:
            del world.objects[kind][key]
    found = plan(world, SYSTEM)
    assert found.interruptions == ()
    assert "freeze/1" not in ids(found)


def test_the_issuers_are_made_once_and_never_overwritten() -> None:
    world = without_issuers(cluster())
    now = world.observation()
    made = by_id(plan(world, SYSTEM), "issuer/knative-serving-ca-issuer").changes(now)
    assert [str(change.ref) for change in made] == [
        "ClusterIssuer knative-serving-selfsigned-issuer",
        "Certificate cert-manager/knative-serving-selfsigned-ca",
        "ClusterIssuer knative-serving-ca-issuer",
    ]
    spec = made[1].body["spec"]
    assert (spec["commonName"], spec["privateKey"]["rotationPolicy"]) == ("selfsigned-ca", "Never")
    world.put(k.CLUSTER_ISSUER, "knative-serving-selfsigned-issuer", spec={"selfSigned": {}})
    again = by_id(plan(world, SYSTEM), "issuer/knative-serving-ca-issuer").changes(world.observation())
    assert len(again) == 2


def test_a_root_gets_another_common_name_where_a_ca_of_that_name_exists() -> None:
    world = without_issuers(cluster())
    world.add_ca("old", ca("selfsigned-ca"))
    made = by_id(plan(world, SYSTEM), "issuer/knative-serving-ca-issuer").changes(world.observation())
    name = next(dig(change.body, "spec", "commonName") for change in made if change.ref.kind == k.CERTIFICATE)
    assert name == "selfsigned-ca knative-serving-ca"


def test_a_secret_in_the_way_that_is_no_ca_is_refused_not_overwritten() -> None:
    world = without_issuers(cluster())
    world.add_ca("knative-serving-ca", leaf(("example.com",), ca()))
    assert "is no CA" in refusal(world, SYSTEM)


def test_a_named_issuer_that_does_not_exist_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(NotFound, match="ClusterIssuer nobody does not exist"):
        plan(cluster(), SYSTEM, issuers={SYSTEM: "nobody"})


@pytest.mark.parametrize(
    ("spec", "surface", "reason"),
    [
        ({"selfSigned": {}}, SYSTEM, "its own CA"),
        ({"acme": {}}, CLUSTER_LOCAL, "ACME cannot prove"),
        ({"acme": {}}, SYSTEM, "ACME cannot prove"),
    ],
)
def test_issuers_that_cannot_sign_for_a_surface_are_refused(spec: Any, surface: Any, reason: str) -> None:
    world = cluster()
    world.put(k.CLUSTER_ISSUER, "theirs", spec=spec, status={"conditions": [condition("Ready")]})
    assert reason in refusal(world, surface, issuers={surface: "theirs"})


def test_acme_is_fine_for_external_domains() -> None:
    world = cluster()
    world.put(k.CLUSTER_ISSUER, "public", spec={"acme": {}}, status={"conditions": [condition("Ready")]})
    assert refusal(world, EXTERNAL_DOMAIN, issuers={EXTERNAL_DOMAIN: "public"}) == ""


def test_vault_is_asked_with_knatives_names_before_anything_is_written() -> None:
    world = cluster()
    world.put(k.CLUSTER_ISSUER, "vault", spec={"vault": {}}, status={"conditions": [condition("Ready")]})
    found = plan(world, SYSTEM, issuers={SYSTEM: "vault"})
    order = ids(found)
    assert order.index("probe/vault") < order.index("trust/knative-serving/knative-ca-bundle")
    assert order.index("probe/vault/delete") < order.index("issuer-refs")
    asked = by_id(found, "probe/vault").changes(world.observation())[0]
    failed = condition("Ready", "False", "Failed", message="role does not allow kn-routing")
    world.put(k.CERTIFICATE_REQUEST, asked.ref.name, asked.ref.namespace, spec={}, status={"conditions": [failed]})
    assert "role does not allow kn-routing" in by_id(found, "probe/vault").guard(world.observation())


def test_another_issuer_for_a_surface_that_is_on_is_refused_with_the_rotation() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    world.put(k.CLUSTER_ISSUER, "other", spec={"ca": {"secretName": "ca1"}}, status={"conditions": []})
    said = refusal(world, CLUSTER_LOCAL, issuers={CLUSTER_LOCAL: "other"})
    assert "kntls rotate-ca --issuer knative-serving-ca-issuer --new-secret NAME" in said


def test_a_namespaced_issuer_on_a_live_surface_is_refused() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    world.config("config-certmanager")["clusterLocalIssuerRef"] = "kind: Issuer\nname: knative-serving-ca-issuer\n"
    assert "looks for a ClusterIssuer" in refusal(world, CLUSTER_LOCAL)


def test_serving_1_15_1_with_two_issuers_is_refused() -> None:
    world = cluster(UPSTREAM, (LOCAL,))
    world.get(k.DEPLOYMENT, "controller", world.serving)["metadata"]["labels"]["app.kubernetes.io/version"] = "1.15.1"
    world.add_ca("ca9")
    world.put(
        k.CLUSTER_ISSUER, "second", spec={"ca": {"secretName": "ca9"}},
        status={"conditions": [condition("Ready", observedGeneration=1)]},
    )  # fmt: skip
    assert "with one issuer" in refusal(world, SYSTEM, issuers={SYSTEM: "second"})


def test_versions_that_are_too_old_or_dangerous_are_refused() -> None:
    world = cluster()
    world.get(k.DEPLOYMENT, "controller", world.serving)["metadata"]["labels"]["app.kubernetes.io/version"] = "1.13.0"
    with pytest.raises(Refused, match=r"1\.14"):
        plan(world, SYSTEM)
    world = cluster()
    labels = world.get(k.DEPLOYMENT, "cert-manager", "cert-manager")["metadata"]["labels"]
    labels["app.kubernetes.io/version"] = "v1.19.0"
    with pytest.raises(Refused, match=r"1\.19\.0"):
        plan(world, SYSTEM)


def test_an_ingress_layer_that_cannot_is_refused_with_where_to_turn() -> None:
    world = cluster()
    world.config()["ingress-class"] = "istio.ingress.networking.knative.dev"
    assert "kntls mesh" in refusal(world, SYSTEM)


def test_external_domains_on_openshift_are_the_routers() -> None:
    assert "router" in refusal(cluster(OPENSHIFT), EXTERNAL_DOMAIN)


def test_a_namespace_whose_name_is_too_long_is_refused() -> None:
    world = cluster()
    world.tenant("n" * 56)
    assert "56 characters" in refusal(world, SYSTEM)
    assert refusal(world, CLUSTER_LOCAL) == ""


def test_a_ca_crt_that_would_crash_the_activator_is_refused() -> None:
    world = cluster()
    world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"] = "not PEM\n"
    assert "activator crashes" in refusal(world, SYSTEM)


def test_a_bundle_of_somebody_else_is_refused_unless_adopted() -> None:
    world = cluster()
    world.bundle(ca("theirs"))["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
    assert "--adopt knative-serving/knative-ca-bundle" in refusal(world, SYSTEM)
    adopted = (ObjectRef(k.CONFIG_MAP, "knative-ca-bundle", "knative-serving"),)
    assert refusal(world, SYSTEM, adopted=adopted) == ""


def test_the_missing_static_kcert_is_refused() -> None:
    world = cluster()
    world.drop(k.KCERT, "routing-serving-certs", world.serving)
    assert "routing-serving-certs is missing" in refusal(world, SYSTEM)


def test_configured_issuers_that_exist_are_kept_and_others_replaced() -> None:
    world = cluster()
    for key in world.config("config-certmanager"):
        world.config("config-certmanager")[key] = render_issuer_ref("gone")
    changes = by_id(plan(world, SYSTEM), "issuer-refs").changes(world.observation())
    assert "knative-serving-ca-issuer" in str(changes[0].body)
    assert not by_id(plan(cluster(), SYSTEM), "issuer-refs").changes(cluster().observation())


def test_keys_that_others_manage_are_taken_over_by_name() -> None:
    world = cluster()
    config = world.get(k.CONFIG_MAP, "config-network", world.serving)
    config["data"]["cluster-local-domain-tls"] = "disabled"
    fields = {"f:data": {"f:cluster-local-domain-tls": {}}}
    config["metadata"]["managedFields"].append({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields})
    change = by_id(plan(world, CLUSTER_LOCAL), "flag/cluster-local").changes(world.observation())[0]
    assert change.force
    assert "kubectl-edit" in change.note


def test_a_run_that_was_killed_in_the_first_freeze_is_lifted_first() -> None:
    world = cluster()
    _freeze(world)
    order = ids(plan(world, SYSTEM))
    assert order[:2] == ["wait/port-before", "resume/left-over"]


def test_a_run_that_was_killed_after_the_flag_finishes_behind_the_freeze_before_it_lifts_it() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    _freeze(world)
    order = ids(plan(world, SYSTEM))
    assert order.index("restart/activator") < order.index("wait/port-443") < order.index("resume")


def _freeze(world: World) -> None:
    deployment = world.get(k.DEPLOYMENT, "net-kourier-controller", world.ingress)
    deployment["metadata"]["annotations"] = {"kntls.dev/restore": '{"spec": {"replicas": 1}}'}
    deployment["spec"]["replicas"] = 0


def test_pods_are_deleted_only_while_one_of_them_holds_the_lease() -> None:
    world = cluster()
    hold = by_id(plan(world, SYSTEM), "hold/revision")
    verbs = [change.verb for change in hold.changes(world.observation())]
    assert verbs == [Verb.HOLD, Verb.DELETE]
    lease(world, CONTROLLER_LEASE.format("revision"), world.serving, holder="")
    assert [change.verb for change in hold.changes(world.observation())] == [Verb.HOLD]
    lease(world, CONTROLLER_LEASE.format("revision"), world.serving, holder="kntls killed@here pid 9")
    assert [change.verb for change in hold.changes(world.observation())] == [Verb.HOLD]
    lease(world, CONTROLLER_LEASE.format("revision"), world.serving, holder=HOLDER)
    assert hold.done(world.observation()).complete
    assert hold.changes(world.observation()) == ()


def test_a_reconciler_is_held_only_when_its_former_pods_are_gone() -> None:
    world = cluster(OPERATOR)
    hold = by_id(plan(world, SYSTEM), "hold/operator")
    for change in hold.changes(world.observation()):
        if change.verb == Verb.HOLD:
            world.get(k.LEASE, change.ref.name, change.ref.namespace)["spec"]["holderIdentity"] = HOLDER
    assert hold.done(world.observation()).complete
    pod = next(change.ref for change in hold.changes(cluster(OPERATOR).observation()) if change.verb == Verb.DELETE)
    world.get(k.POD, pod.name, pod.namespace)["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    assert hold.done(world.observation()).missing == (f"the end of Pod {pod.name}",)


def test_all_buckets_of_the_reconciler_are_held() -> None:
    world = cluster()
    world.drop(k.LEASE, CONTROLLER_LEASE.format("revision"), world.serving)
    for bucket in ("00-of-02", "01-of-02"):
        lease(world, CONTROLLER_LEASE.format("revision").replace("00-of-01", bucket), world.serving)
    hold = by_id(plan(world, SYSTEM), "hold/revision")
    assert [change.verb for change in hold.changes(world.observation())] == [Verb.HOLD, Verb.HOLD, Verb.DELETE]


def test_endpoints_of_an_ending_activator_are_not_current() -> None:
    world = cluster()
    wait = by_id(plan(world, SYSTEM), "wait/endpoints")
    assert wait.done(world.observation()).complete
    world.get(k.POD, "activator-0", world.serving)["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    assert wait.done(world.observation()).missing


def test_revisions_whose_own_container_fails_are_named_and_not_waited_for() -> None:
    world = cluster()
    revision = world.get(k.REVISION, "hello-00001", "team-a")
    revision["status"]["conditions"] = [condition("ContainerHealthy", "False", "ExitCode1")]
    found = plan(world, SYSTEM)
    assert any("team-a/hello-00001" in note for note in found.notes)
    missing = by_id(found, "wait/revisions").done(world.observation()).missing
    assert [name for name in missing if "team-a" in name] == []


def test_the_proof_names_servers_that_present_something_else() -> None:
    world = cluster(UPSTREAM, (INTERNAL, LOCAL))
    world.shows["activator"] = "connection refused"
    missing = by_id(plan(world, SYSTEM), "wait/handshakes").done(world.observation()).missing
    assert missing == ("activator knative-serving/activator-0 (kn-routing)",)


def test_notes_say_who_must_trust_the_ca_and_who_lacks_it() -> None:
    found = plan(cluster(), CLUSTER_LOCAL)
    assert any("team-a, team-b" in note and "must trust" in note for note in found.notes)
    assert any("kntls trust publish --namespace team-a" in note for note in found.notes)


def test_notes_say_what_a_slow_restart_behind_the_freeze_would_cost() -> None:
    def said(world: World) -> bool:
        return any("if that restart takes longer than 45 s" in note for note in plan(world, SYSTEM).notes)

    assert said(cluster())
    assert not said(cluster(UPSTREAM, (INTERNAL, LOCAL))), "it is on: nothing is frozen"
    assert not said(cluster(OPENSHIFT)), "the documented order freezes nothing"


def test_a_request_is_a_value() -> None:
    assert replace(request(SYSTEM)) == request(SYSTEM)


def test_without_leader_election_the_controllers_age_tells_whether_it_makes_certificates() -> None:
    world = cluster()
    world.objects[k.LEASE].clear()
    found = plan(world, SYSTEM)
    assert "the Leases" in found.interruptions[0]
    restart = by_id(found, "restart/controller")
    assert restart.done(world.observation()).complete, "its pod is younger than the configuration"
    config = world.get(k.CONFIG_MAP, "config-network", world.serving)
    config["metadata"]["managedFields"][0]["time"] = "2026-06-01T11:59:00Z"
    assert restart.changes(world.observation())
