"""Healthy worlds for tests of judgement: everything a cluster with transport encryption holds, ready to be broken.

    world = healthy(flavour="operator")
    world.get(CONFIG_MAP, "config-network", world.serving)["data"]["system-internal-tls"] = "Disabled"
    observation = world.observation()

Objects are plain dicts as the API server gives them, after `kntls.observe` has scrubbed them: change them in place.
Keys are made once a test session. The clock stands at `AT`.
"""

from __future__ import annotations

import base64
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from kntls.checks.facts import Facts
from kntls.checks.permissions import everything
from kntls.knative.installation import detect
from kntls.knative.sans import cluster_local_hosts
from kntls.knative.servers import servers, silent
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.model.observation import Observation, Presented
from kntls.observe.secrets import scrub
from kntls.observe.slim import slim
from kntls.pki import create
from kntls.pki.create import KeyPair
from kntls.pki.pem import certificates

AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
"""Now, in every world."""
ENABLED = AT - timedelta(days=9)
"""When encryption was turned on: leaves begin then."""
STARTED = ENABLED + timedelta(minutes=5)
"""When every pod started."""
RESOURCES = "cert-manager"
"""cert-manager's namespace, where CA Secrets lie."""
ISSUER = "knative-serving-ca-issuer"
CA = "ca1"
"""The CA's Secret and Certificate; its common name is the same."""
TENANTS = ("team-a", "team-b")
VERSION = "1.23.0"
CLASS = "cert-manager.certificate.networking.knative.dev"
UPSTREAM, OPERATOR, OPENSHIFT = "upstream", "operator", "openshift"
INTERNAL, LOCAL, EXTERNAL = "system-internal-tls", "cluster-local-domain-tls", "external-domain-tls"


def stamp(moment: datetime) -> str:
    """A time as the API server writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ca(common_name: str = CA, begin: datetime = ENABLED, days: int = 3650, parent: KeyPair | None = None) -> KeyPair:
    """A CA of that name: a root, or an intermediate below `parent`. The same arguments give the same key."""
    return _ca(common_name, begin, days, parent)


@lru_cache(maxsize=64)
def _ca(common_name: str, begin: datetime, days: int, parent: KeyPair | None) -> KeyPair:
    lifetime = timedelta(days=days)
    if parent:
        return create.issue(parent, common_name=common_name, lifetime=lifetime, is_ca=True, at=begin)
    return create.new_ca(common_name, lifetime=lifetime, at=begin)


def leaf(names: tuple[str, ...], signer: KeyPair, begin: datetime = ENABLED, days: int = 90) -> KeyPair:
    """A leaf as cert-manager issues it for Knative: the first name as common name too, no extended key usage."""
    return _leaf(names, signer, begin, days)


@lru_cache(maxsize=512)
def _leaf(names: tuple[str, ...], signer: KeyPair, begin: datetime, days: int) -> KeyPair:
    lifetime = timedelta(days=days)
    return create.issue(
        signer,
        dns=names,
        common_name=names[0],
        lifetime=lifetime,
        at=begin,
        extended_key_usage=(),
        key_type="ecdsa-p256",
    )


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def tls_secret(name: str, namespace: str, pair: KeyPair, anchor: KeyPair, **metadata: Any) -> dict[str, Any]:
    """A `kubernetes.io/tls` Secret with key, chain and `ca.crt`, already scrubbed."""
    data = {"tls.crt": pair.chain_pem(), "tls.key": pair.key_pem(), "ca.crt": anchor.certificate.pem()}
    return scrub(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": stamp(ENABLED), **metadata},
            "data": {key: _encode(text) for key, text in data.items()},
        }
    )


def condition(kind: str, status: str = "True", reason: str = "Ready", **more: Any) -> dict[str, Any]:
    """One status condition."""
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": stamp(ENABLED), **more}


@dataclass
class World:
    """Objects by kind, namespace and name; `observation()` freezes a copy of them."""

    flavour: str = UPSTREAM
    surfaces: tuple[str, ...] = (INTERNAL, LOCAL)
    objects: dict[Kind, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    shows: dict[str, KeyPair | str] = field(default_factory=dict)
    """By `namespace/pod` (or `role`): another chain than its Secret's, or the error of its handshake."""
    lingering: bool = False
    """Whether the activators still serve TLS although system-internal encryption is off."""
    unread: tuple[Any, ...] = ()
    live: bool = True

    @property
    def serving(self) -> str:
        """Where Knative's controller and activator run."""
        return "knative-serving"

    @property
    def ingress(self) -> str:
        """Where net-kourier-controller runs, whose bundles Envoy trusts."""
        return "knative-serving-ingress" if self.flavour == OPENSHIFT else self.serving

    @property
    def gateway(self) -> str:
        """Where Envoy runs."""
        return "kourier-system" if self.flavour == UPSTREAM else self.ingress

    # ---------------------------------------------------------------- objects

    def put(self, kind: Kind, name: str, namespace: str = "", *, metadata: Any = None, **body: Any) -> dict[str, Any]:
        """Add (or replace) an object; it is returned, to be changed in place."""
        meta = {"name": name, "uid": f"uid-{kind.plural}-{namespace}-{name}", "generation": 1}
        meta |= {"namespace": namespace} if namespace else {}
        meta |= {"creationTimestamp": stamp(ENABLED), **(metadata or {})}
        obj = {"apiVersion": kind.api_version, "kind": kind.manifest_kind, "metadata": meta, **body}
        self.objects.setdefault(kind, {})[namespace, name] = obj
        return obj

    def put_secret(self, secret: dict[str, Any]) -> dict[str, Any]:
        """Add (or replace) a scrubbed Secret."""
        self.objects.setdefault(k.SECRET, {})[secret["metadata"]["namespace"], secret["metadata"]["name"]] = secret
        return secret

    def get(self, kind: Kind, name: str, namespace: str = "") -> dict[str, Any]:
        """An object, to be changed in place."""
        return self.objects[kind][namespace, name]

    def drop(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Remove an object."""
        del self.objects[kind][namespace, name]

    def forget(self, kind: Kind) -> None:
        """Nothing of that kind was read."""
        self.objects.pop(kind, None)

    def config(self, name: str = "config-network") -> dict[str, str]:
        """The data of one of Knative's ConfigMaps."""
        data: dict[str, str] = self.get(k.CONFIG_MAP, name, self.serving)["data"]
        return data

    def observation(self) -> Observation:
        """What an observer would hand to judgement now."""
        objects = {kind: tuple(deepcopy(obj) for obj in items.values()) for kind, items in self.objects.items()}
        plain = Observation("context test", AT, objects, tuple(self.unread), live=self.live)
        return replace(plain, presented=self._presented(plain)) if self.live else plain

    def _presented(self, observation: Observation) -> tuple[Presented, ...]:
        try:
            place = detect(observation)
        except Exception as error:  # a world without Knative presents nothing
            if type(error).__name__ != "NotInstalled":
                raise
            return ()
        shown = []
        for server in (*servers(observation, place), *(silent(observation, place) if self.lingering else ())):
            where = f"{server.pod.namespace}/{server.pod.name}"
            secret = observation.find(server.secret) or {}
            own = tuple(cert.der for cert in certificates(secret.get("data", {}).get("tls.crt", ""), ""))
            other = self.shows.get(where, self.shows.get(server.role))
            chain = tuple(cert.der for cert in other.chain) if isinstance(other, KeyPair) else own
            error = other if isinstance(other, str) else "" if own else "connection refused"
            address = f"{server.ip}:{server.port}"
            shown.append(Presented(server.pod, server.role, address, server.server_name, () if error else chain, error))
        return tuple(shown)

    # ---------------------------------------------------------------- cert-manager

    def add_ca(self, name: str, pair: KeyPair | None = None) -> KeyPair:
        """A CA in its own Secret and Certificate of that name, in cert-manager's namespace."""
        pair = pair or ca(name)
        self.put_secret(tls_secret(name, RESOURCES, pair, pair, labels={"controller.cert-manager.io/fao": "true"}))
        spec = {
            "isCA": True,
            "commonName": pair.certificate.common_name,
            "secretName": name,
            "duration": "87600h",
            "renewBefore": "8760h",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": "ClusterIssuer",
                "name": "knative-serving-selfsigned-issuer",
            },
        }
        self.put(k.CERTIFICATE, name, RESOURCES, spec=spec, status=_issued(pair))
        return pair

    def switch(self, secret: str, issuer: str = ISSUER) -> None:
        """Point the CA issuer at another Secret, acknowledged by cert-manager."""
        obj = self.get(k.CLUSTER_ISSUER, issuer)
        obj["spec"]["ca"]["secretName"] = secret
        obj["metadata"]["generation"] += 1
        obj["status"]["conditions"][0]["observedGeneration"] = obj["metadata"]["generation"]

    def sign(self, name: str, namespace: str, signer: KeyPair | None = None, **changes: Any) -> KeyPair:
        """Issue a Certificate's leaf (again), and have its Secret and status say so.

        `changes`: `names`, `begin`, `days`, `key_of` (a key that does not match), `anchor`.
        """
        certificate = self.get(k.CERTIFICATE, name, namespace)
        names = tuple(changes.get("names") or certificate["spec"]["dnsNames"])
        signer = signer or ca()
        pair = leaf(names, signer, changes.get("begin", ENABLED), changes.get("days", 90))
        held = replace(pair, private_key=changes["key_of"].private_key) if "key_of" in changes else pair
        annotations = {
            "cert-manager.io/certificate-name": name,
            "cert-manager.io/issuer-name": certificate["spec"]["issuerRef"]["name"],
            "cert-manager.io/issuer-kind": "ClusterIssuer",
        }
        secret = tls_secret(
            certificate["spec"]["secretName"], namespace, held, changes.get("anchor", signer), annotations=annotations
        )
        self.put_secret(secret)
        certificate["status"] = _issued(pair)
        return pair

    def reissue(self, signer: KeyPair) -> None:
        """Issue every leaf again."""
        for namespace, name in [*self.objects[k.CERTIFICATE]]:
            if not self.get(k.CERTIFICATE, name, namespace)["spec"].get("isCA"):
                self.sign(name, namespace, signer)

    def bundle(self, *pairs: KeyPair, namespace: str | None = None, name: str = "knative-ca-bundle") -> dict[str, Any]:
        """The trust bundle of a namespace, by default of the one Knative runs in."""
        space = namespace or self.serving
        text = "".join(cert.pem() for cert in sorted({pair.certificate for pair in pairs}, key=lambda c: c.subject))
        labels = {"app.kubernetes.io/managed-by": "kntls", "networking.knative.dev/trust-bundle": "true"}
        return self.put(k.CONFIG_MAP, name, space, metadata={"labels": labels}, data={"knative-ca-bundle.pem": text})

    # ---------------------------------------------------------------- Knative

    def certificate(self, name: str, namespace: str, names: tuple[str, ...], kind: str, owner: Any = None) -> None:
        """A KCert, the Certificate made from it, and its issued Secret."""
        labels = {"networking.knative.dev/certificate-type": kind, **(owner or {}).get("labels", {})}
        owners = [(owner or {}).get("ref")] if (owner or {}).get("ref") else []
        meta = {
            "labels": labels,
            "annotations": {"networking.knative.dev/certificate.class": CLASS},
            "ownerReferences": owners,
        }
        spec = {"dnsNames": list(names), "secretName": name}
        spec |= {"domain": "svc.cluster.local"} if kind == "cluster-local-domain" else {}
        kcert = self.put(
            k.KCERT, name, namespace, metadata=meta, spec=spec,
            status={"conditions": [condition("Ready")], "observedGeneration": 1},
        )  # fmt: skip
        ref = {
            "apiVersion": k.KCERT.api_version, "kind": "Certificate", "name": name,
            "uid": kcert["metadata"]["uid"], "controller": True,
        }  # fmt: skip
        self.put(
            k.CERTIFICATE, name, namespace, metadata={"labels": labels, "ownerReferences": [ref]},
            spec={
                "commonName": names[0], "dnsNames": list(names), "secretName": name,
                "issuerRef": {"kind": "ClusterIssuer", "name": ISSUER},
            },
        )  # fmt: skip
        self.sign(name, namespace)

    def deployment(self, name: str, namespace: str, labels: dict[str, str], app: str, **container: Any) -> None:
        """A Deployment with one ready pod."""
        marks = {"app.kubernetes.io/name": "knative-serving", "app.kubernetes.io/version": VERSION, **labels}
        image = container.pop("image", f"gcr.io/knative-releases/{name}:{VERSION}")
        spec = {"containers": [{"name": name, "image": image, **container}]}
        template = {"metadata": {"labels": {**marks, "app": app}}, "spec": spec}
        self.put(
            k.DEPLOYMENT, name, namespace, metadata={"labels": marks},
            spec={"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": template},
            status={
                "replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1,
                "observedGeneration": 1, "conditions": [condition("Available")],
            },
        )  # fmt: skip
        self.pod(f"{name}-0", namespace, {**marks, "app": app}, spec)

    def pod(self, name: str, namespace: str, labels: dict[str, str], spec: Any, ip: str = "") -> dict[str, Any]:
        """A ready pod that started when encryption had just been turned on."""
        number = len(self.objects.get(k.POD, {})) + 1
        running = {"running": {"startedAt": stamp(STARTED)}}
        statuses = [
            {"name": entry["name"], "ready": True, "restartCount": 0, "state": running} for entry in spec["containers"]
        ]
        return self.put(
            k.POD, name, namespace, metadata={"labels": labels, "creationTimestamp": stamp(STARTED)}, spec=spec,
            status={
                "phase": "Running", "podIP": ip or f"10.0.0.{number}", "startTime": stamp(STARTED),
                "conditions": [condition("Ready")], "containerStatuses": statuses,
            },
        )  # fmt: skip

    def tenant(self, namespace: str, service: str = "hello") -> None:
        """A namespace with one Knative Service: Route, Revision, pod, and the certificates of the surfaces on."""
        space = self.put(k.NAMESPACE, namespace, status={"phase": "Active"})
        route = self.put(
            k.ROUTE, service, namespace,
            status={
                "url": f"http://{service}.{namespace}.example.com",
                "address": {"url": f"{self._scheme}://{service}.{namespace}.svc.cluster.local"},
                "traffic": [{"revisionName": f"{service}-00001", "percent": 100}],
                "conditions": [condition("Ready"), condition("CertificateProvisioned")],
            },
        )  # fmt: skip
        self.put(
            k.KSERVICE, service, namespace,
            status={key: route["status"][key] for key in ("url", "address")} | {"conditions": [condition("Ready")]},
        )  # fmt: skip
        labels = {"serving.knative.dev/service": service, "serving.knative.dev/revision": f"{service}-00001"}
        self.put(
            k.REVISION, f"{service}-00001", namespace, metadata={"labels": labels},
            status={"conditions": [condition("Ready")]},
        )  # fmt: skip
        containers = [{"name": "user-container", "image": "dev.local/hello"}, {"name": "queue-proxy", "image": "queue"}]
        volumes = [{"name": "server-certs", "secret": {"secretName": "serving-certs"}}] if self._on(INTERNAL) else []
        self.pod(
            f"{service}-00001-deployment-0", namespace, {**labels, "app": f"{service}-00001"},
            {"containers": containers, "volumes": volumes},
        )  # fmt: skip
        self._certificates_of(space, route)

    def _on(self, surface: str) -> bool:
        return surface in self.surfaces

    @property
    def _scheme(self) -> str:
        return "https" if self._on(LOCAL) else "http"

    def _certificates_of(self, space: dict[str, Any], route: dict[str, Any]) -> None:
        namespace, service = space["metadata"]["name"], route["metadata"]["name"]
        if self._on(INTERNAL):
            owner = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": space["metadata"]["uid"]}
            names = (f"kn-user-{namespace}", "data-plane.knative.dev")
            reference = {"ref": {**owner, "controller": True}}
            self.certificate("serving-certs", namespace, names, "system-internal", reference)
        tls = []
        if self._on(LOCAL):
            names = tuple(sorted(cluster_local_hosts(service, namespace)))
            name = f"route-{route['metadata']['uid']}-local"
            owner = {"apiVersion": k.ROUTE.api_version, "kind": "Route", "name": service, "controller": True}
            owner |= {"uid": route["metadata"]["uid"]}
            labels = {"serving.knative.dev/route": service}
            self.certificate(name, namespace, names, "cluster-local-domain", {"ref": owner, "labels": labels})
            tls = [{"hosts": list(names), "secretName": name, "secretNamespace": namespace}]
        self.put(
            k.KINGRESS, service, namespace, metadata={"labels": {"serving.knative.dev/route": service}},
            spec={"rules": [], "tls": tls}, status={"conditions": [condition("Ready")]},
        )  # fmt: skip


def _issued(pair: KeyPair) -> dict[str, Any]:
    begin, end = pair.certificate.not_before, pair.certificate.not_after
    return {
        "conditions": [condition("Ready", observedGeneration=1)],
        "notBefore": stamp(begin),
        "notAfter": stamp(end),
        "renewalTime": stamp(begin + (end - begin) * 2 / 3),
        "revision": 1,
    }


def _cert_manager(world: World) -> None:
    world.put(k.NAMESPACE, RESOURCES)
    for name in ("certificates", "certificaterequests", "issuers", "clusterissuers"):
        world.put(k.CRD, f"{name}.cert-manager.io")
    world.put(k.CRD, "challenges.acme.cert-manager.io")
    for name, part in (("cert-manager", "cert-manager-controller"), ("cert-manager-webhook", "cert-manager-webhook")):
        component = "controller" if name == "cert-manager" else "webhook"
        labels = {
            "app.kubernetes.io/name": "cert-manager" if component == "controller" else "webhook",
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/version": "v1.21.2",
        }
        container = {"image": f"quay.io/jetstack/{part}:v1.21.2"}
        if component == "controller":
            container |= {
                "args": ["--cluster-resource-namespace=$(POD_NAMESPACE)"],
                "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
            }
        world.deployment(name, RESOURCES, labels, name, **container)
    selfsigned = {"conditions": [condition("Ready", reason="IsReady", observedGeneration=1)]}
    world.put(k.CLUSTER_ISSUER, "knative-serving-selfsigned-issuer", spec={"selfSigned": {}}, status=selfsigned)
    world.put(
        k.CLUSTER_ISSUER, ISSUER, spec={"ca": {"secretName": CA}},
        status={"conditions": [condition("Ready", reason="KeyPairVerified", observedGeneration=1)]},
    )  # fmt: skip
    world.add_ca(CA)


def _serving(world: World) -> None:
    for space in dict.fromkeys((world.serving, world.ingress, world.gateway)):
        world.put(k.NAMESPACE, space)
    for name in ("controller", "activator", "autoscaler", "webhook"):
        world.deployment(name, world.serving, {"app.kubernetes.io/component": name}, name)
    kourier = {"networking.knative.dev/ingress-provider": "kourier", "app.kubernetes.io/component": "net-kourier"}
    world.deployment("net-kourier-controller", world.ingress, kourier, "net-kourier-controller")
    world.deployment(
        "3scale-kourier-gateway", world.gateway, kourier, "3scale-kourier-gateway",
        args=["--drain-time-s", "15"],
    )  # fmt: skip
    network = {"ingress-class": "kourier.ingress.networking.knative.dev"} | dict.fromkeys(world.surfaces, "Enabled")
    reference = f"kind: ClusterIssuer\nname: {ISSUER}\n"
    keys = ("issuerRef", "clusterLocalIssuerRef", "systemInternalIssuerRef")
    for name, component, data in (
        ("config-network", "networking", network),
        ("config-certmanager", "net-certmanager", dict.fromkeys(keys, reference)),
        ("config-autoscaler", "autoscaler", {}),
        ("config-deployment", "controller", {}),
        ("config-domain", "controller", {"example.com": ""}),
    ):
        _config(world, name, component, data)
    if world.flavour != UPSTREAM:
        _operator(world, network, dict.fromkeys(keys, reference))


def _config(world: World, name: str, component: str, data: dict[str, str]) -> None:
    labels = {"app.kubernetes.io/name": "knative-serving", "app.kubernetes.io/component": component}
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    managed = {"manager": "kntls", "operation": "Apply", "time": stamp(ENABLED), "fieldsV1": fields}
    obj = world.put(
        k.CONFIG_MAP, name, world.serving, metadata={"labels": labels, "managedFields": [managed]},
        data={"_example": "an example", **data},
    )  # fmt: skip
    assert slim(k.CONFIG_MAP, obj)["metadata"]["managedFields"], "field managers must survive observation"


def _operator(world: World, network: dict[str, str], references: dict[str, str]) -> None:
    ready = ("DependenciesInstalled", "DeploymentsAvailable", "InstallSucceeded", "Ready")
    world.put(
        k.KNATIVE_SERVING, "knative-serving", world.serving,
        spec={"version": VERSION, "ingress": {"kourier": {"enabled": True}},
              "config": {"network": dict(network), "certmanager": dict(references)}},
        status={"version": VERSION, "observedGeneration": 1, "conditions": [condition(kind) for kind in ready]},
    )  # fmt: skip


def healthy(
    flavour: str = UPSTREAM, surfaces: tuple[str, ...] = (INTERNAL, LOCAL), tenants: tuple[str, ...] = TENANTS
) -> World:
    """A world in which everything is right: one Knative Service in each tenant's namespace, two surfaces on."""
    world = World(flavour, surfaces)
    for kind in (k.CERTIFICATE_REQUEST, k.BUNDLE, k.DOMAIN_MAPPING, k.ISSUER, k.LEASE, k.KNATIVE_SERVING, k.SERVICE):
        world.objects[kind] = {}
    _cert_manager(world)
    _serving(world)
    names = ("kn-routing", "data-plane.knative.dev")
    for space in dict.fromkeys((world.serving, world.ingress)):
        world.certificate("routing-serving-certs", space, names, "system-internal")
        world.bundle(ca(), namespace=space)
    for tenant in tenants:
        world.tenant(tenant)
    for access in everything(Facts(world.observation())):
        world.put(k.SELF_SUBJECT_ACCESS_REVIEW, str(access), status={"allowed": True})
    return world
