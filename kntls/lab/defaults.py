"""What the API server fills in: defaults of built-in types, Secret `stringData`, defaults of custom schemas.

Sources: k8s.io/kubernetes, pkg/apis/{core,apps,rbac}/v1/defaults.go, and the recorded schemas for custom resources.
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from kntls.lab.objects import Object, clone, name_of
from kntls.lab.resources import Registry, Resource
from kntls.lab.shapes import Shape, Shapes

_MODE = 0o644
_service_ips = itertools.count(int(ipaddress.ip_address("10.96.1.1")))


def _set(target: dict[str, Any], **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _part(target: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(target.get(key), dict):
        target[key] = {}
    part: dict[str, Any] = target[key]
    return part


def _probe(probe: dict[str, Any]) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        _set(probe["httpGet"], path="/", scheme="HTTP")


def _pull_policy(image: str) -> str:
    tag = image.rpartition("/")[2].rpartition(":")[2] if ":" in image.rpartition("/")[2] else "latest"
    return "Always" if tag == "latest" and "@" not in image else "IfNotPresent"


def _container(container: dict[str, Any]) -> None:
    _set(
        container,
        imagePullPolicy=_pull_policy(str(container.get("image", ""))),
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    for port in container.get("ports") or ():
        _set(port, protocol="TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for env in container.get("env") or ():
        source = (env.get("valueFrom") or {}).get("fieldRef")
        if isinstance(source, dict):
            _set(source, apiVersion="v1")


def _pod_spec(spec: dict[str, Any]) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        _set(spec, serviceAccount=spec["serviceAccountName"])
    for container in itertools.chain(spec.get("containers") or (), spec.get("initContainers") or ()):
        _container(container)
    for volume in spec.get("volumes") or ():
        for source in ("secret", "configMap", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                _set(volume[source], defaultMode=_MODE)


def _template(spec: dict[str, Any]) -> None:
    template = _part(spec, "template")
    _set(template, metadata={})
    _pod_spec(_part(template, "spec"))


def _namespace(new: Object, old: Object | None) -> None:
    _set(_part(new, "status"), phase="Active")
    _part(_part(new, "metadata"), "labels")["kubernetes.io/metadata.name"] = name_of(new)


def _secret(new: Object, old: Object | None) -> None:
    plain = new.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        new["data"] = {**(new.get("data") or {}), **encoded}
    _set(new, type="Opaque")


def _service(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    _set(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or ():
        _set(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
    _set(_part(new, "status"), loadBalancer={})


def _deployment(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = _part(spec, "strategy")
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(_part(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    _template(spec)
    _set(new, status={})


def _replica_set(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    _set(spec, replicas=1)
    _template(spec)
    _set(new, status={"replicas": 0})


def _pod(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    _set(spec, enableServiceLinks=True)
    _pod_spec(spec)
    status = _part(new, "status")
    _set(status, phase="Pending", qosClass="BestEffort")


def _binding(new: Object, old: Object | None) -> None:
    rbac = "rbac.authorization.k8s.io"
    _set(_part(new, "roleRef"), apiGroup=rbac)
    for subject in new.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup=rbac)


def _crd(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    names = _part(spec, "names")
    kind = str(names.get("kind", ""))
    _set(names, singular=kind.lower(), listKind=f"{kind}List")
    _set(spec, conversion={"strategy": "None"})
    now = new["metadata"].get("creationTimestamp")
    accepted = {"status": "True", "lastTransitionTime": now}
    conditions = [
        {"type": "NamesAccepted", **accepted, "reason": "NoConflicts", "message": "no conflicts found"},
        {
            "type": "Established",
            **accepted,
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
        },
    ]
    stored = [version.get("name") for version in spec.get("versions") or () if version.get("storage")]
    _set(_part(new, "status"), conditions=conditions, acceptedNames=clone(names), storedVersions=stored)


FILLERS: dict[str, Callable[[Object, Object | None], None]] = {
    "namespaces": _namespace,
    "secrets": _secret,
    "services": _service,
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}
"""Resource → what fills in its defaults."""


def _namespace_finalizer(new: Object, old: Object | None) -> None:
    _set(_part(new, "spec"), finalizers=["kubernetes"])


def _service_address(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    if spec.get("type") == "ExternalName":
        return
    before = (old or {}).get("spec", {}).get("clusterIP")
    _set(spec, clusterIP=before or str(ipaddress.ip_address(next(_service_ips))))
    _set(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")


def _pod_account(new: Object, old: Object | None) -> None:
    spec = _part(new, "spec")
    _set(spec, serviceAccountName="default")
    _set(spec, serviceAccount=spec["serviceAccountName"])


ASSIGNERS: dict[str, Callable[[Object, Object | None], None]] = {
    "namespaces": _namespace_finalizer,
    "services": _service_address,
    "pods": _pod_account,
}
"""Resource → what the server itself assigns, owned by no field manager."""


def assign(resource: Resource, new: Object, old: Object | None) -> None:
    """Set what the server assigns, in place."""
    if resource.key in ASSIGNERS:
        ASSIGNERS[resource.key](new, old)


def fill(resource: Resource, new: Object, old: Object | None, shape: Shape) -> None:
    """Fill in the defaults of an object on its way to the store, in place."""
    filler = FILLERS.get(resource.key)
    if filler is not None:
        filler(new, old)
    elif resource.custom:
        _fill_schema(new, shape)


def _fill_schema(value: Any, shape: Shape) -> None:
    """The `default`s of a structural schema."""
    if isinstance(value, list):
        for item in value:
            _fill_schema(item, shape.items)
    if not isinstance(value, dict):
        return
    for name in shape.properties:
        if name != "metadata" and name not in value and (default := shape.default(name)) is not None:
            value[name] = clone(default)
    for name, child in value.items():
        if name != "metadata" and isinstance(child, dict | list):
            _fill_schema(child, shape.field(name))


def serve_definition(registry: Registry, shapes: Shapes, crd: Mapping[str, Any], *, gone: bool) -> None:
    """Serve, or stop serving, what a CustomResourceDefinition defines: its stored version."""
    spec = crd["spec"]
    names = spec["names"]
    version = next((v for v in spec.get("versions") or () if v.get("storage")), None)
    known = registry.by_path(spec["group"], (version or {}).get("name", ""), names["plural"])
    if version is None or gone:
        if known is not None:
            registry.remove(known)
        return
    if known is not None:
        return
    resource = Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        namespaced=spec.get("scope") != "Cluster",
        subresources=tuple(name for name in ("status", "scale") if name in (version.get("subresources") or {})),
        custom=True,
        counts_generations=True,
    )
    registry.add(resource)
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    shapes.add(resource.key, resource.api_version, resource.kind, schema, version.get("additionalPrinterColumns") or [])
