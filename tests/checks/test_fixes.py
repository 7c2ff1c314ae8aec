"""The command of a finding does what it says: it names what is there, and goes where the object is kept."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta

import pytest

from kntls.checks import CHECKS
from kntls.checks.facts import Facts
from kntls.checks.kcerts import routing_kcert
from kntls.model import kinds as k
from tests.world import AT, LOCAL, OPERATOR, World, ca, healthy, leaf, tls_secret

KEY = "knative-ca-bundle.pem"
TEAM_A = ("kn-user-team-a", "data-plane.knative.dev")


def fix(world: World, id: str) -> str:
    """The first command that check prints."""
    return next(iter(CHECKS[id].judge(Facts(world.observation())))).fix


def bundle(world: World) -> dict:
    return world.get(k.CONFIG_MAP, "knative-ca-bundle", world.serving)


def owned_by_trust_manager(world: World) -> None:
    owner = {"kind": "Bundle", "apiVersion": "trust.cert-manager.io/v1alpha1", "name": "roots", "controller": True}
    bundle(world)["metadata"]["ownerReferences"] = [owner]


def test_a_ca_that_is_piped_in_is_added_without_a_question() -> None:
    world = healthy()
    world.add_ca("ca2")
    world.switch("ca2")
    command = fix(world, "KN-TRUST-020")
    assert command.startswith("kubectl get secrets/ca2 -n cert-manager")
    assert command.endswith("kntls trust add --ca - --yes")


@pytest.mark.parametrize("id", ["KN-TRUST-001", "KN-TRUST-005"])
def test_who_trusts_nothing_is_told_which_ca(id: str) -> None:
    world = healthy()
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)
    del world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"]
    assert "secrets/ca1" in fix(world, id)


def test_a_refused_leaf_brings_its_own_ca() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", ca("stranger"))
    assert fix(world, "KN-TRUST-007").startswith("kubectl get secrets/serving-certs -n team-a")


def test_a_leaf_refused_for_its_names_is_issued_again() -> None:
    world = healthy()
    world.sign("serving-certs", "team-a", names=("kn-user-team-b", "data-plane.knative.dev"))
    assert fix(world, "KN-TRUST-007") == "cmctl renew serving-certs -n team-a"
    assert fix(world, "KN-SERVE-003") == "cmctl renew serving-certs -n team-a"


def test_a_server_behind_its_secret_is_started_anew_not_trusted() -> None:
    world = healthy()
    world.shows["team-a/hello-00001-deployment-0"] = leaf(TEAM_A, ca("retired"))
    assert fix(world, "KN-SERVE-003").startswith("kubectl delete pods/hello-00001-deployment-0 -n team-a")


def test_a_bundle_of_ours_is_written_strictly() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    assert fix(world, "KN-TRUST-003") == "kntls check --fix KN-TRUST-003"


def test_a_bundle_that_others_write_is_mended_there() -> None:
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    owned_by_trust_manager(world)
    assert fix(world, "KN-TRUST-003").startswith("kubectl describe bundles.trust.cert-manager.io/roots")
    world = healthy()
    bundle(world)["data"][KEY] += "# end\n"
    bundle(world)["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "infra"}
    assert "Argo CD (infra)" in fix(world, "KN-TRUST-003")


def test_what_cannot_be_read_is_left_to_an_editor() -> None:
    world = healthy()
    bundle(world)["data"][KEY] = "not PEM at all"
    assert fix(world, "KN-TRUST-003").startswith("kubectl edit configmaps/knative-ca-bundle")


def test_a_certificate_leaves_a_foreign_bundle_by_adopting_it() -> None:
    world = healthy()
    gone = ca("gone", AT - timedelta(days=400), 365)
    world.bundle(ca(), gone)
    assert fix(world, "KN-TRUST-008") == f"kntls trust remove {gone.certificate.fingerprint}"
    del bundle(world)["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    assert fix(world, "KN-TRUST-008").endswith(" --adopt knative-serving/knative-ca-bundle")
    owned_by_trust_manager(world)
    assert "bundles.trust.cert-manager.io/roots" in fix(world, "KN-TRUST-008")


def test_drift_is_settled_as_the_operator_would() -> None:
    world = healthy(OPERATOR)
    world.config()["system-internal-tls"] = "Disabled"
    command = fix(world, "KN-CONFIG-012")
    assert "configmaps/config-network" in command
    assert json.loads(shlex.split(command)[-1]) == {"data": {"system-internal-tls": "Enabled"}}


def test_a_key_is_set_under_the_name_that_the_operator_reads() -> None:
    world = healthy(OPERATOR)
    config = world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["spec"]["config"]
    world.config()["certificate-class"] = config["network"]["certificate-class"] = "other.example"
    assert '"config": {"network":' in fix(world, "KN-CONFIG-009")
    config["config-network"] = config.pop("network")
    assert '"config": {"config-network":' in fix(world, "KN-CONFIG-009")


@pytest.mark.parametrize("value", ["false", "off", "Disabled ", "no"])
def test_a_flag_that_says_no_is_not_turned_on(value: str) -> None:
    world = healthy(surfaces=(LOCAL,))
    world.config()["external-domain-tls"] = value
    assert not [*CHECKS["KN-CONFIG-004"].judge(Facts(world.observation()))]
    world.config()["system-internal-tls"] = value
    assert '{"system-internal-tls": "Disabled"}' in fix(world, "KN-CONFIG-003")


def test_the_legacy_flag_is_replaced_by_what_is_in_effect() -> None:
    world = healthy()
    del world.config()["system-internal-tls"]
    world.config()["internal-encryption"] = "true"
    patch = json.loads(shlex.split(fix(world, "KN-CONFIG-005"))[-1])
    assert patch == {"data": {"internal-encryption": None, "system-internal-tls": "Enabled"}}
    world.config()["system-internal-tls"] = "Disabled"
    assert fix(world, "KN-CONFIG-005") == "kntls disable --system-internal"


def test_a_protocol_is_corrected_to_the_nearest() -> None:
    world = healthy()
    world.config()["http-protocol"] = "redirect"
    assert '"Redirected"' in fix(world, "KN-CONFIG-016")


def test_a_secret_in_a_command_has_its_namespace() -> None:
    world = healthy()
    world.put_secret(tls_secret("ca1", "cert-manager", ca(), ca("other")))
    assert fix(world, "KN-ISSUER-011").startswith("kubectl edit secrets/ca1 -n cert-manager")


def test_a_labelled_secret_is_added_and_unlabelled_never_deleted() -> None:
    world = healthy()
    labels = {"networking.knative.dev/trust-bundle": "true"}
    world.put_secret(tls_secret("roots", world.serving, ca(), ca(), labels=labels))
    command = fix(world, "KN-TRUST-024")
    assert command.endswith("; kubectl label secrets/roots -n knative-serving networking.knative.dev/trust-bundle-")
    assert "delete" not in command


def test_another_issuer_is_named_in_the_configuration_for_enable_would_refuse_it() -> None:
    world = healthy()
    world.config("config-certmanager")["clusterLocalIssuerRef"] = "name: gone"
    patch = json.loads(shlex.split(fix(world, "KN-ISSUER-001"))[-1])
    assert patch == {"data": {"clusterLocalIssuerRef": "kind: ClusterIssuer\nname: knative-serving-ca-issuer\n"}}
    world.drop(k.CLUSTER_ISSUER, "knative-serving-ca-issuer")
    assert fix(world, "KN-ISSUER-001").startswith("kntls generate issuers | kubectl apply -f -; kubectl patch")


def test_what_is_scaled_to_none_is_scaled_up() -> None:
    world = healthy()
    for name, space in (("cert-manager", "cert-manager"), ("webhook", "knative-serving")):
        world.get(k.DEPLOYMENT, name, space)["spec"]["replicas"] = 0
    assert fix(world, "KN-CM-002") == "kubectl scale deployment/cert-manager -n cert-manager --replicas=1"
    assert fix(world, "KN-SERVE-009") == "kubectl scale deployment/webhook -n knative-serving --replicas=1"


def test_the_routing_kcert_is_made_again_as_it_was() -> None:
    world = healthy()
    before = world.get(k.KCERT, "routing-serving-certs", world.serving)
    manifest = json.loads(shlex.split(routing_kcert(world.serving).partition(" | ")[0])[1])
    assert manifest["spec"] == before["spec"]
    assert manifest["metadata"]["labels"] == before["metadata"]["labels"]
    assert manifest["metadata"]["annotations"] == before["metadata"]["annotations"]


def test_a_role_is_granted_by_applying_and_binding_it() -> None:
    world = healthy()
    world.get(k.SELF_SUBJECT_ACCESS_REVIEW, "patch clusterissuers.cert-manager.io")["status"]["allowed"] = False
    command = fix(world, "KN-API-003")
    assert re.search(r"create clusterrolebinding kntls-rotate --clusterrole=kntls-rotate", command)
