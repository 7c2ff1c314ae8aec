from __future__ import annotations

from datetime import timedelta

import pytest

from kntls.lab import x509 as pki
from kntls.lab.client import RESOURCES
from kntls.lab.objects import condition
from kntls.lab.reading import annotations_of, encoded, is_true, labels_of, status_of
from tests.lab.small import CLUSTER_ISSUERS, REQUESTS, Issuing, until


@pytest.fixture
def issuing():
    with Issuing() as made:
        yield made


def reissued(made: Issuing, name: str, revision: int) -> bool:
    found = made.get(name)
    return status_of(found).get("revision") == revision and not condition(found, "Issuing") and made.loop.settle()


def test_a_leaf_gets_its_chain_its_root_and_what_cert_manager_notes(issuing):
    issuing.certificate("web", {"commonName": "web", "secretTemplate": {"labels": {"mine": "yes"}}})
    secret = issuing.client.get("secrets", "team", "web")
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"tls.crt", "tls.key", "ca.crt"}
    assert issuing.secret("web")["ca.crt"] == issuing.secret("ca1", "cert-manager")["tls.crt"]
    assert labels_of(secret) == {"controller.cert-manager.io/fao": "true", "mine": "yes"}
    noted = {key.removeprefix("cert-manager.io/"): value for key, value in annotations_of(secret).items()}
    assert noted == {
        "alt-names": "web.test",
        "certificate-name": "web",
        "common-name": "web",
        "ip-sans": "",
        "issuer-group": "",
        "issuer-kind": "ClusterIssuer",
        "issuer-name": "ca",
        "uri-sans": "",
    }
    managers = [(one["manager"], one["operation"]) for one in secret["metadata"]["managedFields"]]
    assert managers == [("cert-manager-certificates-issuing", "Apply")]


def test_an_issuance_leaves_no_next_key_and_one_request(issuing):
    issuing.certificate("web")
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: reissued(issuing, "web", 2), "second revision")
    names = [one["metadata"]["name"] for one in issuing.client.list("secrets", "team")]
    assert names == ["web"]
    assert [one["metadata"]["name"] for one in issuing.client.list(REQUESTS, "team")] == ["web-2"]


def test_the_managers_of_a_certificate_are_those_of_the_real_one(issuing):
    found = issuing.certificate("web")
    managers = {one["manager"] for one in found["metadata"]["managedFields"] if one.get("subresource")}
    assert managers <= {
        f"cert-manager-certificates-{one}" for one in ("trigger", "issuing", "readiness", "key-manager")
    }
    assert "cert-manager-certificates-readiness" in managers


def test_a_new_ca_secret_behind_an_issuer_reissues_nothing(issuing):
    issuing.certificate("web")
    before = issuing.secret("web")
    issuing.root("ca2")
    found = issuing.client.get(CLUSTER_ISSUERS, "", "ca")
    issuing.client.change(CLUSTER_ISSUERS, found, spec={"ca": {"secretName": "ca2"}})
    until(lambda: condition(issuing.client.get(CLUSTER_ISSUERS, "", "ca"), "Ready")["observedGeneration"] == 2, "ack")
    issuing.loop.settle()
    assert issuing.secret("web") == before
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: reissued(issuing, "web", 2), "second revision")
    assert issuing.secret("web")["ca.crt"] == issuing.secret("ca2", "cert-manager")["tls.crt"]
    assert all(is_true(one, "Ready") for one in issuing.seen if status_of(one).get("revision") == 2)


@pytest.mark.parametrize(("policy", "same"), [("Never", True), ("Always", False), (None, False)])
def test_the_rotation_policy_decides_whether_the_key_lives_on(issuing, policy, same):
    key = {"algorithm": "ECDSA", **({"rotationPolicy": policy} if policy else {})}
    issuing.certificate("web", {"privateKey": key})
    before = issuing.secret("web")["tls.key"]
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: reissued(issuing, "web", 2), "second revision")
    assert (issuing.secret("web")["tls.key"] == before) is same


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda made: made.store.delete(RESOURCES["secrets"], "team", "web"), "DoesNotExist"),
        (lambda made: patch_secret(made, {"tls.key": ""}), "MissingData"),
        (lambda made: patch_secret(made, encoded({"tls.crt": b"no pem"})), "InvalidCertificate"),
        (lambda made: patch_secret(made, encoded({"tls.key": pki.key_pem(pki.new_key("ECDSA"))})), "InvalidKeyPair"),
        (lambda made: annotate_secret(made, {"cert-manager.io/issuer-name": "other"}), "IncorrectIssuer"),
        (lambda made: annotate_secret(made, {"cert-manager.io/certificate-name": "other"}), "IncorrectCertificate"),
        (lambda made: made.change("web", privateKey={"algorithm": "ECDSA", "size": 384}), "SecretMismatch"),
        (lambda made: made.change("web", dnsNames=["web.test", "www.test"]), "RequestChanged"),
        (lambda made: made.clock.advance(61 * 86400) or made.manager.start(), "Renewing"),
    ],
)
def test_every_reason_to_issue_again(issuing, spoil, reason):
    issuing.certificate("web")
    spoil(issuing)
    until(lambda: reissued(issuing, "web", 2), f"issued again for {reason}")
    assert issuing.reasons("web")[-1] == reason


def patch_secret(made: Issuing, data: dict[str, str | None]) -> None:
    made.store.patch(RESOURCES["secrets"], "team", "web", {"data": data})


def annotate_secret(made: Issuing, annotations: dict[str, str]) -> None:
    made.store.patch(RESOURCES["secrets"], "team", "web", {"metadata": {"annotations": annotations}})


def test_a_damaged_or_missing_ca_crt_triggers_nothing(issuing):
    issuing.certificate("web")
    patch_secret(issuing, {"ca.crt": "bm8gcGVt"})
    issuing.loop.settle()
    assert status_of(issuing.get("web"))["revision"] == 1
    assert issuing.secret("web")["ca.crt"] == b"no pem"


def test_a_foreign_key_of_the_secret_survives_a_reissue(issuing):
    issuing.certificate("web")
    patch_secret(issuing, encoded({"mine.pem": b"kept"}))
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: reissued(issuing, "web", 2), "second revision")
    assert issuing.secret("web")["mine.pem"] == b"kept"


def test_a_failure_backs_off_and_a_manual_trigger_does_not_wait(issuing):
    issuing.certificate("web")
    fault = issuing.faults.add("cert-manager=failing")
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: status_of(issuing.get("web")).get("failedIssuanceAttempts") == 1, "first failure")
    found = issuing.get("web")
    assert condition(found, "Issuing")["status"] == "False"
    assert condition(found, "Issuing")["reason"] == "Failed"
    assert is_true(found, "Ready")
    issuing.loop.settle()
    assert status_of(issuing.get("web"))["failedIssuanceAttempts"] == 1
    issuing.faults.remove(fault)
    issuing.clock.advance(3)
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: reissued(issuing, "web", 2), "second revision")
    assert "lastFailureTime" not in status_of(issuing.get("web"))


def test_a_trigger_without_a_transition_time_takes_the_old_failure_for_its_own(issuing):
    issuing.certificate("web")
    fault = issuing.faults.add("cert-manager=failing")
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    until(lambda: status_of(issuing.get("web")).get("failedIssuanceAttempts") == 1, "first failure")
    issuing.faults.remove(fault)
    issuing.trigger("web")
    until(lambda: status_of(issuing.get("web")).get("failedIssuanceAttempts") == 2, "counted again at once")


def test_a_cert_manager_that_is_down_goes_on_where_it_was(issuing):
    issuing.certificate("web")
    fault = issuing.faults.add("cert-manager=down")
    issuing.trigger("web", lastTransitionTime=issuing.clock.stamp())
    issuing.loop.settle()
    assert is_true(issuing.get("web"), "Issuing")
    issuing.faults.remove(fault)
    until(lambda: reissued(issuing, "web", 2), "second revision")


def test_a_request_for_an_unknown_issuer_stays_pending(issuing):
    spec = {"secretName": "lost", "dnsNames": ["lost.test"], "issuerRef": {"kind": "ClusterIssuer", "name": "nowhere"}}
    issuing.client.create(
        "certificates.cert-manager.io", {"metadata": {"name": "lost", "namespace": "team"}, "spec": spec}
    )
    pending = lambda: condition(issuing.client.get(REQUESTS, "team", "lost-1") or {}, "Ready")  # noqa: E731
    until(pending, "the request is answered")
    assert pending()["reason"] == "Pending"
    assert (
        pending()["message"]
        == 'Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "nowhere" not found'
    )


def test_of_two_certificates_with_one_secret_only_the_owner_is_triggered(issuing):
    issuing.certificate("web")
    spec = {"secretName": "web", "dnsNames": ["rival.test"], "issuerRef": {"kind": "ClusterIssuer", "name": "ca"}}
    issuing.client.create(
        "certificates.cert-manager.io", {"metadata": {"name": "rival", "namespace": "team"}, "spec": spec}
    )
    until(lambda: condition(issuing.get("rival"), "Ready"), "the rival was looked at")
    issuing.loop.settle()
    assert condition(issuing.get("rival"), "Ready")["reason"] == "IncorrectCertificate"
    assert not condition(issuing.get("rival"), "Issuing")


def test_a_leaf_outlives_its_ca(issuing):
    issuing.certificate("web", {"duration": "87600h"})
    leaf = pki.load_chain(issuing.secret("web")["tls.crt"])[0]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=87600)
