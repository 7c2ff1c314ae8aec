"""Each leaf by itself: what is said of it, and in which order."""

from __future__ import annotations

from datetime import timedelta

from kntls.checks.facts import Facts
from kntls.checks.verification import Verification, verifications
from kntls.model import kinds as k
from kntls.report import certificates
from kntls.report.text import Paint
from tests.world import AT, CA, ISSUER, World, ca, healthy


def judged(world: World) -> dict[tuple[str, str], Verification]:
    found = verifications(Facts(world.observation()))
    return {(entry.ref.namespace, entry.ref.name): entry for entry in found}


def test_in_a_healthy_world_every_certificate_is_right() -> None:
    found = judged(healthy())
    assert all(entry.ok for entry in found.values())
    assert found["team-a", "serving-certs"].kind == "queue-proxy"
    assert found["knative-serving", "routing-serving-certs"].kind == "routing"
    assert found["cert-manager", CA].kind == "CA"
    assert {entry.kind for entry in found.values()} >= {"cluster-local"}


def test_the_first_to_expire_comes_first() -> None:
    world = healthy()
    world.sign("serving-certs", "team-b", begin=AT - timedelta(days=60))
    found = verifications(Facts(world.observation()))
    assert found[0].ref.namespace == "team-b"
    assert [entry.expires for entry in found] == sorted(entry.expires for entry in found if entry.expires)


def test_missing_and_foreign_names_are_told_apart() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-b", "data-plane.knative.dev"))
    why = judged(world)["team-a", "serving-certs"].problems["names"]
    assert why == "lacks kn-user-team-a; has also kn-user-team-b"


def test_a_key_that_does_not_belong_is_seen() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", key_of=ca("other"))
    assert judged(world)["team-a", "serving-certs"].problems["key"]


def test_each_consumer_that_refuses_a_leaf_is_named_with_its_reason() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", ca("stranger"))
    entry = judged(world)["team-a", "serving-certs"]
    assert [bool(verdict.refusal) for verdict in entry.accepted] == [True, True]
    assert "CN=stranger" in entry.accepted[0].refusal
    assert entry.status == "wrong: issuer"


def test_the_routing_leaf_meets_the_gateway_only() -> None:
    (verdict,) = judged(healthy())["knative-serving", "routing-serving-certs"].accepted
    assert verdict.consumer.startswith("Envoy")


def test_workloads_with_published_trust_are_consumers_of_cluster_local_leaves() -> None:
    world = healthy()
    text = ca("stranger").certificate.pem()
    world.put(k.CONFIG_MAP, "given", "team-a", metadata={"labels": {"kntls.dev/published": "true"}}, data={"a": text})
    refused = [entry for entry in judged(world).values() if any(verdict.refusal for verdict in entry.accepted)]
    assert {entry.kind for entry in refused} == {"cluster-local"}


def test_a_secret_without_a_certificate_comes_before_all_others() -> None:
    world = healthy()
    world.drop(k.SECRET, "serving-certs", "team-b")
    first = verifications(Facts(world.observation()))[0]
    assert first.ref.namespace == "team-b"
    assert first.status == "no certificate"


def test_a_key_that_was_not_read_is_neither_right_nor_wrong() -> None:
    world = healthy()
    world.live = False
    for secret in world.objects[k.SECRET].values():
        secret |= {"publicKey": "", "keyProblem": "its tls.key is not a private key in PEM"}
    entry = judged(world)["team-a", "serving-certs"]
    assert entry.ok
    assert set(entry.unseen) == {"key"}


def test_a_secret_that_was_not_read_holds_no_wrong_certificate() -> None:
    world = healthy()
    world.forget(k.SECRET)
    for live in (True, False):
        world.live = live
        for entry in judged(world).values():
            assert entry.status == "not looked at"
            assert entry.ok
            assert not entry.looked_at


def test_an_issuer_whose_ca_is_not_there_is_not_said_to_have_signed() -> None:
    world = healthy()
    world.get(k.CLUSTER_ISSUER, ISSUER)["spec"] = {"vault": {"path": "pki/sign/knative"}}
    entry = judged(world)["team-a", "serving-certs"]
    assert set(entry.unseen) == {"issuer"}
    del world.get(k.SECRET, "serving-certs", "team-a")["data"]["ca.crt"]
    assert set(judged(world)["team-a", "serving-certs"].unseen) == {"issuer", "chain"}


def test_what_was_not_looked_at_is_marked_so() -> None:
    world = healthy()
    world.forget(k.SECRET)
    found = verifications(Facts(world.observation()))
    assert "? issuance: its Secret was not read" in certificates.details(found, Paint(False), 80)
    assert certificates.summary(found).startswith("none of ")
    assert certificates.body(found, "x", ())["success"] is False
