"""The kinds of object kntls reads or writes, declared by hand so that no discovery is needed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Kind:
    """One resource type of the API server."""

    name: str
    """What we call it in output and in files' `kind`; `KCert` stands for Knative's own Certificate."""
    group: str
    version: str
    plural: str
    namespaced: bool = True
    kind: str = ""
    """The `kind` in manifests where it differs from `name`."""

    @property
    def api_version(self) -> str:
        """`group/version`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def manifest_kind(self) -> str:
        """The value of a manifest's `kind`."""
        return self.kind or self.name

    @property
    def resource(self) -> str:
        """`plural.group` as kubectl and RBAC know it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def __str__(self) -> str:
        return self.name


NAMESPACE = Kind("Namespace", "", "v1", "namespaces", namespaced=False)
NODE = Kind("Node", "", "v1", "nodes", namespaced=False)
SECRET = Kind("Secret", "", "v1", "secrets")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps")
POD = Kind("Pod", "", "v1", "pods")
SERVICE = Kind("Service", "", "v1", "services")
SERVICE_ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts")
EVENT = Kind("Event", "", "v1", "events")
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices")
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments")
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")
CRD = Kind("CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
SELF_SUBJECT_ACCESS_REVIEW = Kind(
    "SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False
)

CLUSTER_ISSUER = Kind("ClusterIssuer", "cert-manager.io", "v1", "clusterissuers", namespaced=False)
ISSUER = Kind("Issuer", "cert-manager.io", "v1", "issuers")
CERTIFICATE = Kind("Certificate", "cert-manager.io", "v1", "certificates")
CERTIFICATE_REQUEST = Kind("CertificateRequest", "cert-manager.io", "v1", "certificaterequests")
BUNDLE = Kind("Bundle", "trust.cert-manager.io", "v1alpha1", "bundles", namespaced=False)

KCERT = Kind("KCert", "networking.internal.knative.dev", "v1alpha1", "certificates", kind="Certificate")
KINGRESS = Kind("KIngress", "networking.internal.knative.dev", "v1alpha1", "ingresses", kind="Ingress")
KSERVICE = Kind("KService", "serving.knative.dev", "v1", "services", kind="Service")
ROUTE = Kind("Route", "serving.knative.dev", "v1", "routes")
REVISION = Kind("Revision", "serving.knative.dev", "v1", "revisions")
DOMAIN_MAPPING = Kind("DomainMapping", "serving.knative.dev", "v1beta1", "domainmappings")
POD_AUTOSCALER = Kind("PodAutoscaler", "autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers")
SKS = Kind("ServerlessService", "networking.internal.knative.dev", "v1alpha1", "serverlessservices")
KNATIVE_SERVING = Kind("KnativeServing", "operator.knative.dev", "v1beta1", "knativeservings")

AUTHORIZATION_POLICY = Kind("AuthorizationPolicy", "security.istio.io", "v1", "authorizationpolicies")
PEER_AUTHENTICATION = Kind("PeerAuthentication", "security.istio.io", "v1", "peerauthentications")
REQUEST_AUTHENTICATION = Kind("RequestAuthentication", "security.istio.io", "v1", "requestauthentications")
DESTINATION_RULE = Kind("DestinationRule", "networking.istio.io", "v1", "destinationrules")
GATEWAY = Kind("Gateway", "networking.istio.io", "v1", "gateways")
VIRTUAL_SERVICE = Kind("VirtualService", "networking.istio.io", "v1", "virtualservices")
SMCP = Kind("ServiceMeshControlPlane", "maistra.io", "v2", "servicemeshcontrolplanes")
SMMR = Kind("ServiceMeshMemberRoll", "maistra.io", "v1", "servicemeshmemberrolls")
SMM = Kind("ServiceMeshMember", "maistra.io", "v1", "servicemeshmembers")
ISTIO = Kind("Istio", "sailoperator.io", "v1", "istios", namespaced=False)
_ADMISSION = "admissionregistration.k8s.io"
VALIDATING_WEBHOOK = Kind(
    "ValidatingWebhookConfiguration", _ADMISSION, "v1", "validatingwebhookconfigurations", namespaced=False
)
MUTATING_WEBHOOK = Kind(
    "MutatingWebhookConfiguration", _ADMISSION, "v1", "mutatingwebhookconfigurations", namespaced=False
)
STATEFUL_SET = Kind("StatefulSet", "apps", "v1", "statefulsets")
DAEMON_SET = Kind("DaemonSet", "apps", "v1", "daemonsets")
INGRESS = Kind("Ingress", "networking.k8s.io", "v1", "ingresses")
OPENSHIFT_ROUTE = Kind("OpenShiftRoute", "route.openshift.io", "v1", "routes", kind="Route")

ALL: tuple[Kind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))


def by_manifest(api_version: str, kind: str) -> Kind | None:
    """The kind a manifest's `apiVersion` and `kind` name, whatever the version; None if it is not one of ours."""
    group = api_version.rpartition("/")[0]
    return next((known for known in ALL if known.group == group and known.manifest_kind == kind), None)


HANDSHAKES = Kind("handshakes", "", "", "handshakes")
"""Not an object: what servers present. Something that is observed like the others, so it is asked for like them."""
LOG = Kind("logs", "", "", "logs")
"""The last lines of a container's log, as objects `{metadata, container, text}`: evidence where nothing else tells."""
