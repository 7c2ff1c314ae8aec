"""The lab's own table of resource types: what discovery shows and what the store can hold.

Names, short names and categories are those of Kubernetes 1.36, cert-manager 1.21, trust-manager 0.25, Knative Serving
1.23 and the Knative operator 1.23, as their discovery documents give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)


@dataclass(frozen=True)
class Resource:
    """One resource type of the API server."""

    group: str
    version: str
    plural: str
    kind: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ("status",)
    verbs: tuple[str, ...] = READ_WRITE
    custom: bool = False
    """Whether a CustomResourceDefinition defines it."""
    counts_generations: bool = False
    """Whether `metadata.generation` counts the changes of its spec."""
    part_of: str = "kubernetes"
    """The component that brings it."""

    @property
    def api_version(self) -> str:
        """`group/version`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """`plural.group`, or the plural alone for the core group: unique in the store."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """The singular name kubectl accepts."""
        return self.kind.lower()

    def __str__(self) -> str:
        return self.key


def _core(plural: str, kind: str, *short: str, **rest: object) -> Resource:
    return _of("", "v1", plural, kind, *short, **rest)


def _of(group: str, version: str, plural: str, kind: str, *short: str, **rest: object) -> Resource:
    return Resource(group, version, plural, kind, short, **rest)  # type: ignore[arg-type]


_ALL, _PLAIN, _SCALED = ("all",), (), ("status", "scale")

NAMESPACES = _core("namespaces", "Namespace", "ns", namespaced=False, subresources=("status", "finalize"))
NODES = _core("nodes", "Node", "no", namespaced=False)
SECRETS = _core("secrets", "Secret", subresources=_PLAIN)
CONFIG_MAPS = _core("configmaps", "ConfigMap", "cm", subresources=_PLAIN)
SERVICES = _core("services", "Service", "svc", categories=_ALL)
ENDPOINTS = _core("endpoints", "Endpoints", "ep", subresources=_PLAIN)
EVENTS = _core("events", "Event", "ev", subresources=_PLAIN)
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", "sa", subresources=("token",))
PODS = _core(
    "pods",
    "Pod",
    "po",
    categories=_ALL,
    subresources=("status", "log", "exec", "portforward", "eviction"),
    counts_generations=True,
)
REPLICATION_CONTROLLERS = _core(
    "replicationcontrollers", "ReplicationController", "rc", categories=_ALL, counts_generations=True
)
RESOURCE_QUOTAS = _core("resourcequotas", "ResourceQuota", "quota")
LIMIT_RANGES = _core("limitranges", "LimitRange", "limits", subresources=_PLAIN)
VOLUME_CLAIMS = _core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc")

DEPLOYMENTS = _of(
    "apps",
    "v1",
    "deployments",
    "Deployment",
    "deploy",
    categories=_ALL,
    subresources=_SCALED,
    counts_generations=True,
)
REPLICA_SETS = _of(
    "apps", "v1", "replicasets", "ReplicaSet", "rs", categories=_ALL, subresources=_SCALED, counts_generations=True
)
STATEFUL_SETS = _of(
    "apps", "v1", "statefulsets", "StatefulSet", "sts", categories=_ALL, subresources=_SCALED, counts_generations=True
)
DAEMON_SETS = _of("apps", "v1", "daemonsets", "DaemonSet", "ds", categories=_ALL, counts_generations=True)
JOBS = _of("batch", "v1", "jobs", "Job", categories=_ALL, counts_generations=True)
CRON_JOBS = _of("batch", "v1", "cronjobs", "CronJob", "cj", categories=_ALL, counts_generations=True)
AUTOSCALERS = _of("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", categories=_ALL)
LEASES = _of("coordination.k8s.io", "v1", "leases", "Lease", subresources=_PLAIN)
ENDPOINT_SLICES = _of(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", subresources=_PLAIN, counts_generations=True
)
NETWORK_POLICIES = _of(
    "networking.k8s.io",
    "v1",
    "networkpolicies",
    "NetworkPolicy",
    "netpol",
    subresources=_PLAIN,
    counts_generations=True,
)
INGRESSES = _of("networking.k8s.io", "v1", "ingresses", "Ingress", "ing", counts_generations=True)
DISRUPTION_BUDGETS = _of("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", counts_generations=True)
_RBAC = "rbac.authorization.k8s.io"
ROLES = _of(_RBAC, "v1", "roles", "Role", subresources=_PLAIN)
ROLE_BINDINGS = _of(_RBAC, "v1", "rolebindings", "RoleBinding", subresources=_PLAIN)
CLUSTER_ROLES = _of(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, subresources=_PLAIN)
CLUSTER_ROLE_BINDINGS = _of(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False, subresources=_PLAIN
)
_EXTENSIONS = ("api-extensions",)
CRDS = _of(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "crd",
    "crds",
    categories=_EXTENSIONS,
    namespaced=False,
    counts_generations=True,
)
VALIDATING_WEBHOOKS = _of(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    categories=_EXTENSIONS,
    namespaced=False,
    subresources=_PLAIN,
    counts_generations=True,
)
MUTATING_WEBHOOKS = _of(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    categories=_EXTENSIONS,
    namespaced=False,
    subresources=_PLAIN,
    counts_generations=True,
)


def _review(group: str, plural: str, kind: str, namespaced: bool = False) -> Resource:
    return _of(group, "v1", plural, kind, namespaced=namespaced, subresources=_PLAIN, verbs=CREATE_ONLY)


TOKEN_REVIEWS = _review("authentication.k8s.io", "tokenreviews", "TokenReview")
SELF_SUBJECT_REVIEWS = _review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview")
_AUTHORIZATION = "authorization.k8s.io"
SELF_ACCESS_REVIEWS = _review(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview")
SELF_RULES_REVIEWS = _review(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview")
ACCESS_REVIEWS = _review(_AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview")
LOCAL_ACCESS_REVIEWS = _review(_AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True)


def _custom(part_of: str, group: str, version: str, plural: str, kind: str, *short: str, **rest: object) -> Resource:
    return _of(group, version, plural, kind, *short, custom=True, counts_generations=True, part_of=part_of, **rest)


_CM, _CM_GROUP = "cert-manager", "cert-manager.io"
_CM_ALL = ("cert-manager",)
CERTIFICATES = _custom(_CM, _CM_GROUP, "v1", "certificates", "Certificate", "cert", "certs", categories=_CM_ALL)
CERTIFICATE_REQUESTS = _custom(
    _CM, _CM_GROUP, "v1", "certificaterequests", "CertificateRequest", "cr", "crs", categories=_CM_ALL
)
ISSUERS = _custom(_CM, _CM_GROUP, "v1", "issuers", "Issuer", "iss", categories=_CM_ALL)
CLUSTER_ISSUERS = _custom(
    _CM, _CM_GROUP, "v1", "clusterissuers", "ClusterIssuer", "ciss", categories=_CM_ALL, namespaced=False
)
_ACME = ("cert-manager", "cert-manager-acme")
ORDERS = _custom(_CM, "acme.cert-manager.io", "v1", "orders", "Order", categories=_ACME)
CHALLENGES = _custom(_CM, "acme.cert-manager.io", "v1", "challenges", "Challenge", categories=_ACME)

BUNDLES = _custom("trust-manager", "trust.cert-manager.io", "v1alpha1", "bundles", "Bundle", namespaced=False)
CLUSTER_BUNDLES = _custom(
    "trust-manager", "trust-manager.io", "v1alpha2", "clusterbundles", "ClusterBundle", namespaced=False
)

_KN, _SERVING = "knative", "serving.knative.dev"
_SERVING_ALL = ("all", "knative", "serving")
KNATIVE_SERVICES = _custom(_KN, _SERVING, "v1", "services", "Service", "kservice", "ksvc", categories=_SERVING_ALL)
CONFIGURATIONS = _custom(
    _KN, _SERVING, "v1", "configurations", "Configuration", "config", "cfg", categories=_SERVING_ALL
)
REVISIONS = _custom(_KN, _SERVING, "v1", "revisions", "Revision", "rev", categories=_SERVING_ALL)
ROUTES = _custom(_KN, _SERVING, "v1", "routes", "Route", "rt", categories=_SERVING_ALL)
DOMAIN_MAPPINGS = _custom(_KN, _SERVING, "v1beta1", "domainmappings", "DomainMapping", "dm", categories=_SERVING_ALL)
_SCALING = "autoscaling.internal.knative.dev"
_SCALING_ALL = ("knative-internal", "autoscaling")
POD_AUTOSCALERS = _custom(
    _KN, _SCALING, "v1alpha1", "podautoscalers", "PodAutoscaler", "kpa", "pa", categories=_SCALING_ALL
)
METRICS = _custom(_KN, _SCALING, "v1alpha1", "metrics", "Metric", categories=_SCALING_ALL)
IMAGES = _custom(
    _KN, "caching.internal.knative.dev", "v1alpha1", "images", "Image", categories=("knative-internal", "caching")
)
_NETWORKING = "networking.internal.knative.dev"
_NETWORKING_ALL = ("knative-internal", "networking")
KNATIVE_CERTIFICATES = _custom(
    _KN, _NETWORKING, "v1alpha1", "certificates", "Certificate", "kcert", categories=_NETWORKING_ALL
)
KNATIVE_INGRESSES = _custom(
    _KN, _NETWORKING, "v1alpha1", "ingresses", "Ingress", "kingress", "king", categories=_NETWORKING_ALL
)
SERVERLESS_SERVICES = _custom(
    _KN, _NETWORKING, "v1alpha1", "serverlessservices", "ServerlessService", "sks", categories=_NETWORKING_ALL
)
DOMAIN_CLAIMS = _custom(
    _KN,
    _NETWORKING,
    "v1alpha1",
    "clusterdomainclaims",
    "ClusterDomainClaim",
    "cdc",
    categories=_NETWORKING_ALL,
    namespaced=False,
)

_OPERATOR = "operator.knative.dev"
KNATIVE_SERVINGS = _custom("operator", _OPERATOR, "v1beta1", "knativeservings", "KnativeServing")
KNATIVE_EVENTINGS = _custom("operator", _OPERATOR, "v1beta1", "knativeeventings", "KnativeEventing")

TABLE: tuple[Resource, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Resource))
"""Every resource type above."""

COMPONENTS: tuple[str, ...] = tuple(dict.fromkeys(resource.part_of for resource in TABLE))
"""What brings resource types: `kubernetes`, `cert-manager`, `trust-manager`, `knative`, `operator`."""


class Registry:
    """The resource types a lab serves: those of its components, and those its CustomResourceDefinitions add."""

    def __init__(self, components: Iterable[str] = COMPONENTS) -> None:
        wanted = {"kubernetes", *components}
        self._by_key = {resource.key: resource for resource in TABLE if resource.part_of in wanted}

    def __iter__(self) -> Iterator[Resource]:
        return iter(tuple(self._by_key.values()))

    def add(self, resource: Resource) -> None:
        """Serve one more type; one of the same name is replaced."""
        self._by_key[resource.key] = resource

    def remove(self, resource: Resource) -> None:
        """Serve the type no longer."""
        self._by_key.pop(resource.key, None)

    def by_path(self, group: str, version: str, plural: str) -> Resource | None:
        """The type a request path names; None if there is none."""
        found = self._by_key.get(f"{plural}.{group}" if group else plural)
        return found if found and found.version == version else None

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The type a manifest's `apiVersion` and `kind` name; None if there is none."""
        return next((r for r in self if r.api_version == api_version and r.kind == kind), None)
