"""Ways to break a real cluster, each undone again: what `kntls check` must see, and that it sees it go."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kntls.pki import create
from kntls.pki.create import KeyPair
from kntls.pki.pem import certificates
from tests.e2e import kube

SERVING, RESOURCES = "knative-serving", "cert-manager"
TENANT = "break-a"
BUNDLE, KEY = "knative-ca-bundle", "knative-ca-bundle.pem"
ISSUER, CA_CERTIFICATE, CA_SECRET = "knative-serving-ca-issuer", "knative-serving-selfsigned-ca", "knative-serving-ca"
LABEL = "networking.knative.dev/trust-bundle"


@dataclass(frozen=True)
class Breakage:
    """One way to break it."""

    id: str
    name: str
    made: Callable[[], AbstractContextManager[None]]
    also: frozenset[str]
    """Findings that come with it here and are no consequences in general."""


BREAKAGES: list[Breakage] = []
Maker = Callable[[], Iterator[None]]


def breaks(id: str, *also: str) -> Callable[[Maker], Maker]:
    """Register a generator that breaks, yields, and mends."""

    def register(make: Maker) -> Maker:
        BREAKAGES.append(Breakage(id, make.__name__, contextmanager(make), frozenset(also)))
        return make

    return register


# ------------------------------------------------------------------ tools


@contextmanager
def kept(kind: str, name: str, namespace: str | None = None) -> Iterator[kube.Object]:
    """The object as it is; put back as it was (or made again) at the end."""
    before = kube.get(kind, name, namespace)
    assert before, f"{kind} {namespace}/{name} is missing"
    for key in ("resourceVersion", "managedFields", "uid", "creationTimestamp"):
        before["metadata"].pop(key, None)
    before.pop("status", None)
    try:
        yield before
    finally:
        there = kube.get(kind, name, namespace)
        kube.run("replace" if there else "create", "-f", "-", stdin=json.dumps(before))


@contextmanager
def made(*objects: kube.Object) -> Iterator[None]:
    """These objects, gone again at the end."""
    kube.apply(*objects)
    try:
        yield
    finally:
        manifest = "\n---\n".join(map(json.dumps, objects))
        kube.run("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=manifest)


def config_map(name: str, namespace: str, data: dict[str, str], **labels: str) -> kube.Object:
    """A ConfigMap as a manifest."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def tls_secret(name: str, pair: KeyPair, namespace: str = RESOURCES, key: str = "") -> kube.Object:
    """A `kubernetes.io/tls` Secret as a manifest."""
    data = {"tls.crt": pair.chain_pem(), "tls.key": key or pair.key_pem(), "ca.crt": pair.certificate.pem()}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": encoded}


def operated() -> bool:
    """Whether an operator owns the configuration."""
    return bool(kube.items("knativeservings.operator.knative.dev")) if _has_operator() else False


@functools.cache
def _has_operator() -> bool:
    return kube.get("crd", "knativeservings.operator.knative.dev") is not None


def configure(name: str, data: dict[str, str | None]) -> None:
    """Set keys of one of Knative's ConfigMaps, where whoever owns it keeps them; back when they are there."""
    if operated():
        body = {"spec": {"config": {name.removeprefix("config-"): data}}}
        kube.patch("knativeserving", "knative-serving", body, SERVING)
    else:
        kube.patch("configmap", name, {"data": data}, SERVING)

    def there() -> bool:
        found = (kube.get("configmap", name, SERVING) or {}).get("data", {})
        return all(found.get(key) == value for key, value in data.items())

    kube.wait(f"{name} holds what was set", there, 60)


@contextmanager
def configured(name: str, data: dict[str, str]) -> Iterator[None]:
    """Keys of a ConfigMap, as they were before at the end."""
    found = (kube.get("configmap", name, SERVING) or {}).get("data", {})
    configure(name, dict(data))
    try:
        yield
    finally:
        configure(name, {key: found.get(key) for key in data})


def pair_of(secret: str, namespace: str = RESOURCES) -> KeyPair:
    """Certificate and key of a TLS Secret."""
    data = (kube.get("secret", secret, namespace) or {})["data"]
    key = load_pem_private_key(base64.b64decode(data["tls.key"]), None)
    first, *above = certificates(base64.b64decode(data["tls.crt"]).decode(), secret)
    return KeyPair(first, key, tuple(above))  # type: ignore[arg-type]  # a key type that cert-manager issues


@functools.cache
def stranger(name: str = "stranger") -> KeyPair:
    """A CA nobody here knows."""
    return create.new_ca(name, lifetime=timedelta(days=3650))


@functools.cache
def expired() -> KeyPair:
    """A CA that has ended."""
    return create.new_ca("expired-ca", lifetime=timedelta(days=30), at=datetime.now(UTC) - timedelta(days=60))


@contextmanager
def bundle_value(change: Callable[[str], str]) -> Iterator[None]:
    """Another value of the bundle's key."""
    with kept("configmap", BUNDLE, SERVING) as before:
        kube.patch("configmap", BUNDLE, {"data": {KEY: change(before["data"][KEY])}}, SERVING)
        yield


@contextmanager
def issuer_on(secret: kube.Object) -> Iterator[None]:
    """The issuer pointed to another Secret."""
    name = secret["metadata"]["name"]
    with made(secret), kept("clusterissuer", ISSUER):
        kube.patch("clusterissuer", ISSUER, {"spec": {"ca": {"secretName": name}}})
        kube.wait("the issuer is Ready", lambda: kube.condition(kube.get("clusterissuer", ISSUER)) == "True", 30)
        yield


@contextmanager
def leaf_with(*names: str) -> Iterator[None]:
    """The tenant's queue-proxy leaf with other names, of the same key and the right CA: cert-manager sees no change."""
    with kept("secret", "serving-certs", TENANT) as before:
        held, ca = pair_of("serving-certs", TENANT), pair_of(CA_SECRET)
        pair = create.issue(
            ca, dns=names, common_name=names[0], lifetime=timedelta(days=80), key=held.private_key,
            extended_key_usage=(),
        )  # fmt: skip
        before_crt = before["data"]["tls.crt"]
        data = {"tls.crt": base64.b64encode(pair.chain_pem().encode()).decode()}
        kube.patch("secret", "serving-certs", {"data": data}, TENANT)
        assert data["tls.crt"] != before_crt
        yield


# ------------------------------------------------------------------ trust bundles


@breaks("KN-TRUST-003")
def a_comment_after_the_last_certificate() -> Iterator[None]:
    with bundle_value(lambda text: text + "# the CA of this year\n"):
        yield


@breaks("KN-TRUST-003")
def a_blank_line_at_the_end() -> Iterator[None]:
    with bundle_value(lambda text: text + "\n"):
        yield


@breaks("KN-TRUST-022")
def a_comment_before_the_first_certificate() -> Iterator[None]:
    with bundle_value(lambda text: "# the CA of this year\n" + text):
        yield


@breaks("KN-TRUST-002")
def the_bundle_in_the_wrong_namespace() -> Iterator[None]:
    with kept("configmap", BUNDLE, SERVING) as before:
        elsewhere = config_map(BUNDLE, TENANT, before["data"], **{LABEL: "true"})
        kube.run("delete", "configmap", BUNDLE, "-n", SERVING)
        with made(elsewhere):
            yield


@breaks("KN-TRUST-001")
def no_bundle_at_all() -> Iterator[None]:
    with kept("configmap", BUNDLE, SERVING):
        kube.run("delete", "configmap", BUNDLE, "-n", SERVING)
        yield


@breaks("KN-TRUST-004")
def a_second_bundle() -> Iterator[None]:
    with made(config_map("another", SERVING, {"ca.pem": stranger().certificate.pem()}, **{LABEL: "true"})):
        yield


@breaks("KN-TRUST-008")
def an_expired_ca_in_the_bundle() -> Iterator[None]:
    with bundle_value(lambda text: text + expired().certificate.pem()):
        yield


@breaks("KN-TRUST-009")
def a_leaf_in_the_bundle() -> Iterator[None]:
    leaf = create.issue(stranger(), dns=["kn-routing"], common_name="kn-routing", lifetime=timedelta(days=90))
    with bundle_value(lambda text: text + leaf.certificate.pem()):
        yield


@breaks("KN-TRUST-010")
def a_private_key_in_the_bundle() -> Iterator[None]:
    with bundle_value(lambda text: text + stranger("leaked").key_pem()):
        yield


@breaks("KN-TRUST-011")
def two_cas_of_one_name_in_the_bundle() -> Iterator[None]:
    twins = [create.new_ca("twin", lifetime=timedelta(days=365)) for _ in range(2)]
    with bundle_value(lambda text: text + "".join(twin.certificate.pem() for twin in twins)):
        yield


@breaks("KN-TRUST-012")
def a_label_that_says_false() -> Iterator[None]:
    with kept("configmap", BUNDLE, SERVING):
        kube.patch("configmap", BUNDLE, {"metadata": {"labels": {LABEL: "false"}}}, SERVING)
        yield


@breaks("KN-TRUST-016")
def certificates_in_binary_data() -> Iterator[None]:
    with kept("configmap", BUNDLE, SERVING):
        kube.patch("configmap", BUNDLE, {"binaryData": {"more.pem": "LS0="}}, SERVING)
        yield


@breaks("KN-TRUST-013")
def published_trust_of_another_ca() -> Iterator[None]:
    labels = {"kntls.dev/published": "true", "app.kubernetes.io/managed-by": "kntls"}
    with made(config_map("given", TENANT, {"ca.crt": stranger().certificate.pem()}, **labels)):
        yield


@breaks("KN-TRUST-019")
def a_published_name_that_eventing_will_overwrite() -> Iterator[None]:
    labels = {"kntls.dev/published": "true", "app.kubernetes.io/managed-by": "kntls"}
    text = pair_of(CA_SECRET).certificate.pem()
    eventing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "knative-eventing"}}
    kube.apply(eventing)
    theirs = config_map("shared", "knative-eventing", {"a.pem": text}, **{LABEL: "true"})
    with made(theirs, config_map("shared", TENANT, {"ca.crt": text}, **labels)):
        yield


@breaks("KN-TRUST-006", "KN-LEAF-013")
def a_ca_crt_that_is_not_pem() -> Iterator[None]:
    with kept("secret", "routing-serving-certs", SERVING):
        text = base64.b64encode(b"see the wiki\n").decode()
        kube.patch("secret", "routing-serving-certs", {"data": {"ca.crt": text}}, SERVING)
        yield


# ------------------------------------------------------------------ issuers


@breaks("KN-TRUST-020")
def the_issuer_swapped_without_trust_or_reissue() -> Iterator[None]:
    with issuer_on(tls_secret("swapped", stranger())):
        yield


@breaks("KN-TRUST-024")
def a_bundle_that_is_a_secret() -> Iterator[None]:
    labelled = tls_secret("roots", stranger(), SERVING)
    labelled["metadata"]["labels"] = {LABEL: "true"}
    with made(labelled):
        yield


@breaks("KN-ISSUER-019")
def another_issuer_with_a_copy_of_the_key() -> Iterator[None]:
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "twin"}}
    with made(tls_secret("copy", pair_of(CA_SECRET)), {**issuer, "spec": {"ca": {"secretName": "copy"}}}):
        yield


@breaks("KN-LEAF-007")
def the_issuer_swapped_without_reissue() -> Iterator[None]:
    with bundle_value(lambda text: text + stranger().certificate.pem()), issuer_on(tls_secret("swapped", stranger())):
        yield


@breaks("KN-ISSUER-009", "KN-LEAF-007")
def the_issuer_on_an_expired_ca() -> Iterator[None]:
    with issuer_on(tls_secret("ended", expired())):
        yield


@breaks("KN-ISSUER-008", "KN-TRUST-020", "KN-LEAF-007")
def the_issuer_on_a_key_that_does_not_fit() -> Iterator[None]:
    with issuer_on(tls_secret("mixed", stranger(), key=stranger("other").key_pem())):
        yield


@breaks("KN-ISSUER-010", "KN-TRUST-020", "KN-LEAF-007", "KN-LEAF-009")
def the_issuer_on_a_ca_that_ends_soon() -> Iterator[None]:
    with issuer_on(tls_secret("short", create.new_ca("short-ca", lifetime=timedelta(days=20)))):
        yield


@breaks("KN-ISSUER-006")
def the_issuer_on_a_secret_that_is_not_there() -> Iterator[None]:
    with kept("clusterissuer", ISSUER):
        kube.patch("clusterissuer", ISSUER, {"spec": {"ca": {"secretName": "nowhere"}}})
        yield


@breaks("KN-ISSUER-015")
def a_ca_without_a_lifetime_of_its_own() -> Iterator[None]:
    with kept("certificate", CA_CERTIFICATE, RESOURCES):
        body = {"spec": {"duration": None, "renewBefore": None}}
        kube.patch("certificate", CA_CERTIFICATE, body, RESOURCES)
        yield


@breaks("KN-ISSUER-016")
def a_ca_that_changes_its_key() -> Iterator[None]:
    with kept("certificate", CA_CERTIFICATE, RESOURCES):
        body = {"spec": {"privateKey": {"rotationPolicy": "Always"}}}
        kube.patch("certificate", CA_CERTIFICATE, body, RESOURCES)
        yield


# ------------------------------------------------------------------ leaves


@breaks("KN-LEAF-002")
def a_leaf_without_the_shared_name() -> Iterator[None]:
    with leaf_with(f"kn-user-{TENANT}"):
        yield


@breaks("KN-LEAF-003")
def a_leaf_with_another_tenants_name() -> Iterator[None]:
    with leaf_with(f"kn-user-{TENANT}", "data-plane.knative.dev", "kn-user-somebody"):
        yield


@breaks("KN-LEAF-013")
def a_ca_crt_of_another_ca() -> Iterator[None]:
    with kept("secret", "serving-certs", TENANT):
        text = base64.b64encode(stranger().certificate.pem().encode()).decode()
        kube.patch("secret", "serving-certs", {"data": {"ca.crt": text}}, TENANT)
        yield


# ------------------------------------------------------------------ configuration


@breaks("KN-CONFIG-004")
def an_external_flag_that_means_off() -> Iterator[None]:
    with configured("config-network", {"external-domain-tls": "true"}):
        yield


@breaks("KN-CONFIG-006")
def a_flag_in_two_spellings() -> Iterator[None]:
    with configured("config-network", {"external-domain-tls": "Disabled", "auto-tls": "Disabled"}):
        yield


@breaks("KN-CONFIG-007")
def a_misspelt_flag() -> Iterator[None]:
    with configured("config-network", {"cluster-local-domains-tls": "Enabled"}):
        yield


@breaks("KN-CONFIG-011")
def a_configuration_without_its_labels() -> Iterator[None]:
    with kept("configmap", "config-network", SERVING):
        body = {"metadata": {"labels": {"app.kubernetes.io/component": None}}}
        kube.patch("configmap", "config-network", body, SERVING)
        yield


@breaks("KN-CONFIG-015")
def a_wildcard_selector_for_a_surface_that_is_off() -> Iterator[None]:
    selector = "matchLabels:\n  nobody: here\n"
    with configured("config-network", {"namespace-wildcard-cert-selector": selector}):
        yield


# ------------------------------------------------------------------ the rest


@breaks("KN-NS-001", "KN-KCERT-014")
def a_namespace_with_a_name_that_is_too_long() -> Iterator[None]:
    name = "n" * 56
    container = {"image": "dev.local/hello"}
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "x", "namespace": name},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    with ExitStack() as stack:
        stack.enter_context(made({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        stack.enter_context(made(service))
        kube.wait("a Revision", lambda: bool(kube.items("revisions.serving.knative.dev", name)), 30)
        yield


@breaks("KN-ROT-003")
def a_rotation_that_was_prepared_only() -> Iterator[None]:
    with (
        made(tls_secret("next", stranger("next-ca"))),
        bundle_value(lambda text: text + stranger("next-ca").certificate.pem()),
    ):
        yield


@breaks("KN-ROT-004")
def a_run_that_was_killed() -> Iterator[None]:
    metadata = {"name": "kntls", "namespace": SERVING, "labels": {"app.kubernetes.io/managed-by": "kntls"}}
    spec = {"holderIdentity": "alice@laptop pid 7", "renewTime": "2026-01-01T00:00:00.000000Z"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    with made(lease):
        yield


@breaks("KN-RESTART-006", "KN-KCERT-012")
def a_flag_turned_off_without_a_restart() -> Iterator[None]:
    with configured("config-network", {"system-internal-tls": "Disabled"}):
        yield


@breaks("KN-CM-002")
def cert_manager_scaled_to_none() -> Iterator[None]:
    kube.run("scale", "deployment/cert-manager", "--replicas=0", "-n", RESOURCES)
    try:
        yield
    finally:
        kube.run("scale", "deployment/cert-manager", "--replicas=1", "-n", RESOURCES)
        kube.run("rollout", "status", "deployment/cert-manager", "-n", RESOURCES, "--timeout=60s")


@breaks("KN-CM-003")
def cert_managers_webhook_scaled_to_none() -> Iterator[None]:
    kube.run("scale", "deployment/cert-manager-webhook", "--replicas=0", "-n", RESOURCES)
    try:
        yield
    finally:
        kube.run("scale", "deployment/cert-manager-webhook", "--replicas=1", "-n", RESOURCES)
        kube.run("rollout", "status", "deployment/cert-manager-webhook", "-n", RESOURCES, "--timeout=60s")


# ------------------------------------------------------------------ the operator


@contextmanager
def the_operator_about_to_revert_a_configmap() -> Iterator[None]:
    """A ConfigMap changed behind the operator's back, while it is not looking."""
    home = "knative-operator"
    kube.run("scale", "deployment/knative-operator", "--replicas=0", "-n", home)
    try:
        kube.wait("the operator is gone", lambda: not kube.items("pods", home, "name=knative-operator"), 60)
        kube.patch("configmap", "config-network", {"data": {"cluster-local-domain-tls": "Disabled"}}, SERVING)
        yield
    finally:
        kube.run("scale", "deployment/knative-operator", "--replicas=1", "-n", home)
