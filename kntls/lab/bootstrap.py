"""What every cluster has from the beginning: namespaces, the default roles and who is bound to them."""

from __future__ import annotations

from typing import Any

from kntls.lab.objects import Object
from kntls.lab.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    NAMESPACES,
    SERVICES,
    Resource,
)
from kntls.lab.store import Store, Writer

READ = ["get", "list", "watch"]
WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_SEEN = ["configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "pods/log", "pods/status"]
_SEEN += ["replicationcontrollers", "resourcequotas", "limitranges", "serviceaccounts", "services", "namespaces"]
_WRITTEN = ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "secrets", "serviceaccounts", "services"]
_APPS = ["deployments", "deployments/scale", "replicasets", "statefulsets", "daemonsets"]
_STREAMS = ["pods/exec", "pods/portforward", "pods/eviction", "secrets", "serviceaccounts/token"]
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def _rule(verbs: list[str], group: str, resources: list[str]) -> dict[str, Any]:
    return {"verbs": verbs, "apiGroups": [group], "resources": resources}


def _role(name: str, *rules: dict[str, Any], aggregates: str = "", to: str = "") -> Object:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    labels |= {f"{AGGREGATE}{to}": "true"} if to else {}
    role: Object = {"metadata": {"name": name, "labels": labels}, "rules": list(rules)}
    if aggregates:
        selectors = [{"matchLabels": {f"{AGGREGATE}{aggregates}": "true"}}]
        role["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return role


_PUBLIC = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/livez/*", "/readyz/*", *_PUBLIC]

CLUSTER_ROLE_OBJECTS: tuple[Object, ...] = (
    _role("cluster-admin", _rule(["*"], "*", ["*"]), {"verbs": ["*"], "nonResourceURLs": ["*"]}),
    _role("system:discovery", {"verbs": ["get"], "nonResourceURLs": _DISCOVERY}),
    _role("system:public-info-viewer", {"verbs": ["get"], "nonResourceURLs": _PUBLIC}),
    _role(
        "system:basic-user",
        _rule(["create"], "authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        _rule(["create"], "authentication.k8s.io", ["selfsubjectreviews"]),
    ),
    _role("view", aggregates="view"),
    _role("edit", aggregates="edit"),
    _role("admin", aggregates="admin"),
    _role(
        "system:aggregate-to-view",
        _rule(READ, "", _SEEN),
        _rule(READ, "apps", _APPS),
        _rule(READ, "discovery.k8s.io", ["endpointslices"]),
        to="view",
    ),
    _role(
        "system:aggregate-to-edit",
        _rule(READ, "", _SEEN),
        _rule(WRITE + READ, "", _WRITTEN),
        _rule(["create", "get", "list", "watch", "impersonate"], "", _STREAMS),
        _rule(WRITE + READ, "apps", _APPS),
        _rule(WRITE + READ, "coordination.k8s.io", ["leases"]),
        to="edit",
    ),
    _role(
        "system:aggregate-to-admin",
        _rule(["create"], "authorization.k8s.io", ["localsubjectaccessreviews"]),
        _rule(READ, "", _SEEN),
        _rule(WRITE + READ, "", _WRITTEN),
        _rule(["create", "get", "list", "watch", "impersonate"], "", _STREAMS),
        _rule(WRITE + READ, "apps", _APPS),
        _rule(WRITE + READ, "rbac.authorization.k8s.io", ["roles", "rolebindings"]),
        to="admin",
    ),
)


def _binding(role: str, *groups: str) -> Object:
    api_group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "Group", "apiGroup": api_group, "name": group} for group in groups]
    reference = {"apiGroup": api_group, "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": role}, "roleRef": reference, "subjects": subjects}


BINDING_OBJECTS: tuple[Object, ...] = (
    _binding("cluster-admin", "system:masters"),
    _binding("system:discovery", "system:authenticated"),
    _binding("system:basic-user", "system:authenticated"),
    _binding("system:public-info-viewer", "system:authenticated", "system:unauthenticated"),
)

NAMESPACE_NAMES = ("default", "kube-node-lease", "kube-public", "kube-system")

_API_SERVICE: Object = {
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    },
    "spec": {
        "clusterIP": "10.96.0.1",
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
    },
}


VERSIONS = {"cert-manager": "v1.21.2", "trust-manager": "v0.25.0", "knative": "1.23.0", "operator": "1.23.0"}
"""Component → the version its definitions are labelled with."""


def definition(resource: Resource, columns: list[dict[str, Any]]) -> Object:
    """The CustomResourceDefinition of a custom resource; its schema is the one the store checks by anyway."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version: Object = {"name": resource.version, "served": True, "storage": True, "schema": schema}
    version |= {"subresources": {name: {} for name in resource.subresources}, "additionalPrinterColumns": columns}
    names = {
        "plural": resource.plural,
        "singular": resource.singular,
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    labels = {
        "app.kubernetes.io/name": "knative-serving" if resource.part_of == "knative" else resource.part_of,
        "app.kubernetes.io/version": VERSIONS.get(resource.part_of, ""),
    }
    scope = "Namespaced" if resource.namespaced else "Cluster"
    return {
        "metadata": {"name": resource.key, "labels": labels},
        "spec": {"group": resource.group, "scope": scope, "names": names, "versions": [version]},
    }


def bootstrap(store: Store) -> None:
    """Create it all."""
    writer = Writer("kube-apiserver")
    for resource in store.registry:
        if resource.custom:
            store.create(CRDS, definition(resource, store.shapes.columns(resource.key)), writer)
    objects: list[tuple[Resource, Object]] = [(NAMESPACES, {"metadata": {"name": name}}) for name in NAMESPACE_NAMES]
    objects += [(CLUSTER_ROLES, role) for role in CLUSTER_ROLE_OBJECTS]
    objects += [(CLUSTER_ROLE_BINDINGS, binding) for binding in BINDING_OBJECTS]
    objects.append((SERVICES, _API_SERVICE))
    for resource, obj in objects:
        store.create(resource, obj, writer)
