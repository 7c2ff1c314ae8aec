"""A small world for tests of the lab: a store with simulated components, and the acts of an administrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kntls.lab.certmanager.controller import CertManager
from kntls.lab.client import RESOURCES, Client
from kntls.lab.clock import Clock
from kntls.lab.faults import Faults
from kntls.lab.layouts import tables
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, clone
from kntls.lab.reading import data_of, is_true, status_of
from kntls.lab.resources import COMPONENTS, Registry
from kntls.lab.shapes import Shapes
from kntls.lab.store import Store
from kntls.lab.world import World

CERTIFICATES, REQUESTS = "certificates.cert-manager.io", "certificaterequests.cert-manager.io"
CLUSTER_ISSUERS, DEPLOYMENTS = "clusterissuers.cert-manager.io", "deployments.apps"
ROUTES, SERVICES = "routes.serving.knative.dev", "services.serving.knative.dev"
SHAPES = Shapes(COMPONENTS)


def new_store() -> Store:
    return Store(Registry(COMPONENTS), SHAPES)


def until(holds: Callable[[], object], what: str = "", seconds: float = 30.0) -> None:
    """Wait for something that must come; fails with its name if it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.005)


class Issuing:
    """cert-manager alone, with a root and a CA issuer `ca`."""

    def __init__(self, speed: float = 3600.0) -> None:
        self.store = new_store()
        self.client = Client(self.store, "kubectl")
        self.clock, self.loop, self.faults = Clock(speed), Loop(), Faults()
        self.manager = CertManager(self.client, self.clock, self.loop, self.faults)
        self.seen: list[Object] = []
        """Every state a Certificate went through."""
        self.store.subscribe(self._note)

    def _note(self, event: object) -> None:
        self.manager.changed(event.resource.key, event.obj)  # type: ignore[attr-defined]
        if event.resource.key == CERTIFICATES:  # type: ignore[attr-defined]
            self.seen.append(event.obj)  # type: ignore[attr-defined]

    def __enter__(self) -> Issuing:
        self.loop.start()
        self.manager.start()
        for name in ("cert-manager", "team"):
            self.client.create("namespaces", {"metadata": {"name": name}})
        self.client.create(CLUSTER_ISSUERS, {"metadata": {"name": "self"}, "spec": {"selfSigned": {}}})
        self.root("ca1")
        self.issuer("ca", "ca1")
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()

    def root(self, name: str) -> None:
        spec = {"isCA": True, "commonName": name, "privateKey": {"algorithm": "ECDSA"}, "secretName": name}
        self.certificate(name, spec, issuer="self", namespace="cert-manager")

    def issuer(self, name: str, secret: str) -> None:
        self.client.create(CLUSTER_ISSUERS, {"metadata": {"name": name}, "spec": {"ca": {"secretName": secret}}})
        until(lambda: is_true(self.client.get(CLUSTER_ISSUERS, "", name) or {}, "Ready"), f"issuer {name}")

    def certificate(self, name: str, spec: Object | None = None, issuer: str = "ca", namespace: str = "team") -> Object:
        """Create a Certificate and wait until it is Ready."""
        key = {"privateKey": {"algorithm": "ECDSA"}}
        full = {"secretName": name, "dnsNames": [f"{name}.test"], **key, **(spec or {})}
        full["issuerRef"] = {"kind": "ClusterIssuer", "name": issuer}
        self.client.create(CERTIFICATES, {"metadata": {"name": name, "namespace": namespace}, "spec": full})
        until(lambda: is_true(self.get(name, namespace), "Ready"), f"certificate {name}")
        self.loop.settle()
        return self.get(name, namespace)

    def get(self, name: str, namespace: str = "team") -> Object:
        return self.client.get(CERTIFICATES, namespace, name) or {"metadata": {}}

    def secret(self, name: str, namespace: str = "team") -> dict[str, bytes]:
        return data_of(self.client.get("secrets", namespace, name))

    def change(self, name: str, **spec: object) -> None:
        found = self.get(name)
        self.client.change(CERTIFICATES, found, spec={**found["spec"], **spec})

    def reasons(self, name: str) -> list[str]:
        """Why a Certificate was issued, in order, each once in a row."""
        out: list[str] = []
        for obj in self.seen:
            for one in status_of(obj).get("conditions") or []:
                issuing = one["type"] == "Issuing" and one["status"] == "True" and obj["metadata"]["name"] == name
                if issuing and out[-1:] != [one["reason"]]:
                    out.append(one["reason"])
        return out

    def trigger(self, name: str, **extra: object) -> None:
        """What `cmctl renew` writes."""
        found = self.get(name)
        status = clone(found["status"])
        issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", **extra}
        status["conditions"] = [one for one in status["conditions"] if one["type"] != "Issuing"] + [issuing]
        self.client.update_status(CERTIFICATES, found, status)


@contextmanager
def world(layout: str = "upstream", speed: float = 120.0, objects: list[Object] | None = None) -> Iterator[World]:
    """A running world."""
    made = World(new_store(), clock=Clock(speed), layout=layout, objects=objects)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Administrator:
    """What somebody does to a world by hand."""

    def __init__(self, made: World) -> None:
        self.world, self.client = made, made.client.by("kubectl")

    def patch(self, kind: str, namespace: str, name: str, patch: Object) -> None:
        self.world.store.patch(RESOURCES[kind], namespace, name, patch)

    def authority(self, name: str) -> None:
        """A root CA in a Secret of this name."""
        self.world.put(_manifest("ClusterIssuer", "", "self", {"selfSigned": {}}))
        key = {"algorithm": "ECDSA", "rotationPolicy": "Never"}
        ref = {"name": "self", "kind": "ClusterIssuer"}
        spec = {"secretName": name, "isCA": True, "commonName": name, "privateKey": key, "issuerRef": ref}
        self.world.put(_manifest("Certificate", "cert-manager", name, spec))
        until(lambda: self.pem(name), f"secret {name}")

    def pem(self, name: str) -> str:
        return data_of(self.client.get("secrets", "cert-manager", name)).get("tls.crt", b"").decode()

    def bundle(self, text: str, namespace: str = "knative-serving") -> None:
        labels = {"networking.knative.dev/trust-bundle": "true"}
        metadata = {"name": "bundle", "namespace": namespace, "labels": labels}
        self.world.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.pem": text}})

    def restart(self, name: str) -> None:
        stamp = {"kubectl.kubernetes.io/restartedAt": str(time.time())}
        self.patch(DEPLOYMENTS, "knative-serving", name, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
        until(lambda: self.rolled(name), f"rollout of {name}")

    def rolled(self, name: str, namespace: str = "knative-serving") -> bool:
        found = self.client.get(DEPLOYMENTS, namespace, name) or {"metadata": {}}
        status = status_of(found)
        counts = (status.get("replicas"), status.get("updatedReplicas"), status.get("availableReplicas"))
        return status.get("observedGeneration") == found["metadata"].get("generation") and counts == (1, 1, 1)

    def enable(self) -> None:
        """Both surfaces, in the documented order, without caring for traffic."""
        self.authority("ca1")
        self.world.put(_manifest("ClusterIssuer", "", "ca", {"ca": {"secretName": "ca1"}}))
        self.bundle(self.pem("ca1"))
        ref = "kind: ClusterIssuer\nname: ca\n"
        refs = {"clusterLocalIssuerRef": ref, "systemInternalIssuerRef": ref}
        self.patch("configmaps", "knative-serving", "config-certmanager", {"data": refs})
        flags = {"system-internal-tls": "Enabled", "cluster-local-domain-tls": "Enabled"}
        self.patch("configmaps", "knative-serving", "config-network", {"data": flags})
        self.restart("controller")
        until(lambda: self.client.get("secrets", "knative-serving", "routing-serving-certs"), "routing certificate")
        self.restart("activator")
        until(self.encrypted, "https everywhere")
        until(self.idle, "rollouts")

    def encrypted(self) -> bool:
        urls = [(status_of(one).get("address") or {}).get("url", "") for one in self.client.list(ROUTES)]
        return bool(urls) and all(url.startswith("https://") for url in urls)

    def idle(self) -> bool:
        """No rollout under way, and every KIngress taken up."""
        pods = self.client.list("pods")
        ingresses = self.client.list("ingresses.networking.internal.knative.dev")
        current = [status_of(one).get("observedGeneration") == one["metadata"]["generation"] for one in ingresses]
        ready = all(is_true(one, "Ready") for one in [*pods, *ingresses])
        return ready and all(current) and not any(one["metadata"].get("deletionTimestamp") for one in pods)

    def reissue(self, secret: str) -> None:
        """Point the issuer to another CA, and have every leaf of it issued again."""
        self.patch(CLUSTER_ISSUERS, "", "ca", {"spec": {"ca": {"secretName": secret}}})
        until(lambda: self._current_issuer(), "issuer took up the CA")
        before = {}
        for one in self.client.list(CERTIFICATES):
            if one["spec"]["issuerRef"]["name"] == "ca":
                before[one["metadata"]["namespace"], one["metadata"]["name"]] = one["status"]["revision"]
                status = clone(one["status"])
                stamp = self.world.clock.stamp()
                issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"}
                status["conditions"].append({**issuing, "lastTransitionTime": stamp})
                self.client.update_status(CERTIFICATES, one, status)
        until(lambda: all(self._revision(*key) > was for key, was in before.items()), "every leaf re-issued")

    def _current_issuer(self) -> bool:
        found = self.client.get(CLUSTER_ISSUERS, "", "ca") or {}
        ready = status_of(found)["conditions"][0]
        return bool(ready["status"] == "True" and ready["observedGeneration"] == found["metadata"]["generation"])

    def _revision(self, namespace: str, name: str) -> int:
        found = self.client.get(CERTIFICATES, namespace, name) or {}
        return int(status_of(found)["revision"]) if is_true(found, "Ready") else 0


def _manifest(kind: str, namespace: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def two_services() -> list[Object]:
    """The upstream layout with one service behind the activator and one without."""
    from kntls.lab.layouts.worlds import named

    homes = [tables.namespace("team-a"), tables.namespace("team-b")]
    direct = {"min-scale": "1", "target-burst-capacity": "0"}
    services = [
        tables.knative_service("hello", "team-a", {"min-scale": "1"}),
        tables.knative_service("direct", "team-b", direct),
    ]
    return [*named("upstream").objects(), *homes, *services]
