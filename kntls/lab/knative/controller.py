"""Knative's `controller`: from Service to KIngress, and the certificates, if it was started with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.knative import config, kcerts, leases, names, serving
from kntls.lab.knative.names import key_of
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, clone, condition, name_of, namespace_of
from kntls.lab.reading import annotations_of, data_of, is_true, labels_of, owned_by, status_of, with_condition

SERVICES, CONFIGURATIONS = "services.serving.knative.dev", "configurations.serving.knative.dev"
REVISIONS, ROUTES = "revisions.serving.knative.dev", "routes.serving.knative.dev"
KCERTS, INGRESSES = "certificates.networking.internal.knative.dev", "ingresses.networking.internal.knative.dev"
SKS = "serverlessservices.networking.internal.knative.dev"
AUTOSCALERS = "podautoscalers.autoscaling.internal.knative.dev"
CERTIFICATES, CLUSTER_ISSUERS = "certificates.cert-manager.io", "clusterissuers.cert-manager.io"
DEPLOYMENTS, SLICES = "deployments.apps", "endpointslices.discovery.k8s.io"
RECONCILERS = {
    SERVICES: "service",
    CONFIGURATIONS: "configuration",
    REVISIONS: "revision",
    ROUTES: "route",
    SKS: "serverlessservice",
}
"""Kind → the reconciler whose Lease a process must hold to work on it."""
ALL_RECONCILERS = {**RECONCILERS, KCERTS: "certificate"}
IDLE_RECONCILERS = ("domainmapping", "gc", "labeler")
"""They have Leases too, and nothing to do here."""
CERTIFICATE_RECONCILERS = ("certificate", "nscert")
"""They run only in a process that makes certificates."""
HTTP_ONLY = "external-domain-tls is not enabled"
ROUTE_LAG_SECONDS = 15.0
"""How long a Route takes to notice that its KCert became Ready (seen: 15 to 30 s)."""


class KnativeController:
    """The controllers of one running `controller` pod. Whether certificates are made was decided when it started."""

    def __init__(
        self, client: Client, clock: Clock, loop: Loop, namespace: str, gateway: str, identity: str = "controller"
    ) -> None:
        self.client, self.clock, self.loop, self.namespace = client.by("kn-controller"), clock, loop, namespace
        self.gateway = gateway
        """The in-cluster name of the local gateway."""
        self.running = False
        self.makes_certificates = False
        self.network = config.Network()
        self.issuers = config.Issuers()
        self.leases = leases.Leases(self.client, clock, loop, namespace, identity, self._gained)
        self._work: dict[str, Callable[[str, str], None]] = {
            SERVICES: self.service,
            CONFIGURATIONS: self.configuration,
            REVISIONS: self.revision,
            ROUTES: self.route,
            SKS: self.serverless_service,
            KCERTS: self.kcert,
        }

    # ------------------------------------------------------------------ life and events

    def decide(self) -> None:
        """What the process does as it starts: read the configuration, and decide about certificates for good.

        Raises:
            config.BadConfig: the configuration cannot be parsed: the process ends.
        """
        self.network = config.network(self._config("config-network"))
        self.issuers = config.issuers(self._config("config-certmanager"))
        self.makes_certificates = self.network.any_tls

    def start(self) -> None:
        """Ask for the Leases of the reconcilers that run in this process."""
        self.running = True
        wanted = [*RECONCILERS.values(), *IDLE_RECONCILERS]
        if self.makes_certificates:
            wanted += CERTIFICATE_RECONCILERS
        self.leases.start(leases.SERVING, wanted)

    def stop(self) -> None:
        """Leave everything as it is, and give the Leases back."""
        self.running = False
        self.leases.stop()

    def _gained(self, reconciler: str) -> None:
        """Look at everything that reconciler is for."""
        self._resync(tuple(kind for kind, name in ALL_RECONCILERS.items() if name == reconciler))

    def _config(self, name: str) -> Object | None:
        return self.client.get("configmaps", self.namespace, name)

    def _resync(self, kinds: tuple[str, ...]) -> None:
        for kind in kinds:
            for obj in self.client.list(kind):
                self.enqueue(kind, *key_of(obj))

    def enqueue(self, kind: str, namespace: str, name: str, after: float = 0.0) -> None:
        """Look at one object, now or in `after` unscaled seconds."""
        real = self.clock.real(after)
        self.loop.call(
            ("kn", id(self), kind, namespace, name, after > 0), lambda: self._led(kind, namespace, name), real
        )

    def _led(self, kind: str, namespace: str, name: str) -> None:
        """Reconcile, if this process leads the reconciler of that kind."""
        if self.running and ALL_RECONCILERS[kind] in self.leases.held:
            self._work[kind](namespace, name)

    def changed(self, kind: str, obj: Object) -> None:
        """React to a change as the informers do."""
        if not self.running:
            return
        if kind in self._work:
            self.enqueue(kind, *key_of(obj))
        if kind == "configmaps" and namespace_of(obj) == self.namespace:
            self._config_changed(name_of(obj))
        elif kind == "secrets" and name_of(obj) == names.SERVING:
            for revision in self.client.list(REVISIONS, namespace_of(obj)):
                self.enqueue(REVISIONS, *key_of(revision))
        elif kind == SLICES:
            self._slice_changed(obj)
        for reference in obj["metadata"].get("ownerReferences") or []:
            self._owner_changed(kind, obj, reference)

    def _owner_changed(self, kind: str, obj: Object, reference: Object) -> None:
        for resource in self._work:
            owner = {
                SERVICES: "Service",
                CONFIGURATIONS: "Configuration",
                REVISIONS: "Revision",
                ROUTES: "Route",
                SKS: "ServerlessService",
                KCERTS: "Certificate",
            }[resource]
            group = resource.partition(".")[2]
            if reference["kind"] == owner and reference["apiVersion"].startswith(group + "/"):
                lag = ROUTE_LAG_SECONDS if kind == KCERTS and is_true(obj, "Ready") else 0.0
                self.enqueue(resource, namespace_of(obj), reference["name"], lag)

    def _config_changed(self, name: str) -> None:
        """An illegal value is logged, and the configuration before it kept."""
        try:
            if name == "config-network":
                self.network = config.network(self._config(name))
                self._resync((REVISIONS, ROUTES, KCERTS))
            elif name == "config-certmanager":
                self.issuers = config.issuers(self._config(name))
                self._resync((KCERTS,))
            elif name == "config-domain":
                self._resync((ROUTES,))
        except config.BadConfig:
            return

    def _slice_changed(self, obj: Object) -> None:
        labels = labels_of(obj)
        if labels.get("kubernetes.io/service-name") == "activator-service" and namespace_of(obj) == self.namespace:
            self._resync((SKS,))
        elif labels.get("networking.internal.knative.dev/serviceType") == "Private":
            self.enqueue(SKS, namespace_of(obj), labels["networking.internal.knative.dev/serverlessservice"])

    # ------------------------------------------------------------------ writing

    def _ensure(self, kind: str, wanted: Object, *, spec_only: bool = True) -> Object:
        """Create an object, or bring an existing one's spec (and labels) to what is wanted."""
        found = self.client.get(kind, *key_of(wanted))
        if found is None:
            return self.client.create(kind, wanted)
        fields: dict[str, Any] = {"spec": {**(found.get("spec") or {}), **wanted["spec"]}}
        if not spec_only:
            fields["spec"] = wanted["spec"]
            metadata = clone(found["metadata"])
            metadata["labels"] = {**labels_of(found), **labels_of(wanted)}
            metadata["annotations"] = {**annotations_of(found), **annotations_of(wanted)}
            fields["metadata"] = metadata
        return self.client.change(kind, found, **fields)

    def _report(self, kind: str, obj: Object, fresh: list[Object], **fields: Any) -> None:
        before = status_of(obj)
        conditions = before.get("conditions") or []
        for one in fresh:
            conditions = with_condition(conditions, {k: v for k, v in one.items() if v != ""}, self.clock.stamp())
        ordered = sorted(conditions, key=lambda one: str(one["type"]))
        generation = obj["metadata"].get("generation", 1)
        kept = {k: v for k, v in before.items() if k not in fields}
        given = {k: v for k, v in fields.items() if v is not None}
        self.client.update_status(kind, obj, {**kept, **given, "conditions": ordered, "observedGeneration": generation})

    # ------------------------------------------------------------------ Service, Configuration

    def service(self, namespace: str, name: str) -> None:
        """Service → Configuration and Route; their conditions back."""
        service = self.client.get(SERVICES, namespace, name)
        if service is None:
            return
        configuration = self._ensure(CONFIGURATIONS, serving.configuration(service))
        route = self._ensure(ROUTES, serving.route(service))
        made, routed = _child(configuration, "ConfigurationsReady"), _child(route, "RoutesReady")
        summary = _summary([made, routed])
        below = status_of(configuration)
        along = {key: status_of(route).get(key) for key in ("address", "url", "traffic")}
        latest = {key: below.get(key) for key in ("latestCreatedRevisionName", "latestReadyRevisionName")}
        self._report(SERVICES, service, [made, routed, summary], **along, **latest)

    def configuration(self, namespace: str, name: str) -> None:
        """Configuration → the Revision of its generation."""
        found = self.client.get(CONFIGURATIONS, namespace, name)
        if found is None:
            return
        wanted = serving.revision(found, self.clock.stamp())
        existing = self.client.get(REVISIONS, *key_of(wanted))
        revision = existing or self.client.create(REVISIONS, wanted)
        ready = _copied(revision)
        latest = status_of(found).get("latestReadyRevisionName")
        if ready["status"] == "True":
            latest = name_of(revision)
        self._report(
            CONFIGURATIONS, found, [ready], latestCreatedRevisionName=name_of(revision), latestReadyRevisionName=latest
        )

    # ------------------------------------------------------------------ Revision

    def revision(self, namespace: str, name: str) -> None:
        """Revision → KCert, Deployment and PodAutoscaler; held up while the namespace's certificate is missing."""
        revision = self.client.get(REVISIONS, namespace, name)
        if revision is None:
            return
        tls = self.network.system_internal_tls
        if tls and not self._certificate_there(revision, namespace):
            self._hold(revision)
            return
        autoscaler = self.client.get(AUTOSCALERS, namespace, name)
        deployment = self._deployment(revision, tls)
        if autoscaler is None:
            autoscaler = self.client.create(AUTOSCALERS, serving.pod_autoscaler(revision))
        self._report(REVISIONS, revision, _revision_conditions(revision, deployment, autoscaler), **_counts(autoscaler))
        self._wake_above(revision)

    def _certificate_there(self, revision: Object, namespace: str) -> bool:
        home = self.client.get("namespaces", "", namespace)
        if home is not None:
            self._ensure(KCERTS, kcerts.serving_certs(home, self.network), spec_only=False)
        data = data_of(self.client.get("secrets", namespace, names.SERVING))
        return bool(data.get("tls.crt") and data.get("tls.key"))

    def _hold(self, revision: Object) -> None:
        text = f"secret {namespace_of(revision)}/{names.SERVING} is not ready yet: tls.crt or tls.key is missing"
        if not is_true(revision, "Ready"):
            fresh = {"type": "Ready", "status": "Unknown", "reason": "Deploying", "message": text}
            self._report(REVISIONS, revision, [fresh])
        self.enqueue(REVISIONS, *key_of(revision), 5.0)

    def _deployment(self, revision: Object, tls: bool) -> Object:
        initial = annotations_of(revision).get("autoscaling.knative.dev/initial-scale", "1")
        smallest = annotations_of(revision).get("autoscaling.knative.dev/min-scale", "0")
        first = max(int(initial), int(smallest))
        wanted = serving.deployment(revision, tls=tls, system_namespace=self.namespace, replicas=first)
        found = self.client.get(DEPLOYMENTS, *key_of(wanted))
        if found is None:
            return self.client.create(DEPLOYMENTS, wanted)
        if labels_of(found).get(serving.HASH) == labels_of(wanted)[serving.HASH]:
            return found
        template = clone(wanted["spec"]["template"])
        restarted = annotations_of(found["spec"]["template"]).get("kubectl.kubernetes.io/restartedAt")
        if restarted:
            template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = restarted
        spec = {**wanted["spec"], "replicas": found["spec"].get("replicas"), "template": template}
        metadata = {**found["metadata"], "labels": labels_of(wanted)}
        return self.client.change(DEPLOYMENTS, found, spec=spec, metadata=metadata)

    def _wake_above(self, revision: Object) -> None:
        for route in self.client.list(ROUTES, namespace_of(revision)):
            self.enqueue(ROUTES, *key_of(route))

    # ------------------------------------------------------------------ ServerlessService

    def serverless_service(self, namespace: str, name: str) -> None:
        """Its two Services, and who is behind the public one: the revision's pods, or the activators."""
        sks = self.client.get(SKS, namespace, name)
        if sks is None:
            return
        self._ensure("services", serving.sks_service(sks, private=True))
        public = self._ensure("services", serving.sks_service(sks, private=False))
        pods = self._ready_addresses(namespace, f"{name}-private")
        proxied = sks["spec"]["mode"] == "Proxy" or not pods
        behind = self._ready_addresses(self.namespace, "activator-service") if proxied else pods
        self._public_endpoints(public, behind)
        healthy = {"type": "EndpointsPopulated", "status": "True"}
        if not pods and not status_of(sks).get("conditions"):
            healthy = {"type": "EndpointsPopulated", "status": "Unknown", "reason": "NoHealthyBackends"}
            healthy["message"] = "K8s Service is not ready"
        elif not behind:
            healthy = {"type": "EndpointsPopulated", "status": "Unknown", "reason": "NoHealthyBackends"}
        backed = {
            "type": "ActivatorEndpointsPopulated",
            "status": "True" if proxied else "False",
            "severity": "Info",
            "reason": "ActivatorEndpointsPopulated",
            "message": "Revision is backed by Activator",
        }
        fresh = [backed, healthy, {**healthy, "type": "Ready"}]
        self._report(SKS, sks, fresh, privateServiceName=f"{name}-private", serviceName=name)

    def _ready_addresses(self, namespace: str, service: str) -> list[Object]:
        out = []
        for item in self.client.list(SLICES, namespace):
            if labels_of(item).get("kubernetes.io/service-name") == service:
                out += [one for one in item.get("endpoints") or [] if one["conditions"].get("ready")]
        return out

    def _public_endpoints(self, service: Object, endpoints: list[Object]) -> None:
        """The Endpoints that Knative writes, and the slice the mirroring controller makes of them."""
        ports = [{"name": "http", "port": 8012, "protocol": "TCP"}, {"name": "https", "port": 8112, "protocol": "TCP"}]
        metadata = {k: service["metadata"].get(k) or {} for k in ("name", "namespace", "labels", "annotations")}
        metadata["ownerReferences"] = service["metadata"].get("ownerReferences") or []
        addresses = [
            {"ip": one["addresses"][0], "nodeName": one.get("nodeName", ""), "targetRef": one["targetRef"]}
            for one in endpoints
        ]
        subsets = [{"addresses": addresses, "ports": ports}] if addresses else []
        found = self.client.get("endpoints", *key_of(service))
        if found is None:
            found = self.client.create("endpoints", {"metadata": metadata, "subsets": subsets})
        else:
            found = self.client.change("endpoints", found, subsets=subsets)
        self._mirror(found, endpoints, ports)

    def _mirror(self, source: Object, endpoints: list[Object], ports: list[Object]) -> None:
        client = self.client.by("kube-controller-manager")
        mirrored = [{**one, "conditions": {"ready": True}} for one in endpoints]
        slices = [one for one in client.list(SLICES, namespace_of(source)) if owned_by(one, source)]
        if slices:
            client.change(SLICES, slices[0], endpoints=mirrored, ports=ports)
            return
        labels = {
            **labels_of(source),
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            "kubernetes.io/service-name": name_of(source),
        }
        reference = {"apiVersion": "v1", "kind": "Endpoints", "name": name_of(source), "uid": source["metadata"]["uid"]}
        metadata = {
            "generateName": f"{name_of(source)}-",
            "namespace": namespace_of(source),
            "labels": labels,
            "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
        }
        client.create(SLICES, {"metadata": metadata, "addressType": "IPv4", "endpoints": mirrored, "ports": ports})

    # ------------------------------------------------------------------ Route

    def route(self, namespace: str, name: str) -> None:
        """Route → KCerts, KIngress and placeholder Service; which of its hosts are served over TLS."""
        route = self.client.get(ROUTES, namespace, name)
        if route is None:
            return
        targets = self._targets(route)
        if targets is None:
            fresh = [{"type": kind, "status": "Unknown"} for kind in ("AllTrafficAssigned", "Ready")]
            reason = {"reason": "RevisionMissing", "message": "Configuration does not have any ready Revision."}
            self._report(ROUTES, route, [{**one, **reason} for one in fresh])
            return
        rules, secured, provisioned, urls = self._rules(route, targets)
        ingress = self._ingress(route, rules, secured)
        self._ensure("services", serving.placeholder(route, self.gateway))
        self._report_route(route, targets, ingress, provisioned, urls)

    def _targets(self, route: Object) -> list[Object] | None:
        out = []
        for one in route["spec"].get("traffic") or []:
            revision = one.get("revisionName")
            if not revision:
                found = self.client.get(CONFIGURATIONS, namespace_of(route), one.get("configurationName", ""))
                revision = status_of(found or {}).get("latestReadyRevisionName")
            if not revision:
                return None
            kept = {k: one[k] for k in ("percent", "tag") if one.get(k)}
            out.append({**kept, "revisionName": revision, "latestRevision": not one.get("revisionName")})
        return out

    def _rules(self, route: Object, targets: list[Object]) -> tuple[list[Object], list[Object], Object, dict[str, str]]:
        """(rules, tls entries, certificate condition, URLs by tag and 'address')."""
        namespace, name = key_of(route)
        domain = names.base_domain(self._config("config-domain"))
        local_only = names.is_local(route, domain)
        rules: list[Object] = []
        secured: list[Object] = []
        urls: dict[str, str] = {}
        provisioned: Object = {"status": "True", "reason": "TLSNotEnabled", "message": HTTP_ONLY}
        for tag in ["", *(one["tag"] for one in targets if one.get("tag"))]:
            splits = self._splits(namespace, targets, tag)
            hosts = serving.target_hosts(name, namespace, tag)
            rules.append(serving.ingress_rule(hosts, splits, local=True))
            local_https, fresh = self._secure(
                route,
                kcerts.route_local(route, tag, self.network),
                hosts,
                secured,
                self.network.cluster_local_domain_tls,
            )
            provisioned = fresh or provisioned
            scheme = "https" if local_https else "http"
            urls[tag or "address"] = f"{scheme}://{hosts[-1]}"
            urls[f"url{tag}"] = urls[tag or "address"]
            if local_only:
                continue
            label = f"{tag}-{name}" if tag else name
            host = names.external_host(self.network.domain_template, label, namespace, domain)
            rules.append(serving.ingress_rule([host], splits, local=False))
            kcert = kcerts.route_external(route, tag, host, domain, self.network)
            public_https, fresh = self._secure(route, kcert, [host], secured, self.network.external_domain_tls)
            provisioned = fresh or provisioned
            urls[f"url{tag}"] = f"{'https' if public_https else 'http'}://{host}"
        return rules, secured, provisioned, urls

    def _splits(self, namespace: str, targets: list[Object], tag: str) -> list[Object]:
        tls = self.network.system_internal_tls
        chosen = (
            [one for one in targets if one.get("tag") == tag] if tag else [one for one in targets if one.get("percent")]
        )
        return [
            serving.split(namespace, one["revisionName"], 100 if tag else int(one["percent"]), tls=tls)
            for one in chosen
        ]

    def _secure(
        self, route: Object, wanted: Object, hosts: list[str], secured: list[Object], enabled: bool
    ) -> tuple[bool, Object | None]:
        """Ensure a target's KCert; its hosts are served over TLS only while that is Ready."""
        if not enabled:
            return False, None
        kcert = self._ensure(KCERTS, wanted, spec_only=False)
        ready, name = condition(kcert, "Ready"), name_of(kcert)
        if ready.get("status") == "True":
            entry = {"hosts": hosts, "secretName": kcert["spec"]["secretName"], "secretNamespace": namespace_of(route)}
            secured.append(entry)
            local = name.endswith("-local")
            return True, {"status": "True", **({"local": True} if local else {})}
        if ready.get("status") == "False":
            message = f"Certificate {name} fails to be provisioned."
            return False, {"status": "False", "reason": "CertificateProvisionFailed", "message": message}
        return False, {
            "status": "Unknown",
            "reason": "CertificateNotReady",
            "message": f"Certificate {name} is not ready: ",
        }

    def _ingress(self, route: Object, rules: list[Object], secured: list[Object]) -> Object:
        kept = {k: v for k, v in annotations_of(route).items() if not k.startswith("kubectl.kubernetes.io/")}
        labels = {
            **labels_of(route),
            "serving.knative.dev/route": name_of(route),
            "serving.knative.dev/routeNamespace": namespace_of(route),
        }
        option = "Redirected" if self.network.http_protocol == "redirected" and secured else "Enabled"
        spec: Object = {"httpOption": option, "rules": rules, **({"tls": secured} if secured else {})}
        wanted = {
            "metadata": serving.owned(
                route,
                name_of(route),
                labels,
                {**kept, "networking.knative.dev/ingress.class": self.network.ingress_class},
            ),
            "spec": spec,
        }
        return self._ensure(INGRESSES, wanted, spec_only=False)

    def _report_route(
        self, route: Object, targets: list[Object], ingress: Object, provisioned: Object, urls: dict[str, str]
    ) -> None:
        current = status_of(ingress).get("observedGeneration") == ingress["metadata"].get("generation")
        ready = _child(ingress, "IngressReady") if current else _waiting("IngressReady")
        assigned = {"type": "AllTrafficAssigned", "status": "True"}
        certificate = {"type": "CertificateProvisioned", **{k: v for k, v in provisioned.items() if k != "local"}}
        traffic = [{**one, **({"url": urls[f"url{one['tag']}"]} if one.get("tag") else {})} for one in targets]
        self._report(
            ROUTES,
            route,
            [assigned, certificate, ready, _summary([assigned, ready, certificate])],
            address={"url": urls["address"]},
            url=urls["url"],
            traffic=traffic,
        )

    # ------------------------------------------------------------------ KCert

    def kcert(self, namespace: str, name: str) -> None:
        """KCert → cert-manager Certificate, only by a controller that was started with a TLS feature on."""
        kcert = self.client.get(KCERTS, namespace, name)
        if kcert is None or not self.makes_certificates:
            return
        try:
            wanted = kcerts.certificate(kcert, self.issuers)
        except kcerts.TooLong as error:
            fresh = {"type": "Ready", "status": "False", "reason": "CommonName Too Long", "message": str(error)}
            self._report(KCERTS, kcert, [fresh], **kcerts.status(kcert, None))
            return
        found = self.client.get(CERTIFICATES, namespace, name)
        if found is None:
            found = self.client.create(CERTIFICATES, wanted)
        else:
            found = self.client.change(CERTIFICATES, found, spec=wanted["spec"])
        fresh = kcerts.readiness(found)
        missing = self._issuer_missing(found)
        if missing and fresh["status"] != "True":
            fresh = {"type": "Ready", "status": "Unknown", "reason": "ReconcileFailed", "message": missing}
        self._report(KCERTS, kcert, [fresh], notAfter=kcerts.status(kcert, found).get("notAfter"))

    def _issuer_missing(self, certificate: Object) -> str:
        """Only a ClusterIssuer is ever looked up, whatever the reference's kind says."""
        name = certificate["spec"]["issuerRef"]["name"]
        if self.client.get(CLUSTER_ISSUERS, "", name) is not None:
            return ""
        return f'Cert-Manager certificate has not yet been reconciled: clusterissuer.cert-manager.io "{name}" not found'


def _copied(obj: Object, kind: str = "Ready") -> Object:
    found = condition(obj, "Ready")
    if not found:
        return {"type": kind, "status": "Unknown"}
    return {"type": kind, **{k: found[k] for k in ("status", "reason", "message") if found.get(k)}}


def _child(obj: Object, kind: str) -> Object:
    """A child's Ready as the parent's condition; Unknown while the child has not seen its present generation."""
    if status_of(obj).get("observedGeneration") != obj["metadata"].get("generation", 1):
        return _waiting(kind)
    return _copied(obj, kind)


def _waiting(kind: str) -> Object:
    return {
        "type": kind,
        "status": "Unknown",
        "reason": "OutOfDate" if kind != "IngressReady" else "IngressNotConfigured",
    }


def _summary(parts: list[Object]) -> Object:
    for status in ("False", "Unknown"):
        found = next((one for one in parts if one["status"] == status), None)
        if found is not None:
            return {**{k: v for k, v in found.items() if k in ("reason", "message")}, "type": "Ready", "status": status}
    return {"type": "Ready", "status": "True"}


def _revision_conditions(revision: Object, deployment: Object, autoscaler: Object) -> list[Object]:
    initialized = is_true(autoscaler, "ScaleTargetInitialized") or is_true(revision, "Ready")
    state = {"status": "True"} if initialized else {"status": "Unknown", "reason": "Deploying"}
    healthy = {"type": "ContainerHealthy", **state}
    available = {"type": "ResourcesAvailable", **state}
    active = _copied(autoscaler, "Active")
    shown = condition(autoscaler, "Active")
    active = {"type": "Active", "status": shown.get("status", "Unknown"), "severity": "Info"}
    active |= {k: shown[k] for k in ("reason", "message") if shown.get(k)}
    return [active, healthy, available, _summary([healthy, available])]


def _counts(autoscaler: Object) -> dict[str, Any]:
    status = status_of(autoscaler)
    return {
        "actualReplicas": status.get("actualScale", 0),
        "desiredReplicas": status.get("desiredScale", 0),
        "containerStatuses": [{"name": "user-container"}],
    }
