"""One way to break a healthy world for each check, in just the way the check is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.model import kinds as k
from kntls.model.observation import Unread
from kntls.pki import create
from tests import world as w
from tests.pki.forge import forge
from tests.world import (
    AT,
    CA,
    ENABLED,
    EXTERNAL,
    INTERNAL,
    ISSUER,
    LOCAL,
    OPERATOR,
    RESOURCES,
    World,
    ca,
    condition,
    healthy,
    leaf,
    stamp,
    tls_secret,
)

Base = Callable[[], World]


@dataclass(frozen=True)
class Breakage:
    """How to break a world for one check."""

    id: str
    base: Base
    apply: Callable[[World], None]


BREAKAGES: list[Breakage] = []


def breaks(id: str, base: Base = healthy) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Register a way to break a world for that check; several ways for one check are fine."""

    def register(apply: Callable[[World], None]) -> Callable[[World], None]:
        BREAKAGES.append(Breakage(id, base, apply))
        return apply

    return register


operated = partial(healthy, OPERATOR)
plain = partial(healthy, surfaces=())


def _deployment(world: World, name: str, namespace: str = "knative-serving") -> dict:
    return world.get(k.DEPLOYMENT, name, namespace)


def _version(world: World, name: str, version: str, namespace: str = "knative-serving") -> None:
    _deployment(world, name, namespace)["metadata"]["labels"]["app.kubernetes.io/version"] = version


def _serving_version(world: World, version: str) -> None:
    for name in ("controller", "activator", "autoscaler", "webhook"):
        _version(world, name, version)


def _down(world: World, name: str, namespace: str = "knative-serving") -> None:
    _deployment(world, name, namespace)["status"]["conditions"] = [condition("Available", "False")]


def _deny(world: World, question: str) -> None:
    world.get(k.SELF_SUBJECT_ACCESS_REVIEW, question)["status"]["allowed"] = False


def _route_kcert(world: World, namespace: str = "team-a") -> str:
    return next(name for space, name in world.objects[k.KCERT] if space == namespace and name.startswith("route-"))


def _certificate(world: World, name: str = "serving-certs", namespace: str = "team-a") -> dict:
    return world.get(k.CERTIFICATE, name, namespace)


def _ca_secret(world: World, pair: create.KeyPair, anchor: create.KeyPair | None = None) -> None:
    """Another CA in the issuer's Secret, trusted, with every leaf issued by it again."""
    labels = {"controller.cert-manager.io/fao": "true"}
    world.put_secret(tls_secret(CA, RESOURCES, pair, anchor or pair, labels=labels))
    world.reissue(pair)
    _trust_only(world, anchor or pair)


def _trust_only(world: World, *pairs: create.KeyPair) -> None:
    for space in dict.fromkeys((world.serving, world.ingress)):
        world.bundle(*pairs, namespace=space)


def _text(world: World) -> dict[str, str]:
    return world.get(k.CONFIG_MAP, "knative-ca-bundle", world.serving)["data"]


KEY = "knative-ca-bundle.pem"
TEAM_A = ("kn-user-team-a", "data-plane.knative.dev")


@cache
def weak_key() -> rsa.RSAPrivateKey:
    """A key that is too short."""
    return rsa.generate_private_key(65537, 1024)


def _forged(**how: Any) -> create.KeyPair:
    """A leaf for team-a as cert-manager would not make it."""
    end = ENABLED + timedelta(days=90)
    return forge(TEAM_A[0], ca(), dns=TEAM_A, begin=ENABLED, end=end, ku=("digital_signature",), **how)


# ------------------------------------------------------------------ kubernetes-api


@breaks("KN-API-001")
def _(world: World) -> None:
    world.forget(k.BUNDLE)
    world.unread = (Unread(k.BUNDLE.resource, "forbidden: list bundles"),)


@breaks("KN-API-002")
def _(world: World) -> None:
    _deny(world, "patch deployments.apps -n knative-serving")


@breaks("KN-API-003")
def _(world: World) -> None:
    _deny(world, "update certificates.cert-manager.io/status -A")


@breaks("KN-API-004")
def _(world: World) -> None:
    _deny(world, "create pods/portforward -A")


@breaks("KN-API-002")
def _(world: World) -> None:
    _deny(world, "create certificates.networking.internal.knative.dev -A")


@breaks("KN-API-005")
def _(world: World) -> None:
    _deny(world, "delete pods -n knative-serving")


@breaks("KN-API-006")
def _(world: World) -> None:
    _deny(world, "delete secrets -A")


# ------------------------------------------------------------------ versions


@breaks("KN-VER-001", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    _serving_version(world, "1.13.2")


@breaks("KN-VER-002", lambda: _redirected((LOCAL, EXTERNAL)))
def _(world: World) -> None:
    for name in ("controller", "activator", "autoscaler", "webhook"):
        _version(world, name, "1.15.1")
    world.put(k.CLUSTER_ISSUER, "other", spec=world.get(k.CLUSTER_ISSUER, ISSUER)["spec"],
              status=world.get(k.CLUSTER_ISSUER, ISSUER)["status"])  # fmt: skip
    world.config("config-certmanager")["clusterLocalIssuerRef"] = "name: other"
    for space in w.TENANTS:
        _certificate(world, _route_kcert(world, space), space)["spec"]["issuerRef"]["name"] = "other"


@breaks("KN-VER-003")
def _(world: World) -> None:
    _version(world, "activator", "1.22.0")


@breaks("KN-VER-004")
def _(world: World) -> None:
    _serving_version(world, "1.18.0")


@breaks("KN-VER-005")
def _(world: World) -> None:
    _version(world, "cert-manager", "v1.11.0", RESOURCES)


@breaks("KN-VER-006")
def _(world: World) -> None:
    _version(world, "cert-manager", "v1.19.0", RESOURCES)


@breaks("KN-VER-007")
def _(world: World) -> None:
    _version(world, "cert-manager", "v1.21.0", RESOURCES)
    world.get(k.CERTIFICATE, CA, RESOURCES)["spec"]["renewal"] = {"policy": "Disabled"}


# ------------------------------------------------------------------ cert-manager


@breaks("KN-CM-001", plain)
def _(world: World) -> None:
    for name in ("cert-manager", "cert-manager-webhook"):
        world.drop(k.DEPLOYMENT, name, RESOURCES)
    for _, name in [*world.objects[k.CRD]]:
        world.drop(k.CRD, name)


@breaks("KN-CM-002")
def _(world: World) -> None:
    _down(world, "cert-manager", RESOURCES)


@breaks("KN-CM-003")
def _(world: World) -> None:
    _down(world, "cert-manager-webhook", RESOURCES)


@breaks("KN-CM-003")
def _(world: World) -> None:
    world.drop(k.DEPLOYMENT, "cert-manager-webhook", RESOURCES)


@breaks("KN-CM-004")
def _(world: World) -> None:
    world.drop(k.CRD, "challenges.acme.cert-manager.io")


@breaks("KN-CM-005", plain)
def _(world: World) -> None:
    template = _deployment(world, "cert-manager", RESOURCES)["spec"]["template"]
    template["spec"]["containers"][0]["args"] = []


@breaks("KN-CM-006")
def _(world: World) -> None:
    world.put(k.CERTIFICATE_REQUEST, "serving-certs-9", "team-a", status={"conditions": []})


@breaks("KN-CM-007")
def _(world: World) -> None:
    container = _deployment(world, "cert-manager", RESOURCES)["spec"]["template"]["spec"]["containers"][0]
    container["args"].append("--enable-certificate-owner-ref=true")


@breaks("KN-CM-008")
def _(world: World) -> None:
    _version(world, "cert-manager", "v1.20.1", RESOURCES)
    original = world.get(k.KCERT, "serving-certs", "team-a")
    certificate, secret = _certificate(world), world.get(k.SECRET, "serving-certs", "team-a")
    for number in range(1001):
        space = f"n{number}"
        for kind, obj in ((k.KCERT, original), (k.CERTIFICATE, certificate), (k.SECRET, secret)):
            metadata = {**obj["metadata"], "namespace": space, "name": "route-x"}
            world.objects[kind][space, "route-x"] = {**obj, "metadata": metadata}
            if kind == k.CERTIFICATE:
                spec = {**obj["spec"], "secretName": "route-x"}
                world.objects[kind][space, "route-x"] = {**obj, "metadata": metadata, "spec": spec}


# ------------------------------------------------------------------ issuers


@breaks("KN-ISSUER-001")
def _(world: World) -> None:
    for key in ("issuerRef", "clusterLocalIssuerRef", "systemInternalIssuerRef"):
        del world.config("config-certmanager")[key]
    for obj in world.objects[k.CERTIFICATE].values():
        if not obj["spec"].get("isCA"):
            obj["spec"]["issuerRef"]["name"] = "knative-selfsigned-issuer"


@breaks("KN-ISSUER-002")
def _(world: World) -> None:
    world.config("config-certmanager")["clusterLocalIssuerRef"] = f"kind: Issuer\nname: {ISSUER}"


@breaks("KN-ISSUER-002")
def _(world: World) -> None:
    world.config("config-certmanager")["clusterLocalIssuerRef"] = f"kind: StepClusterIssuer\nname: {ISSUER}"


@breaks("KN-ISSUER-003")
def _(world: World) -> None:
    status = world.get(k.CLUSTER_ISSUER, ISSUER)["status"]
    status["conditions"] = [condition("Ready", "False", "ErrGetKeyPair", message="secret not found")]


@breaks("KN-ISSUER-004")
def _(world: World) -> None:
    world.get(k.CLUSTER_ISSUER, ISSUER)["spec"] = {"acme": {"server": "https://acme.example"}}


@breaks("KN-ISSUER-005")
def _(world: World) -> None:
    world.get(k.CLUSTER_ISSUER, ISSUER)["metadata"]["generation"] = 2


@breaks("KN-ISSUER-006")
def _(world: World) -> None:
    secret = world.get(k.SECRET, CA, RESOURCES)
    world.drop(k.SECRET, CA, RESOURCES)
    secret["metadata"]["namespace"] = "knative-serving"
    world.put_secret(secret)


@breaks("KN-ISSUER-007")
def _(world: World) -> None:
    pair = create.issue(
        ca("other"), dns=["not-a-ca"], common_name="not-a-ca", lifetime=timedelta(days=3650), at=ENABLED
    )
    _ca_secret(world, pair)


@breaks("KN-ISSUER-008")
def _(world: World) -> None:
    mixed = replace(ca(), private_key=ca("other").private_key)
    world.put_secret(tls_secret(CA, RESOURCES, mixed, ca()))


@breaks("KN-ISSUER-009")
def _(world: World) -> None:
    _ca_secret(world, ca("old", AT - timedelta(days=400), 365))


@breaks("KN-ISSUER-010")
def _(world: World) -> None:
    _ca_secret(world, ca("ending", AT - timedelta(days=300), 365))


@breaks("KN-ISSUER-011")
def _(world: World) -> None:
    world.put_secret(tls_secret(CA, RESOURCES, ca(), ca("other")))


@breaks("KN-ISSUER-012")
def _(world: World) -> None:
    _ca_secret(
        world,
        forge(
            "narrow",
            ca=True,
            begin=ENABLED,
            end=ENABLED + timedelta(days=3650),
            extra=[(x509.NameConstraints([x509.DNSName("example.com")], None), True)],
        ),
    )


@breaks("KN-ISSUER-013")
def _(world: World) -> None:
    rival = ca(CA, ENABLED - timedelta(days=1))
    world.get(k.CONFIG_MAP, "knative-ca-bundle", "knative-serving")["data"][KEY] = "".join(
        pair.certificate.pem() for pair in (ca(), rival)
    )


@breaks("KN-ISSUER-014")
def _(world: World) -> None:
    _ca_secret(world, forge("weak", ca=True, begin=ENABLED, end=ENABLED + timedelta(days=3650), key=weak_key()))


@breaks("KN-ISSUER-015")
def _(world: World) -> None:
    del world.get(k.CERTIFICATE, CA, RESOURCES)["spec"]["duration"]


@breaks("KN-ISSUER-016")
def _(world: World) -> None:
    del world.get(k.CERTIFICATE, CA, RESOURCES)["spec"]["privateKey"]["rotationPolicy"]


@breaks("KN-ISSUER-017")
def _(world: World) -> None:
    world.get(k.CERTIFICATE, CA, RESOURCES)["status"]["renewalTime"] = stamp(AT + timedelta(days=7))


@breaks("KN-ISSUER-018")
def _(world: World) -> None:
    world.get(k.SECRET, CA, RESOURCES)["metadata"]["labels"]["controller.cert-manager.io/fao"] = "false"


@breaks("KN-ISSUER-019")
def _(world: World) -> None:
    world.put_secret(tls_secret("copy", RESOURCES, ca(), ca()))
    world.put(k.CLUSTER_ISSUER, "other", spec={"ca": {"secretName": "copy"}},
              status=world.get(k.CLUSTER_ISSUER, ISSUER)["status"])  # fmt: skip


# ------------------------------------------------------------------ configuration


@breaks("KN-CONFIG-001", plain)
def _(world: World) -> None:
    for space, name in [*world.objects[k.DEPLOYMENT]]:
        if space != RESOURCES:
            world.drop(k.DEPLOYMENT, name, space)
    world.objects[k.CONFIG_MAP].clear()


@breaks("KN-CONFIG-002", plain)
def _(world: World) -> None:
    world.drop(k.CONFIG_MAP, "config-certmanager", world.serving)


@breaks("KN-CONFIG-003")
def _(world: World) -> None:
    world.config()[LOCAL] = "yes"
    for space in w.TENANTS:
        for kind in (k.KCERT, k.CERTIFICATE):
            world.drop(kind, next(n for s, n in world.objects[kind] if s == space and n.startswith("route-")), space)


@breaks("KN-CONFIG-003")
def _(world: World) -> None:
    world.config()["internal-encryption"] = "yes"


@breaks("KN-CONFIG-004")
def _(world: World) -> None:
    world.config()[EXTERNAL] = "true"


@breaks("KN-CONFIG-005")
def _(world: World) -> None:
    world.config()[INTERNAL] = "Disabled"
    world.config()["internal-encryption"] = "true"


@breaks("KN-CONFIG-006")
def _(world: World) -> None:
    world.config()[EXTERNAL] = "Disabled"
    world.config()["auto-tls"] = "Enabled"


@breaks("KN-CONFIG-007")
def _(world: World) -> None:
    world.config()["cluster-local-domains-tls"] = "Enabled"


@breaks("KN-CONFIG-007")
def _(world: World) -> None:
    world.config()["dataplane-trust"] = "minimal"


@breaks("KN-CONFIG-008")
def _(world: World) -> None:
    world.config("config-certmanager")["issuerRef"] = "{kind: ["


@breaks("KN-CONFIG-009")
def _(world: World) -> None:
    world.config()["certificate-class"] = "other.example"


@breaks("KN-CONFIG-010", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    del world.config()["ingress-class"]


@breaks("KN-CONFIG-011")
def _(world: World) -> None:
    del world.get(k.CONFIG_MAP, "config-network", world.serving)["metadata"]["labels"]["app.kubernetes.io/component"]


@breaks("KN-CONFIG-012", operated)
def _(world: World) -> None:
    world.config()["http-protocol"] = "Redirected"
    world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["spec"]["config"]["network"]["http-protocol"] = "x"


@breaks("KN-CONFIG-012", partial(healthy, w.OPENSHIFT))
def _(world: World) -> None:
    data = {**world.config(), INTERNAL: "Disabled"}
    world.put(k.CONFIG_MAP, "config-network", world.ingress, data=data)


@breaks("KN-CONFIG-013", operated)
def _(world: World) -> None:
    config = world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["spec"]["config"]
    config["config-network"] = dict(config["network"])


@breaks("KN-CONFIG-014", operated)
def _(world: World) -> None:
    world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["metadata"]["generation"] = 2


@breaks("KN-CONFIG-014", operated)
def _(world: World) -> None:
    status = world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["status"]
    status["conditions"] = [condition("Ready", "False", message="deployments not ready")]


@breaks("KN-CONFIG-015")
def _(world: World) -> None:
    world.config()["namespace-wildcard-cert-selector"] = "{}"


@breaks("KN-CONFIG-015")
def _(world: World) -> None:
    world.config()["namespace-wildcard-cert-selector"] = "{["


@breaks("KN-CONFIG-016")
def _(world: World) -> None:
    world.config()["http-protocol"] = "off"


@breaks("KN-CONFIG-017", lambda: _redirected())
def _(world: World) -> None:
    del world.config()["http-protocol"]


def _redirected(surfaces: tuple[str, ...] = (INTERNAL, LOCAL, EXTERNAL)) -> World:
    world = healthy(surfaces=surfaces)
    world.config()["http-protocol"] = "Redirected"
    for route in world.objects[k.ROUTE].values():
        route["status"]["url"] = route["status"]["url"].replace("http://", "https://")
    return world


@breaks("KN-CONFIG-018")
def _(world: World) -> None:
    world.config("config-deployment")["queue-sidecar-tls-max-version"] = "1.2"


@breaks("KN-CONFIG-018")
def _(world: World) -> None:
    template = _deployment(world, "activator")["spec"]["template"]
    template["spec"]["containers"][0]["env"] = [{"name": "ACTIVATOR_TLS_MAX_VERSION", "value": "1.2"}]


@breaks("KN-CONFIG-019", operated)
def _(world: World) -> None:
    world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["spec"]["clusterProfileRef"] = {"name": "far"}


# ------------------------------------------------------------------ namespaces


@breaks("KN-NS-001", plain)
def _(world: World) -> None:
    world.tenant("n" * 56)


@breaks("KN-NS-002")
def _(world: World) -> None:
    world.get(k.KCERT, "serving-certs", "team-a")["metadata"]["ownerReferences"] = []


# ------------------------------------------------------------------ certificates


@breaks("KN-KCERT-001")
def _(world: World) -> None:
    status = world.get(k.KCERT, _route_kcert(world), "team-a")["status"]
    status["conditions"] = [condition("Ready", "Unknown", "ReconcileFailed", message="no matches for kind")]


@breaks("KN-KCERT-002", plain)
def _(world: World) -> None:
    world.drop(k.KCERT, "routing-serving-certs", world.serving)


@breaks("KN-KCERT-003")
def _(world: World) -> None:
    world.drop(k.CERTIFICATE, "serving-certs", "team-a")


@breaks("KN-KCERT-004")
def _(world: World) -> None:
    _certificate(world)["status"]["conditions"] = [condition("Ready", "False", "IncorrectIssuer", message="other")]


@breaks("KN-KCERT-005")
def _(world: World) -> None:
    status = _certificate(world)["status"]
    status["conditions"].append(condition("Issuing", "False", "Failed", message="signing failed"))
    status |= {"lastFailureTime": stamp(AT), "failedIssuanceAttempts": 3}


@breaks("KN-KCERT-006")
def _(world: World) -> None:
    _certificate(world)["status"]["conditions"].append(condition("Issuing", reason="Renewing"))


@breaks("KN-KCERT-007")
def _(world: World) -> None:
    spec = {**_certificate(world)["spec"], "dnsNames": ["mine.example"]}
    world.put(k.CERTIFICATE, "mine", "team-a", spec=spec, status={"conditions": [condition("Ready")]})


@breaks("KN-KCERT-008")
def _(world: World) -> None:
    _certificate(world)["metadata"]["ownerReferences"] = []


@breaks("KN-KCERT-009")
def _(world: World) -> None:
    _certificate(world)["spec"]["issuerRef"]["name"] = "former"


@breaks("KN-KCERT-010")
def _(world: World) -> None:
    owner = {"kind": "Certificate", "name": "serving-certs", "uid": "of-a-former-life"}
    world.put(
        k.CERTIFICATE_REQUEST, "serving-certs-2", "team-a", metadata={"ownerReferences": [owner]},
        status={"conditions": [condition("Approved"), condition("Ready", "False", "Failed")]},
    )  # fmt: skip


@breaks("KN-KCERT-011")
def _(world: World) -> None:
    status = world.get(k.KCERT, _route_kcert(world), "team-a")["status"]
    status["conditions"] = [condition("Ready", "False", "CommonName Too Long", message="CommonName is 70 long")]


@breaks("KN-KCERT-012")
def _(world: World) -> None:
    world.config()[LOCAL] = "Disabled"
    for route in world.objects[k.ROUTE].values():
        del route["status"]["address"]


@breaks("KN-KCERT-013")
def _(world: World) -> None:
    for kind in (k.KCERT, k.CERTIFICATE):
        world.drop(kind, "serving-certs", "team-a")


@breaks("KN-KCERT-014")
def _(world: World) -> None:
    name = _route_kcert(world)
    for kind in (k.KCERT, k.CERTIFICATE):
        world.drop(kind, name, "team-a")


# ------------------------------------------------------------------ restarts


def _unreconciled(world: World) -> None:
    """KCerts as they are while nobody looks at them."""
    for kcert in world.objects[k.KCERT].values():
        kcert["status"] = {}
    for space, name in [*world.objects[k.CERTIFICATE]]:
        if name != CA:
            world.drop(k.CERTIFICATE, name, space)
            world.drop(k.SECRET, name, space)
    world.shows |= dict.fromkeys(("activator", "queue-proxy", "gateway"), "connection refused")
    for pod in world.objects[k.POD].values():
        pod["spec"].pop("volumes", None)
    for route in world.objects[k.ROUTE].values():
        route["status"]["conditions"] = [condition("CertificateProvisioned", "Unknown", "CertificateNotReady")]
        route["status"]["address"]["url"] = "http://hello"
    for ingress in world.objects[k.KINGRESS].values():
        ingress["spec"]["tls"] = []


@breaks("KN-RESTART-001", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    _unreconciled(world)


@breaks("KN-RESTART-002")
def _(world: World) -> None:
    world.shows["activator"] = "connection refused"


@breaks("KN-RESTART-003")
def _(world: World) -> None:
    world.get(k.POD, "hello-00001-deployment-0", "team-a")["spec"]["volumes"] = []
    world.shows["team-a/hello-00001-deployment-0"] = "connection refused"
    world.put(k.LOG, "hello-00001-deployment-0", "team-a", text="Starting tls server main :8112")


@breaks("KN-RESTART-004")
def _(world: World) -> None:
    for pod in world.objects[k.POD].values():
        if pod["metadata"]["labels"].get("app") == "activator":
            before = stamp(ENABLED - timedelta(days=1))
            pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = before
    world.live = False


@breaks("KN-RESTART-005", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    _unreconciled(world)
    world.get(k.CRD, "certificates.cert-manager.io")["metadata"]["creationTimestamp"] = stamp(AT)


@breaks("KN-RESTART-006", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    world.lingering = True


# ------------------------------------------------------------------ leaves


@breaks("KN-LEAF-001")
def _(world: World) -> None:
    world.drop(k.SECRET, "serving-certs", "team-a")
    world.shows["team-a/hello-00001-deployment-0"] = leaf(TEAM_A, ca())


@breaks("KN-LEAF-001")
def _(world: World) -> None:
    world.get(k.SECRET, "serving-certs", "team-b")["data"]["tls.crt"] = ""
    world.shows["team-b/hello-00001-deployment-0"] = leaf(("kn-user-team-b", "data-plane.knative.dev"), ca())


@breaks("KN-LEAF-002")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", names=("kn-user-team-a",))


@breaks("KN-LEAF-002")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", names=("kn-user-team-b", "data-plane.knative.dev"))


@breaks("KN-LEAF-002")
def _(world: World) -> None:
    world.sign(_route_kcert(world), "team-a", names=("hello.team-a", "hello.team-a.svc"))


@breaks("KN-LEAF-003")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", names=("kn-user-team-a", "data-plane.knative.dev", "kn-user-team-b"))


@breaks("KN-LEAF-004")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", key_of=ca("other"))


@breaks("KN-LEAF-005")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", begin=AT - timedelta(days=91))


@breaks("KN-LEAF-006")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", begin=AT - timedelta(days=80))


@breaks("KN-LEAF-007")
def _(world: World) -> None:
    _trust_only(world, ca(), ca("former"))
    world.reissue(ca("former"))


@breaks("KN-LEAF-008")
def _(world: World) -> None:
    root, middle = ca("root"), ca("middle", parent=ca("root"))
    world.put_secret(tls_secret(CA, RESOURCES, middle, root))
    world.reissue(middle)
    for secret in world.objects[k.SECRET].values():
        if secret["metadata"]["name"] != CA:
            secret["data"]["ca.crt"] = root.certificate.pem()
    _trust_only(world, root)
    name = _route_kcert(world)
    lonely = leaf(tuple(_certificate(world, name)["spec"]["dnsNames"]), middle)
    world.get(k.SECRET, name, "team-a")["data"]["tls.crt"] = lonely.certificate.pem()


@breaks("KN-LEAF-009")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", days=4000)


@breaks("KN-LEAF-010")
def _(world: World) -> None:
    stray = _forged(aki=b"somebody else's key..")
    world.put_secret(tls_secret("serving-certs", "team-a", stray, ca()))


@breaks("KN-LEAF-011")
def _(world: World) -> None:
    weak = _forged(key=weak_key())
    world.put_secret(tls_secret("serving-certs", "team-a", weak, ca()))


@breaks("KN-LEAF-012")
def _(world: World) -> None:
    pair = create.issue(
        ca(), dns=TEAM_A, common_name="kn-user-team-a",
        lifetime=timedelta(days=90), at=ENABLED, extended_key_usage=("clientAuth",),
    )  # fmt: skip
    world.put_secret(tls_secret("serving-certs", "team-a", pair, ca()))


@breaks("KN-LEAF-013")
def _(world: World) -> None:
    world.get(k.SECRET, "serving-certs", "team-a")["data"]["ca.crt"] = ca("other").certificate.pem()


# ------------------------------------------------------------------ trust


@breaks("KN-TRUST-001")
def _(world: World) -> None:
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)


@breaks("KN-TRUST-002")
def _(world: World) -> None:
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)
    world.bundle(ca(), namespace="kourier-system")


@breaks("KN-TRUST-003")
def _(world: World) -> None:
    _text(world)[KEY] += "# the CA of June\n"


@breaks("KN-TRUST-003")
def _(world: World) -> None:
    _text(world)[KEY] += "\n"


@breaks("KN-TRUST-003")
def _(world: World) -> None:
    _text(world)[KEY] = "not PEM at all"


@breaks("KN-TRUST-004")
def _(world: World) -> None:
    world.bundle(ca("unrelated"), name="another")


@breaks("KN-TRUST-005")
def _(world: World) -> None:
    _text(world).clear()
    del world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"]


@breaks("KN-TRUST-006")
def _(world: World) -> None:
    world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"] = "see the wiki"
    world.shows["activator"] = "connection refused"
    _down(world, "activator")


@breaks("KN-TRUST-007")
def _(world: World) -> None:
    world.sign("serving-certs", "team-a", ca("stranger"))
    world.switch(CA)
    world.get(k.CLUSTER_ISSUER, ISSUER)["spec"] = {"vault": {"path": "pki/sign/knative"}}


@breaks("KN-TRUST-008")
def _(world: World) -> None:
    _trust_only(world, ca(), ca("gone", AT - timedelta(days=400), 365))


@breaks("KN-TRUST-009")
def _(world: World) -> None:
    _trust_only(world, ca(), leaf(("kn-routing",), ca("stranger")))


@breaks("KN-TRUST-010")
def _(world: World) -> None:
    _text(world)[KEY] += ca("leaked").key_pem()


@breaks("KN-TRUST-011")
def _(world: World) -> None:
    _text(world)[KEY] += ca("twin").certificate.pem() + ca("twin", ENABLED - timedelta(days=1)).certificate.pem()


@breaks("KN-TRUST-012")
def _(world: World) -> None:
    labels = world.get(k.CONFIG_MAP, "knative-ca-bundle", world.serving)["metadata"]["labels"]
    labels["networking.knative.dev/trust-bundle"] = "false"


def _publish(world: World, *pairs: create.KeyPair, **metadata: object) -> dict:
    labels = {"app.kubernetes.io/managed-by": "kntls", "kntls.dev/published": "true"}
    text = "".join(pair.certificate.pem() for pair in pairs)
    return world.put(
        k.CONFIG_MAP, "knative-ca-bundle", "team-a", metadata={"labels": labels, **metadata}, data={"ca.crt": text}
    )


@breaks("KN-TRUST-013")
def _(world: World) -> None:
    _publish(world, ca("stranger"))


@breaks("KN-TRUST-014")
def _(world: World) -> None:
    _publish(world, ca(), managedFields=[{"manager": "kntls", "operation": "Apply", "time": stamp(AT)}])
    source = {"configMapRef": {"name": "knative-ca-bundle"}}
    world.get(k.POD, "hello-00001-deployment-0", "team-a")["spec"]["containers"][0]["envFrom"] = [source]


@breaks("KN-TRUST-016")
def _(world: World) -> None:
    world.get(k.CONFIG_MAP, "knative-ca-bundle", world.serving)["binaryData"] = {"more.pem": "LS0="}


def _bundle(world: World, source: dict, synced: str = "True") -> None:
    labels = {"networking.knative.dev/trust-bundle": "true"}
    target = {"configMap": {"key": "ca.crt", "metadata": {"labels": labels}}}
    world.put(
        k.BUNDLE, "knative-cas", spec={"sources": [source], "target": target},
        status={"conditions": [condition("Synced", synced, message="source not found")]},
    )  # fmt: skip


@breaks("KN-TRUST-017")
def _(world: World) -> None:
    _bundle(world, {"secret": {"name": CA, "key": "tls.crt"}})


@breaks("KN-TRUST-018")
def _(world: World) -> None:
    _bundle(world, {"configMap": {"name": "roots", "key": "roots.pem"}}, synced="False")


@breaks("KN-TRUST-019")
def _(world: World) -> None:
    world.bundle(ca(), namespace="knative-eventing")
    _publish(world, ca())


@breaks("KN-TRUST-020")
def _(world: World) -> None:
    world.add_ca("ca2")
    world.switch("ca2")


@breaks("KN-TRUST-021")
def _(world: World) -> None:
    _trust_only(world, ca("unrelated"))


@breaks("KN-TRUST-022")
def _(world: World) -> None:
    _text(world)[KEY] = "# the CA of June\n" + _text(world)[KEY]


@breaks("KN-TRUST-023", partial(healthy, w.OPENSHIFT))
def _(world: World) -> None:
    for kind in (k.KCERT, k.CERTIFICATE, k.SECRET):
        world.drop(kind, "routing-serving-certs", world.ingress)


@breaks("KN-TRUST-024")
def _(world: World) -> None:
    labels = {"networking.knative.dev/trust-bundle": "true"}
    world.put_secret(tls_secret("roots", world.serving, ca(), ca(), labels=labels))


@breaks("KN-TRUST-025")
def _(world: World) -> None:
    for name in ("one", "other"):
        world.bundle(ca(name), namespace="knative-eventing", name=name)


# ------------------------------------------------------------------ serving


@breaks("KN-SERVE-001")
def _(world: World) -> None:
    world.shows["gateway"] = "timed out"


@breaks("KN-SERVE-002")
def _(world: World) -> None:
    world.shows["team-a/hello-00001-deployment-0"] = leaf(TEAM_A, ca(), ENABLED - timedelta(days=1))


@breaks("KN-SERVE-003")
def _(world: World) -> None:
    world.shows["team-a/hello-00001-deployment-0"] = leaf(TEAM_A, ca("retired"))


@breaks("KN-SERVE-003")
def _(world: World) -> None:
    world.shows["activator"] = leaf(("kn-routing", "data-plane.knative.dev"), ca("retired"))


@breaks("KN-SERVE-004")
def _(world: World) -> None:
    world.shows["team-a/hello-00001-deployment-0"] = "timed out"
    world.put(k.LOG, "hello-00001-deployment-0", "team-a", text="Starting http server main :8012")


@breaks("KN-SERVE-005")
def _(world: World) -> None:
    world.get(k.ROUTE, "hello", "team-a")["status"]["address"]["url"] = "http://hello.team-a.svc.cluster.local"


@breaks("KN-SERVE-006")
def _(world: World) -> None:
    found = condition("CertificateProvisioned", "False", "CertificateProvisionFailed")
    world.get(k.ROUTE, "hello", "team-a")["status"]["conditions"] = [condition("Ready"), found]


@breaks("KN-SERVE-007")
def _(world: World) -> None:
    world.get(k.KINGRESS, "hello", "team-a")["spec"]["tls"] = []


@breaks("KN-SERVE-008")
def _(world: World) -> None:
    message = "secret team-a/serving-certs is not ready yet"
    revision = world.get(k.REVISION, "hello-00001", "team-a")
    revision["status"]["conditions"] = [condition("Ready", "Unknown", "Deploying", message=message)]


@breaks("KN-SERVE-009")
def _(world: World) -> None:
    _down(world, "webhook")


@breaks("KN-SERVE-009")
def _(world: World) -> None:
    _deployment(world, "net-kourier-controller")["spec"]["replicas"] = 0


@breaks("KN-SERVE-009", partial(healthy, surfaces=(LOCAL,)))
def _(world: World) -> None:
    world.drop(k.DEPLOYMENT, "net-kourier-controller", world.ingress)


@breaks("KN-SERVE-010")
def _(world: World) -> None:
    entry = world.get(k.POD, "activator-0", world.serving)["status"]["containerStatuses"][0]
    entry |= {"ready": False, "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


@breaks("KN-SERVE-011", lambda: _redirected())
def _(world: World) -> None:
    world.get(k.ROUTE, "hello", "team-a")["status"]["url"] = "http://hello.team-a.example.com"


def _kourier_env(world: World, **variables: str) -> None:
    container = _deployment(world, "net-kourier-controller")["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in variables.items()]


@breaks("KN-SERVE-012")
def _(world: World) -> None:
    _kourier_env(world, CERTS_SECRET_NAME="router-certs", CERTS_SECRET_NAMESPACE="openshift-ingress")


@breaks("KN-SERVE-013")
def _(world: World) -> None:
    _kourier_env(world, ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID="true")


@breaks("KN-SERVE-014")
def _(world: World) -> None:
    world.put(k.DOMAIN_MAPPING, "shop.example.com", "team-a", spec={"ref": {"name": "hello"}})


# ------------------------------------------------------------------ rotation


@breaks("KN-ROT-001")
def _(world: World) -> None:
    world.add_ca("ca2")
    world.switch("ca2")
    _trust_only(world, ca(), ca("ca2"))
    world.sign("routing-serving-certs", world.serving, ca("ca2"))


@breaks("KN-ROT-002")
def _(world: World) -> None:
    former = ca("ca0", ENABLED - timedelta(days=100))
    world.add_ca("ca0", former)
    _trust_only(world, ca(), former)


@breaks("KN-ROT-003")
def _(world: World) -> None:
    world.add_ca("ca2", ca("ca2", AT - timedelta(days=1)))
    _trust_only(world, ca(), ca("ca2", AT - timedelta(days=1)))


@breaks("KN-ROT-004")
def _(world: World) -> None:
    renewed = (AT - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.put(k.LEASE, "kntls", world.serving, spec={"holderIdentity": "alice@host pid 7", "renewTime": renewed})


@breaks("KN-ROT-005")
def _(world: World) -> None:
    frozen = _deployment(world, "net-kourier-controller")
    frozen["metadata"]["annotations"] = {"kntls.dev/restore": '{"spec": {"replicas": 1}}'}
    frozen["spec"]["replicas"] = 0
