"""The Knative operator: makes what a KnativeServing says, and puts back what somebody else changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from kntls.lab.client import RESOURCES, Client
from kntls.lab.clock import Clock
from kntls.lab.knative.leases import OPERATOR, Leases
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, clone, condition, name_of, namespace_of, owner_reference
from kntls.lab.reading import annotations_of, is_true, labels_of, status_of, with_condition

KNATIVE_SERVINGS = "knativeservings.operator.knative.dev"
RECONCILE_SECONDS = 10.0
"""How long one of its reconciles takes; a change is seen that much later."""
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWNER_LABEL = "serving.knative.openshift.io/ownerName"
"""On what lies in another namespace than the KnativeServing, instead of an owner reference."""
CONDITIONS = (
    "DependenciesInstalled",
    "DeploymentsAvailable",
    "InstallSucceeded",
    "TargetClusterResolved",
    "VersionMigrationEligible",
)


def config_of(serving: Object, name: str) -> dict[str, str]:
    """A ConfigMap's keys in `spec.config`: the full name hides the short one completely."""
    given: Mapping[str, Mapping[str, str]] = serving["spec"].get("config") or {}
    return dict(given[name] if name in given else given.get(name.removeprefix("config-"), {}))


def merged_data(found: Mapping[str, str], wanted: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """A three-way merge: wanted keys set, keys applied before and no longer wanted removed, others left alone."""
    kept = {key: value for key, value in found.items() if key in wanted or key not in before}
    return {**kept, **wanted}


def workload(serving: Object, name: str) -> Object:
    """The overrides for a Deployment: `spec.workloads` and the older `spec.deployments` together."""
    spec = serving["spec"]
    out: Object = {}
    for one in [*(spec.get("deployments") or []), *(spec.get("workloads") or [])]:
        if one.get("name") == name:
            out |= one
    return out


class Operator:
    """The controller of one running operator pod."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        loop: Loop,
        installed: Callable[[], list[Object]],
        namespace: str = "knative-operator",
        identity: str = "operator",
    ) -> None:
        self.client, self.clock, self.loop, self.installed = client.by("kn-operator"), clock, loop, installed
        self.running = False
        self.leases = Leases(self.client, clock, loop, namespace, identity, self._gained)

    def start(self) -> None:
        """Ask for the Leases."""
        self.running = True
        self.leases.start(OPERATOR, ("knativeserving", "knativeeventing"))

    def _gained(self, reconciler: str) -> None:
        """Reconcile every KnativeServing at once."""
        for serving in self.client.list(KNATIVE_SERVINGS):
            self.enqueue(serving, 0.0)

    def stop(self) -> None:
        """Leave everything as it is, and give the Leases back."""
        self.running = False
        self.leases.stop()

    def enqueue(self, serving: Object, seconds: float = RECONCILE_SECONDS) -> None:
        """Reconcile one KnativeServing in unscaled seconds."""
        key = (namespace_of(serving), name_of(serving))
        self.loop.call(("operator", id(self), *key), lambda: self.reconcile(*key), self.clock.real(seconds))

    def changed(self, kind: str, obj: Object) -> None:
        """A KnativeServing changed, or something it owns."""
        if not self.running:
            return
        if kind == KNATIVE_SERVINGS:
            if status_of(obj).get("observedGeneration") != obj["metadata"].get("generation"):
                self.enqueue(obj)
        elif kind in ("configmaps", "deployments.apps", "certificates.networking.internal.knative.dev"):
            references = obj["metadata"].get("ownerReferences") or []
            if OWNER_LABEL in labels_of(obj) or any(one["kind"] == "KnativeServing" for one in references):
                for serving in self.client.list(KNATIVE_SERVINGS):
                    self.enqueue(serving)

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring everything to what the KnativeServing says."""
        serving = self.client.get(KNATIVE_SERVINGS, namespace, name)
        if serving is None or not self.running or "knativeserving" not in self.leases.held:
            return
        available = True
        for wanted in self.installed():
            found = self._apply(serving, wanted)
            if wanted["kind"] == "Deployment":
                available = available and (is_true(found, "Available") or not condition(found, "Available"))
        self._report(serving, available)
        if not available:
            self.enqueue(serving, 2.0)

    def _apply(self, serving: Object, wanted: Object) -> Object:
        kind = next(
            k for k, r in RESOURCES.items() if r.kind == wanted["kind"] and r.api_version == wanted["apiVersion"]
        )
        wanted = self._owned(serving, clone(wanted))
        if kind == "configmaps":
            wanted["data"] = {**wanted["data"], **config_of(serving, name_of(wanted))}
            wanted["metadata"]["annotations"][APPLIED] = json.dumps({"data": wanted["data"]})
        elif kind == "deployments.apps":
            self._override(serving, wanted)
        found = self.client.get(kind, namespace_of(wanted), name_of(wanted))
        if found is None:
            return self.client.create(kind, wanted)
        return self._merge(kind, found, wanted)

    def _owned(self, serving: Object, wanted: Object) -> Object:
        metadata = wanted["metadata"]
        metadata.setdefault("annotations", {})["manifestival"] = "new"
        if metadata.get("namespace") == namespace_of(serving):
            metadata["ownerReferences"] = [owner_reference(serving)]
        elif metadata.get("namespace"):
            metadata["labels"] = {**labels_of(wanted), OWNER_LABEL: name_of(serving)}
        return wanted

    def _override(self, serving: Object, wanted: Object) -> None:
        given = workload(serving, name_of(wanted))
        if "replicas" in given:
            wanted["spec"]["replicas"] = given["replicas"]
        for holder in (wanted, wanted["spec"]["template"]):
            metadata = holder.setdefault("metadata", {})
            if given.get("annotations"):
                metadata["annotations"] = {**annotations_of(holder), **given["annotations"]}

    def _merge(self, kind: str, found: Object, wanted: Object) -> Object:
        metadata = clone(found["metadata"])
        for field in ("labels", "annotations"):
            metadata[field] = {**(found["metadata"].get(field) or {}), **(wanted["metadata"].get(field) or {})}
        if kind == "configmaps":
            before = json.loads(annotations_of(found).get(APPLIED, "{}")).get("data", {})
            data = merged_data(found.get("data") or {}, wanted["data"], before)
            return self.client.change(kind, found, metadata=metadata, data=data)
        if kind == "deployments.apps":
            return self.client.change(kind, found, metadata=metadata, spec=self._deployment_spec(found, wanted))
        return found

    def _deployment_spec(self, found: Object, wanted: Object) -> Object:
        """Replicas and containers as wanted; annotations of the pods that somebody else set stay."""
        spec: Object = clone(found["spec"])
        spec["replicas"] = wanted["spec"]["replicas"]
        metadata = spec["template"]["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations_of(wanted["spec"]["template"])}
        if not metadata["annotations"]:
            del metadata["annotations"]
        return spec

    def _report(self, serving: Object, available: bool) -> None:
        status = status_of(serving)
        conditions = status.get("conditions") or []
        for kind in (*CONDITIONS, "Ready"):
            held = available or kind not in ("DeploymentsAvailable", "Ready")
            fresh = {"type": kind, "status": "True" if held else "False"}
            if not held:
                fresh |= {"reason": "NotReady", "message": "Waiting on deployments"}
            conditions = with_condition(conditions, fresh, self.clock.stamp())
        wanted = {
            **status,
            "conditions": conditions,
            "observedGeneration": serving["metadata"].get("generation", 1),
            "version": serving["spec"].get("version", ""),
        }
        self.client.update_status(KNATIVE_SERVINGS, serving, wanted)
