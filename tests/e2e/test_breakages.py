"""A real cluster, broken in many ways and mended again: `kntls check` sees each, explains it, and sees it go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from kntls.checks import CHECKS
from tests.e2e import kube, world
from tests.e2e.breakages import (
    BREAKAGES,
    BUNDLE,
    CA_SECRET,
    ISSUER,
    KEY,
    LABEL,
    RESOURCES,
    SERVING,
    TENANT,
    Breakage,
    config_map,
    configure,
    pair_of,
    the_operator_about_to_revert_a_configmap,
)
from tests.e2e.program import kntls

pytestmark = pytest.mark.cluster
BAD = ("error", "warning", "info")
SERVICE = world.Service(TENANT, "hello")
BY_OPERATOR = os.environ.get("KNTLS_E2E_INSTALLATION", "upstream") == "operator"


def results(*args: str) -> dict[str, dict[str, Any]]:
    """What `kntls check` says, by ID."""
    report = kntls("check", "-o", "json", *args, code=None).json()
    return {entry["id"]: entry for group in report["categories"] for entry in group["checks"]}


def failing(*args: str) -> set[str]:
    """The checks that found something."""
    return {id for id, entry in results(*args).items() if entry["result"] in BAD}


def only_what_follows(found: set[str], breakage: Breakage, before: set[str]) -> bool:
    """Whether it was found, with nothing beside it but what the registry says follows."""
    return breakage.id in found and found - before - breakage.also <= {breakage.id, *CHECKS[breakage.id].causes}


@pytest.fixture(scope="module", autouse=True)
def before() -> Iterator[set[str]]:
    """One tenant on a cluster that is being encrypted by hand; what is found when all is well."""
    world.install()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT}})
    kube.wait("the webhook admits the Service", _apply, 90, every=1)
    kube.wait("the Service is Ready", lambda: world.ready(SERVICE), 180)
    if not _enabled():
        _enable_by_hand()
    kube.wait("everything is right", lambda: not _errors(), 240, every=2)
    yield failing()
    kube.run("delete", "namespace", TENANT, "knative-eventing", "--ignore-not-found", "--wait=false")


def _apply() -> bool:
    try:
        kube.apply(SERVICE.manifest())
    except RuntimeError:
        return False
    return True


def _enabled() -> bool:
    data = (kube.get("configmap", "config-network", SERVING) or {}).get("data", {})
    return data.get("system-internal-tls") == data.get("cluster-local-domain-tls") == "Enabled"


def _errors() -> set[str]:
    return {id for id, entry in results().items() if entry["result"] == "error"}


def _enable_by_hand() -> None:
    """As the documentation has people do it, forgetting both restarts at first."""
    manifests = kntls("generate", "issuers").out
    kube.run("apply", "-f", "-", stdin=manifests)
    kube.wait("the CA is there", lambda: kube.get("secret", CA_SECRET, RESOURCES) is not None, 60)
    labels = {LABEL: "true", "app.kubernetes.io/managed-by": "kntls"}
    kube.apply(config_map(BUNDLE, SERVING, {KEY: pair_of(CA_SECRET).certificate.pem()}, **labels))
    reference = f"kind: ClusterIssuer\nname: {ISSUER}\n"
    configure("config-certmanager", {"clusterLocalIssuerRef": reference, "systemInternalIssuerRef": reference})
    configure("config-network", {"system-internal-tls": "Enabled", "cluster-local-domain-tls": "Enabled"})
    kube.wait("check sees that the controller was not restarted", lambda: "KN-RESTART-001" in _errors(), 60)
    kube.run("rollout", "restart", "deployment/controller", "-n", SERVING)
    kube.wait("check sees that the activator was not restarted", lambda: "KN-RESTART-002" in _errors(), 120)
    kube.run("rollout", "restart", "deployment/activator", "-n", SERVING)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda entry: f"{entry.id}-{entry.name}")
def test_check_finds_what_was_broken_and_sees_it_mended(breakage: Breakage, before: set[str]) -> None:
    seen: set[str] = set()

    def found() -> bool:
        seen.clear()
        seen.update(failing())
        return only_what_follows(seen, breakage, before)

    with breakage.made():
        try:
            kube.wait(breakage.id, found, 60, every=1)
        except TimeoutError:
            pytest.fail(f"{breakage.id} and what follows were expected, {sorted(seen - before)} were found")
    kube.wait("it is mended", lambda: not failing() - before, 300, every=2)


def test_missing_permissions_are_listed_and_never_taken_for_fine(before: set[str]) -> None:
    core = {"apiGroups": [""], "resources": ["configmaps", "namespaces", "pods", "services"], "verbs": ["list"]}
    groups = ["apps", "cert-manager.io", "networking.internal.knative.dev", "serving.knative.dev"]
    rules = [core, {"apiGroups": groups, "resources": ["*"], "verbs": ["list"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules}
    subject = {"kind": "User", "name": "half-blind", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "half-blind"}
    binding = {"kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": reference}
    kube.apply(
        {**role, "metadata": {"name": "half-blind"}},
        {"apiVersion": role["apiVersion"], **binding, "metadata": {"name": "half-blind"}},
    )
    found = results("--as", "half-blind")
    assert found["KN-API-001"]["result"] == "warning"
    for id in ("KN-LEAF-002", "KN-TRUST-006", "KN-ISSUER-009"):
        assert found[id]["result"] == "notLookedAt"
        assert found[id]["reason"].startswith("secrets: ")
    assert not {id for id, entry in found.items() if entry["result"] == "error"}


def test_fix_mends_a_bundle_and_a_ca_crt_that_crashes_the_activator(before: set[str]) -> None:
    value = (kube.get("configmap", BUNDLE, SERVING) or {})["data"][KEY]
    kube.patch("configmap", BUNDLE, {"data": {KEY: value + "# the end\n"}}, SERVING)
    kube.patch("secret", "routing-serving-certs", {"data": {"ca.crt": "bm90IFBFTQo="}}, SERVING)
    kntls("check", "--fix", "--yes", "--wait", "6m")
    assert (kube.get("configmap", BUNDLE, SERVING) or {})["data"][KEY] == value


def test_fix_issues_a_leaf_with_the_right_names_again(before: set[str]) -> None:
    breakage = next(entry for entry in BREAKAGES if entry.id == "KN-LEAF-002")
    with breakage.made():
        kntls("check", "--fix", "--yes", "KN-LEAF-002", "--wait", "1m")


def test_the_smoke_test_calls_every_name_and_leaves_nothing_behind(before: set[str]) -> None:
    report = kntls("check", "--smoke", "-n", TENANT, "-o", "json").json()
    assert report["success"]
    called = [step["description"] for step in report["steps"] if "https://" in step["description"]]
    assert len(called) == 3
    assert [obj["metadata"]["name"] for obj in kube.items("ksvc", TENANT)] == [SERVICE.name]


@pytest.mark.skipif(not BY_OPERATOR, reason="there is no operator in an installation from YAML")
def test_check_finds_what_the_operator_is_about_to_revert(before: set[str]) -> None:
    with the_operator_about_to_revert_a_configmap():
        kube.wait("the drift is found", lambda: "KN-CONFIG-012" in failing(), 60, every=1)
    kube.wait("it is mended", lambda: not failing() - before, 300, every=2)
