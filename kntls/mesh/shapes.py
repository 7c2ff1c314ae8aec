"""The fields kntls reads of objects it does not own, with their types: what is wrong with them before they are read.

Source: the Kubernetes API, istio `manifests/charts/base/files/crd-all.gen.yaml` (1.31), maistra istio-operator
`pkg/apis/maistra/v2`, sail `api/v1/values_types.gen.go`. What `lint` has a rule for is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from kntls.mesh.schema import ANY, BOOLEAN, INTEGER, INTEGER_OR_STRING, STRING, STRINGS, ListOf, MapOf, Part

METADATA = Part(
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=MapOf(STRING),
    annotations=MapOf(STRING),
    creationTimestamp=STRING,
)

_CONTAINER = Part(
    name=STRING,
    command=STRINGS,
    args=STRINGS,
    env=ListOf(Part(name=STRING)),
    ports=ListOf(Part(name=STRING, containerPort=INTEGER)),
)
_POD = Part(
    containers=ListOf(_CONTAINER),
    initContainers=ListOf(_CONTAINER),
    serviceAccountName=STRING,
    hostNetwork=BOOLEAN,
)
_TEMPLATED = Part(spec=Part(template=Part(metadata=METADATA, spec=_POD)))
_SERVICE_PORT = Part(name=STRING, port=INTEGER, targetPort=INTEGER_OR_STRING, appProtocol=STRING)
_SERVICE = Part(spec=Part(selector=MapOf(STRING), type=STRING, ports=ListOf(_SERVICE_PORT)))
_SERVER = Part(
    port=Part(number=INTEGER, name=STRING, protocol=STRING), hosts=STRINGS, tls=Part(mode=STRING, credentialName=STRING)
)
_GATEWAY = Part(spec=Part(selector=MapOf(STRING), servers=ListOf(_SERVER)))

_PROVIDER = Part(name=STRING, envoyExtAuthzHttp=Part(), envoyExtAuthzGrpc=Part())
MESH_CONFIG = Part(
    rootNamespace=STRING,
    trustDomain=STRING,
    trustDomainAliases=STRINGS,
    enableAutoMtls=BOOLEAN,
    pathNormalization=Part(normalization=STRING),
    extensionProviders=ListOf(_PROVIDER),
    meshMTLS=Part(),
    tlsDefaults=Part(),
)
"""`meshConfig`, wherever it stands: an Istio resource, Helm values, the ConfigMap `istio`."""

_SECURITY = Part(
    trust=Part(domain=STRING, additionalDomains=STRINGS),
    dataPlane=Part(mtls=BOOLEAN, automtls=BOOLEAN),
    controlPlane=Part(mtls=BOOLEAN, tls=Part()),
    certificateAuthority=Part(type=STRING),
    identity=Part(type=STRING),
)
_SMCP = Part(spec=Part(version=STRING, security=_SECURITY, techPreview=Part(meshConfig=MESH_CONFIG), proxy=Part()))
_ISTIO = Part(spec=Part(namespace=STRING, version=STRING, values=Part(meshConfig=MESH_CONFIG)))

SHAPES: Mapping[tuple[str, str], Part] = {
    ("", "Pod"): Part(spec=_POD),
    ("", "Service"): _SERVICE,
    ("", "ConfigMap"): Part(data=MapOf(STRING)),
    ("", "Secret"): Part(type=STRING, data=MapOf(STRING), stringData=MapOf(STRING)),
    ("apps", "Deployment"): _TEMPLATED,
    ("apps", "StatefulSet"): _TEMPLATED,
    ("apps", "DaemonSet"): _TEMPLATED,
    ("apps", "ReplicaSet"): _TEMPLATED,
    ("batch", "Job"): _TEMPLATED,
    ("serving.knative.dev", "Service"): _TEMPLATED,
    ("operator.knative.dev", "KnativeServing"): Part(
        spec=Part(ingress=Part(), workloads=ListOf(Part(name=STRING)), deployments=ListOf(Part(name=STRING)))
    ),
    ("networking.istio.io", "Gateway"): _GATEWAY,
    ("maistra.io", "ServiceMeshControlPlane"): _SMCP,
    ("maistra.io", "ServiceMeshMemberRoll"): Part(spec=Part(members=STRINGS)),
    ("maistra.io", "ServiceMeshMember"): Part(spec=Part(controlPlaneRef=Part(name=STRING, namespace=STRING))),
    ("sailoperator.io", "Istio"): _ISTIO,
    ("networking.k8s.io", "Ingress"): Part(spec=Part(rules=ListOf(ANY))),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): Part(webhooks=ListOf(ANY)),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): Part(webhooks=ListOf(ANY)),
    ("cert-manager.io", "Certificate"): Part(spec=Part(secretName=STRING)),
}
"""API group and kind → the shape of what is read of the whole object."""
