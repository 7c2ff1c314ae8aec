"""net-kourier-controller: KIngresses to Envoy's configuration, reacting only to what the real one reacts to."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from kntls.lab.knative import config
from kntls.lab.knative.leases import KOURIER, Leases
from kntls.lab.objects import Object, name_of, namespace_of
from kntls.lab.reading import annotations_of, data_of, is_true, labels_of, with_condition
from kntls.lab.workloads import tls
from kntls.lab.workloads.activator import BUNDLE_LABEL, SECRET
from kntls.lab.workloads.http import Address
from kntls.lab.workloads.kubelet import Pod
from kntls.lab.workloads.plane import Cluster, Pair, Plane, Snapshot, Split, Upstream, Virtual
from kntls.lab.workloads.program import Crash, Program

INGRESSES = "ingresses.networking.internal.knative.dev"
SLICES = "endpointslices.discovery.k8s.io"
CLASS_ANNOTATION = "networking.knative.dev/ingress.class"
CLASS = "kourier.ingress.networking.knative.dev"
CERTIFICATE_UID = "networking.internal.knative.dev/certificate-uid"
NO_CA = (
    "failed to build trust-chain, as no valid CA certificate was provided. Please make sure to provide a valid "
    "trust-bundle before enabling `system-internal-tls`"
)
PROBE_SECONDS = 2.0
"""How long the probing of the gateways takes before a changed KIngress is Ready."""


class Untranslatable(Exception):
    """An ingress cannot be turned into configuration; Envoy keeps what it has."""


@dataclass(frozen=True)
class Part:
    """What one KIngress contributes."""

    external: dict[str, Virtual] = field(default_factory=dict)
    local: dict[str, Virtual] = field(default_factory=dict)
    external_tls: dict[str, Pair] = field(default_factory=dict)
    local_tls: dict[str, Pair] = field(default_factory=dict)


class NetKourier(Program):
    """The controller; several replicas all translate, so that the last one running decides."""

    def __init__(self, plane: Plane, pod: Pod, container: dict[str, Any]) -> None:
        super().__init__(pod, container)
        self.plane = plane
        self.home = pod.namespace
        environment = pod.environment(container)
        self.gateway_namespace = environment.get("KOURIER_GATEWAY_NAMESPACE") or pod.namespace
        self.filters_secrets = environment.get("ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID") == "true"
        self.client = plane.client.by("kn-kourier")
        self.network = config.Network()
        self.parts: dict[tuple[str, str], Part] = {}
        self.running = False
        self.leases = Leases(self.client, plane.clock, plane.loop, self.home, pod.identity, self._gained)

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Translate everything once; one ingress that cannot be translated is fatal now."""
        self._read_config(fatal=True)
        for ingress in self._mine():
            try:
                self.parts[_key(ingress)] = self.translate(ingress)
            except Untranslatable as error:
                raise Crash(f"Failed prewarm ingress: {error}") from error
        self.running = True
        kinds = (INGRESSES, SLICES, "secrets", "configmaps")
        self.plane.watch(self, kinds, self._changed)
        self._publish()
        self.leases.start(KOURIER, ("ingress",))
        self.ready = True

    def _gained(self, reconciler: str) -> None:
        """From now on this one writes what becomes of the ingresses."""
        for ingress in self._mine():
            self._look(*_key(ingress))

    def stop(self) -> None:
        """Envoy goes on with what it has."""
        super().stop()
        self.running = False
        self.plane.unwatch(self)
        self.leases.stop()

    def _read_config(self, *, fatal: bool = False) -> None:
        try:
            self.network = config.network(self.client.get("configmaps", self.home, "config-network"))
        except config.BadConfig as error:
            if fatal:
                raise Crash(f"Error initializing network config: {error}") from error

    def _mine(self) -> list[Object]:
        return [one for one in self.client.list(INGRESSES) if annotations_of(one).get(CLASS_ANNOTATION) == CLASS]

    # ------------------------------------------------------------------ events

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        if not self.running or self.plane.stuck("gateway"):
            return
        if kind == INGRESSES:
            self._look(namespace, name)
        elif kind == SLICES:
            self._endpoints_changed(namespace, name)
        elif kind == "secrets":
            self._secret_changed(namespace, name)
        elif namespace == self.home:
            self._config_map_changed(name)

    def _endpoints_changed(self, namespace: str, name: str) -> None:
        found = self.client.get(SLICES, namespace, name)
        service = labels_of(found).get("kubernetes.io/service-name", "")
        for ingress in self._mine():
            if (namespace, service) in _backends(ingress):
                self._look(*_key(ingress))

    def _secret_changed(self, namespace: str, name: str) -> None:
        """Only Secrets of `spec.tls` are tracked: `routing-serving-certs` is not."""
        for ingress in self._mine():
            if any(
                (one["secretNamespace"], one["secretName"]) == (namespace, name)
                for one in ingress["spec"].get("tls") or []
            ):
                self._look(*_key(ingress))

    def _config_map_changed(self, name: str) -> None:
        """A bundle, even one that lost its label or went, or the network's configuration: everything anew."""
        self._read_config()
        found = self.client.get("configmaps", self.home, name)
        if name in ("config-network", "config-kourier") or found is None or BUNDLE_LABEL in labels_of(found):
            self.say("Doing a global resync due to CA bundle Configmap changes")
            for ingress in self._mine():
                self._look(*_key(ingress))

    # ------------------------------------------------------------------ translation

    def _look(self, namespace: str, name: str) -> None:
        ingress = self.client.get(INGRESSES, namespace, name)
        if ingress is None or annotations_of(ingress).get(CLASS_ANNOTATION) != CLASS:
            self.parts.pop((namespace, name), None)
            self._publish()
            return
        try:
            self.parts[namespace, name] = self.translate(ingress)
        except Untranslatable as error:
            self._report(ingress, str(error))
            return
        self._publish()
        if self._stale(ingress):
            self._report(ingress, "")
            key = ("probe", id(self), namespace, name)
            self.plane.loop.call(key, lambda: self._probed(namespace, name), self.plane.clock.real(PROBE_SECONDS))

    def _stale(self, ingress: Object) -> bool:
        status = ingress.get("status") or {}
        return not is_true(ingress, "Ready") or status.get("observedGeneration") != ingress["metadata"].get(
            "generation"
        )

    def translate(self, ingress: Object) -> Part:
        """One ingress's part of the configuration, with the trust of this moment.

        Raises:
            Untranslatable: no valid CA, a missing Secret, or a pair that does not fit.
        """
        part, spec = Part(), ingress.get("spec") or {}
        pairs = self._pairs(spec)
        redirect = spec.get("httpOption") == "Redirected"
        roots = self.roots() if self.network.system_internal_tls else ()
        for rule in spec.get("rules") or []:
            is_local = rule.get("visibility") == "ClusterLocal"
            splits = tuple(self._split(split, roots) for path in rule["http"]["paths"] for split in path["splits"])
            secured = part.local_tls if is_local else part.external_tls
            for host in rule["hosts"]:
                if host in pairs:
                    secured[host] = pairs[host]
                virtual = Virtual(splits, redirect and not is_local)
                part.local[host] = Virtual(splits)
                if not is_local:
                    part.external[host] = virtual
        return part

    def _split(self, split: Object, roots: tuple[bytes, ...]) -> Split:
        namespace, service = split["serviceNamespace"], split["serviceName"]
        upstream = None
        if self.network.system_internal_tls:
            upstream = Upstream(roots, ("kn-routing", f"kn-user-{namespace.lower()}"))
        endpoints = self._endpoints(namespace, service, int(split["servicePort"]))
        headers = tuple(sorted((split.get("appendHeaders") or {}).items()))
        return Split(int(split.get("percent", 100)), Cluster(endpoints, upstream), headers)

    def _endpoints(self, namespace: str, service: str, port: int) -> tuple[tuple[str, int], ...]:
        found = self.client.get("services", namespace, service)
        named = next(
            (one.get("name", "") for one in (found or {"spec": {}})["spec"].get("ports") or [] if one["port"] == port),
            None,
        )
        if named is None:
            return ()
        out: list[Address] = []
        for item in self.client.list(SLICES, namespace):
            if labels_of(item).get("kubernetes.io/service-name") != service:
                continue
            target = next((one["port"] for one in item.get("ports") or [] if one.get("name") == named), None)
            if target is not None:
                ready = [one for one in item.get("endpoints") or [] if one["conditions"].get("ready")]
                out += [(one["addresses"][0], int(target)) for one in ready]
        return tuple(sorted(out))

    def _pairs(self, spec: Object) -> dict[str, Pair]:
        out = {}
        for entry in spec.get("tls") or []:
            name = entry.get("secretName", "")
            secret = self.client.get("secrets", entry.get("secretNamespace", ""), name)
            if secret is None or (self.filters_secrets and CERTIFICATE_UID not in labels_of(secret)):
                raise Untranslatable(f'failed to fetch secret: secrets "{name}" not found')
            data = data_of(secret)
            pair = Pair(data.get("tls.crt", b""), data.get("tls.key", b""))
            try:
                tls.serving(pair.chain, pair.key, ssl.TLSVersion.TLSv1_2)
            except ssl.SSLError as error:
                raise Untranslatable(f"failed to use secret {name}: invalid key pair") from error
            out.update(dict.fromkeys(entry.get("hosts") or (), pair))
        return out

    def roots(self) -> tuple[bytes, ...]:
        """What upstream connections are verified with: `ca.crt` of the own namespace's Secret and its bundles.

        Raises:
            Untranslatable: the Secret is missing, or no valid CA is in any of them.
        """
        secret = self.client.get("secrets", self.home, SECRET)
        if secret is None:
            raise Untranslatable(f'failed to fetch Secret {self.home}/{SECRET}: secret "{SECRET}" not found')
        found = list(tls.strict_roots(data_of(secret).get("ca.crt", b"")) or [])
        for bundle in self.client.list("configmaps", self.home):
            if BUNDLE_LABEL in labels_of(bundle):
                for value in (bundle.get("data") or {}).values():
                    found += self._bundle(bundle, value.encode())
        if not found:
            raise Untranslatable(NO_CA)
        return tuple(sorted(set(found)))

    def _bundle(self, bundle: Object, value: bytes) -> list[bytes]:
        """One key of a bundle: all of it, or nothing and a warning."""
        found = tls.strict_roots(value)
        if found is None:
            where = f"{namespace_of(bundle)}/{name_of(bundle)}"
            self.say(f"CA bundle from Configmap {where} is invalid and will be ignored")
        return found or []

    def _publish(self) -> None:
        merged: dict[str, dict[str, Any]] = {"external": {}, "local": {}, "external_tls": {}, "local_tls": {}}
        for part in self.parts.values():
            for name, table in merged.items():
                table.update(getattr(part, name))
        self.plane.publish(Snapshot(**merged))

    # ------------------------------------------------------------------ status

    def _probed(self, namespace: str, name: str) -> None:
        ingress = self.client.get(INGRESSES, namespace, name)
        if ingress is not None and self.running:
            self._report(ingress, "", ready=True)

    def _report(self, ingress: Object, problem: str, *, ready: bool = False) -> None:
        if "ingress" not in self.leases.held:
            return
        before = ingress.get("status") or {}
        conditions = before.get("conditions") or []
        for fresh in _conditions(problem, ready):
            conditions = with_condition(conditions, fresh, self.plane.clock.stamp())
        inside = f"{self.gateway_namespace}.svc.cluster.local"
        status = {
            **before,
            "conditions": conditions,
            "observedGeneration": ingress["metadata"].get("generation", 1),
            "privateLoadBalancer": {"ingress": [{"domainInternal": f"kourier-internal.{inside}"}]},
            "publicLoadBalancer": {"ingress": [{"domainInternal": f"kourier.{inside}"}]},
        }
        self.client.update_status(INGRESSES, ingress, status)


def _conditions(problem: str, ready: bool) -> list[Object]:
    """A KIngress's conditions: a failed translation shows in Ready only."""
    if problem:
        message = f"failed to translate ingress: {problem}"
        return [{"type": "Ready", "status": "Unknown", "reason": "ReconcileIngressFailed", "message": message}]
    waiting = {"status": "Unknown", "reason": "Uninitialized", "message": "Waiting for load balancer to be ready"}
    state = {"status": "True"} if ready else waiting
    network = {"type": "NetworkConfigured", "status": "True"}
    return [{"type": "LoadBalancerReady", **state}, network, {"type": "Ready", **state}]


def _key(obj: Object) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)


def _backends(ingress: Object) -> set[tuple[str, str]]:
    return {
        (split["serviceNamespace"], split["serviceName"])
        for rule in ingress["spec"].get("rules") or []
        for path in rule["http"]["paths"]
        for split in path["splits"]
    }
