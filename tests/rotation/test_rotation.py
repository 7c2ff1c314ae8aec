"""A rotation keeps every handshake working, whenever it is stopped, resumed or taken back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kntls.errors import NotFound, Refused
from kntls.knative.installation import detect
from kntls.knative.names import POLL_SECONDS
from kntls.model import kinds as k
from kntls.rotation.plan import ISSUED_PER_SECOND, previous_secret, rollback, rotation
from kntls.rotation.situation import Target, situation, trusted_anchors
from kntls.rotation.status import status
from tests.rotation.simulation import Simulation
from tests.world import CA, ISSUER, OPENSHIFT, OPERATOR, UPSTREAM, ca, healthy

FLAVOURS = (UPSTREAM, OPERATOR, OPENSHIFT)


def simulation(flavour: str = UPSTREAM, **options: bool) -> Simulation:
    return Simulation(healthy(flavour), {CA: ca()}, **options)


def rotate(world: Simulation, secret: str = "ca2", until: str = "", **options: object) -> int:
    stop = options.pop("stop_after", None)
    plan = rotation(world.observation(), Target(ISSUER, secret), until)
    return world.carry_out(plan, stop_after=stop)  # type: ignore[arg-type]


def anchors(world: Simulation) -> set[str]:
    seen = world.observation()
    return {certificate.fingerprint for certificate in trusted_anchors(seen, detect(seen))}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_rotation_moves_every_leaf_and_retires_the_old_ca_without_a_failed_handshake(flavour):
    world = simulation(flavour, slow_servers=True)
    rotate(world)
    assert world.failed == []
    assert world.handshakes > 50
    assert anchors(world) == {world.cas["ca2"].certificate.fingerprint}
    now = situation(world.observation(), Target(ISSUER, "ca2"))
    assert all(leaf.signed_by(now.new.signer) for leaf in now.leaves)


def test_retiring_before_the_servers_present_the_new_leaf_fails_as_it_does_on_a_cluster():
    world = simulation(slow_servers=True)
    rotate(world, until="reissue")
    old = world.cas[CA].certificate
    for space, name in [*world.world.objects[k.CONFIG_MAP]]:
        data = world.world.get(k.CONFIG_MAP, name, space)["data"]
        if "knative-ca-bundle.pem" in data:
            data["knative-ca-bundle.pem"] = data["knative-ca-bundle.pem"].replace(old.pem(), "")
    world.look()
    assert any("activator → queue-proxy" in failure for failure in world.failed)


@settings(max_examples=12, deadline=None)
@given(stops=st.lists(st.integers(1, 12), min_size=1, max_size=3), slow=st.booleans())
def test_a_rotation_stopped_anywhere_and_resumed_ends_the_same_without_a_failed_handshake(stops, slow):
    world = simulation(slow_servers=slow)
    for stop in stops:
        rotate(world, stop_after=stop)
    rotate(world)
    assert world.failed == []
    assert anchors(world) == {world.cas["ca2"].certificate.fingerprint}
    assert rotate(world) == 0


@settings(max_examples=12, deadline=None)
@given(stop=st.integers(2, 8), slow=st.booleans())
def test_a_rollback_from_anywhere_after_distribute_ends_with_the_old_ca_alone(stop, slow):
    world = simulation(slow_servers=slow)
    before = anchors(world)
    rotate(world, stop_after=stop)
    to, away = previous_secret(world.observation(), ISSUER)
    assert (to, away) == (CA, "ca2")
    world.carry_out(rollback(world.observation(), Target(ISSUER, "")))
    assert world.failed == []
    assert anchors(world) == before
    assert world.world.get(k.CLUSTER_ISSUER, ISSUER)["spec"]["ca"]["secretName"] == CA


def test_a_finished_rotation_is_rolled_back_only_towards_a_named_secret():
    world = simulation()
    rotate(world)
    with pytest.raises(Refused, match="only one CA"):
        previous_secret(world.observation(), ISSUER)
    world.carry_out(rollback(world.observation(), Target(ISSUER, ""), to_secret=CA))
    assert world.failed == []
    assert anchors(world) == {ca().certificate.fingerprint}


def test_an_unrelated_ca_in_the_bundle_is_still_there_afterwards():
    world = simulation()
    unrelated = ca("unrelated")
    world.world.bundle(ca(), unrelated)
    rotate(world)
    assert anchors(world) == {world.cas["ca2"].certificate.fingerprint, unrelated.certificate.fingerprint}


def test_somebody_elses_bundle_with_the_old_ca_is_refused_until_it_is_adopted():
    world = simulation()
    bundle = world.world.bundle(ca(), name="knative-bundle")
    bundle["metadata"]["labels"] = {"networking.knative.dev/trust-bundle": "true"}
    plan = rotation(world.observation(), Target(ISSUER, "ca2"))
    assert any("--adopt knative-serving/knative-bundle" in refusal for refusal in plan.refusals)


def test_a_ca_with_the_common_name_of_another_is_refused():
    world = simulation()
    world.world.add_ca("ca2", ca(CA, days=4000))
    plan = rotation(world.observation(), Target(ISSUER, "ca2"))
    assert any(("ca2" in refusal and "CN" in refusal) or "name" in refusal for refusal in plan.refusals)


def test_another_rotation_half_way_is_refused():
    world = simulation()
    rotate(world, "ca2", until="distribute")
    plan = rotation(world.observation(), Target(ISSUER, "ca3"))
    assert any("ca2" in refusal and "half-way" in refusal for refusal in plan.refusals)


def test_a_certificate_of_the_issuer_that_is_not_knatives_is_refused_unless_named():
    world = simulation()
    world.world.put(
        k.CERTIFICATE,
        "shop",
        "team-a",
        spec={"dnsNames": ["shop"], "secretName": "shop", "issuerRef": {"kind": "ClusterIssuer", "name": ISSUER}},
    )
    world.world.sign("shop", "team-a")
    seen = world.observation()
    assert any("team-a/shop" in refusal for refusal in rotation(seen, Target(ISSUER, "ca2")).refusals)
    assert rotation(seen, Target(ISSUER, "ca2", include=("team-a/shop",))).refusals == ()
    assert rotation(seen, Target(ISSUER, "ca2", accept_foreign=True)).refusals == ()


@pytest.mark.parametrize("stage", ["prepare", "distribute", "switch", "reissue", "serve"])
def test_status_names_the_stage_that_a_stopped_rotation_has_reached(stage):
    world = simulation()
    rotate(world, until=stage)
    seen = status(world.observation(), ISSUER, "ca2")
    done = [entry.name for entry in seen.stages if entry.progress.complete]
    assert stage in done
    assert seen.under_way


def test_a_dry_run_of_a_healthy_world_shows_all_seven_stages_and_writes_nothing():
    world = healthy()
    plan = rotation(world.observation(), Target(ISSUER, "ca2"))
    stages = list(dict.fromkeys(action.stage for action in plan.actions))
    assert stages == ["prepare", "distribute", "consume", "switch", "reissue", "serve", "retire"]


def test_an_issuer_that_is_no_ca_is_refused_with_the_reason():
    world = healthy()
    world.get(k.CLUSTER_ISSUER, ISSUER)["spec"] = {"selfSigned": {}}
    with pytest.raises(Refused, match="not a CA issuer but SelfSigned"):
        rotation(world.observation(), Target(ISSUER, "ca2"))


def test_the_estimate_counts_what_is_left_to_do():
    world = simulation(slow_servers=True)
    aim = Target(ISSUER, "ca2")

    def estimate(until: str = "") -> float:
        return rotation(world.observation(), aim, until).eta

    whole = estimate()
    assert estimate("prepare") < estimate("consume") < estimate("reissue") < whole
    assert whole - estimate("serve") == aim.grace
    rotate(world, until="switch")
    switched = estimate()
    assert switched < whole
    rotate(world, until="reissue")
    assert switched - estimate() == aim.soak + len(situation(world.observation(), aim).leaves) / ISSUED_PER_SECOND
    presented = estimate()
    rotate(world, until="serve")
    assert aim.grace <= estimate() <= presented - POLL_SECONDS


def test_the_soak_is_over_once_every_leaf_is_signed_by_the_new_ca():
    world = simulation()
    rotate(world, until="switch")
    assert not soaked(world)
    rotate(world, until="reissue")
    assert soaked(world)


def soaked(world: Simulation) -> bool:
    aim, seen = Target(ISSUER, "ca2"), world.observation()
    (soak,) = [action for action in rotation(seen, aim).actions if action.stage == "consume"]
    return (soak.hold_since(seen) or 0.0) >= aim.soak


def test_an_old_secret_that_holds_no_ca_is_told_before_anything_is_written():
    seen = simulation().observation()
    with pytest.raises(NotFound, match="no such Secret"):
        rotation(seen, Target(ISSUER, "ca2", old_secret="nosuch"))
    with pytest.raises(NotFound, match="no such Secret"):
        previous_secret(seen, ISSUER, "nosuch")
