"""What must be seen before the next step: rolled out, drained, switched over; pure, with names for the wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kntls.certmanager.material import material_of
from kntls.knative.installation import Installation
from kntls.knative.names import ACTIVATOR, REVISION_LABEL, ROUTE_LABEL
from kntls.knative.servers import servers
from kntls.model.kinds import DEPLOYMENT, ENDPOINT_SLICE, KINGRESS, POD, REVISION, ROUTE, SERVICE
from kntls.model.objects import (
    Object,
    ObjectRef,
    annotations_of,
    condition,
    dig,
    is_true,
    labels_of,
    name_of,
    namespace_of,
)
from kntls.model.observation import Observation
from kntls.model.plan import Progress
from kntls.pki.certificate import Certificate

CERTIFICATE_VOLUME = "server-certs"
"""The volume by which a queue-proxy gets its certificate (serving `pkg/reconciler/revision/resources/deploy.go`)."""
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SERVICE_TYPE_LABEL = "networking.internal.knative.dev/serviceType"
PLAIN_PORT, TLS_PORT = 80, 443
"""Ports of a KIngress's splits: what Envoy dials behind a Route (serving `pkg/reconciler/route/resources`)."""
VISIBILITY_LABEL = "networking.knative.dev/visibility"
NO_EXTERNAL_TLS = (
    "networking.knative.dev/disable-external-domain-tls",
    "networking.knative.dev/disable-auto-tls",
    "networking.knative.dev/disableAutoTLS",
)


def _label(obj: Object) -> str:
    return f"{namespace_of(obj)}/{name_of(obj)}"


def rolled_out(deployment: Object) -> bool:
    """Whether every replica is of the present template and available, and no other one is left."""
    wanted = int(dig(deployment, "spec", "replicas", default=1))
    status = dig(deployment, "status", default={})
    counts = [int(status.get(key) or 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    seen = int(status.get("observedGeneration") or 0) >= int(dig(deployment, "metadata", "generation", default=0))
    return seen and counts == [wanted] * 3


def rollout(observation: Observation, ref: ObjectRef) -> Progress:
    """Whether one Deployment is rolled out."""
    found = observation.find(ref)
    return Progress.of({f"{ref} rolled out": found is not None and rolled_out(found)})


def ailing(observation: Observation) -> frozenset[tuple[str, str]]:
    """Revisions (namespace, name) whose own container fails: nobody can wait for those."""
    every = observation.all(REVISION)
    return frozenset(
        (namespace_of(obj), name_of(obj))
        for obj in every
        if condition(obj, "ContainerHealthy").get("status") == "False"
    )


def revision_deployments(observation: Observation) -> Iterator[Object]:
    """The Deployments of Revisions whose container is not failing by itself."""
    sick = ailing(observation)
    for obj in observation.all(DEPLOYMENT, label=REVISION_LABEL):
        if (namespace_of(obj), labels_of(obj)[REVISION_LABEL]) not in sick:
            yield obj


def has_certificate(deployment: Object) -> bool:
    """Whether its template mounts the queue-proxy's certificate."""
    volumes = dig(deployment, "spec", "template", "spec", "volumes", default=[])
    return any(volume.get("name") == CERTIFICATE_VOLUME for volume in volumes)


def templates(observation: Observation, *, encrypted: bool) -> Progress:
    """Whether every Revision's template is of that mode."""
    found = revision_deployments(observation)
    return Progress.of({f"Revision {_label(obj)}": has_certificate(obj) == encrypted for obj in found})


def revisions_rolled(observation: Observation, *, encrypted: bool) -> Progress:
    """Whether every Revision's pods are of that mode."""
    found = revision_deployments(observation)
    return Progress.of(
        {f"Revision {_label(obj)}": has_certificate(obj) == encrypted and rolled_out(obj) for obj in found}
    )


def _is_live(pod: Object) -> bool:
    return is_true(pod) and not dig(pod, "metadata", "deletionTimestamp")


def _addresses(pods: Iterator[Object]) -> set[str]:
    return {str(dig(pod, "status", "podIP")) for pod in pods if _is_live(pod)}


def _ready_addresses(observation: Observation) -> dict[tuple[str, str], set[str]]:
    """(namespace, Service) → addresses that its EndpointSlices call ready."""
    found: dict[tuple[str, str], set[str]] = {}
    for obj in observation.all(ENDPOINT_SLICE, label=SERVICE_NAME_LABEL):
        addresses = found.setdefault((namespace_of(obj), labels_of(obj)[SERVICE_NAME_LABEL]), set())
        for endpoint in dig(obj, "endpoints", default=[]):
            if dig(endpoint, "conditions", "ready", default=True):
                addresses.update(endpoint.get("addresses", []))
    return found


def activators(observation: Observation, installation: Installation) -> Iterator[Object]:
    """The activator's pods, ending ones too."""
    every = observation.all(POD, namespace=installation.namespace)
    return (pod for pod in every if labels_of(pod).get("app") == ACTIVATOR)


def endpoints_current(observation: Observation, installation: Installation) -> Progress:
    """Whether what Envoy is sent to behind each Revision are live activators or live pods only."""
    live = _addresses(activators(observation, installation)) | _addresses(observation.all(POD, label=REVISION_LABEL))
    ready, sick = _ready_addresses(observation), ailing(observation)
    public = [obj for obj in observation.all(SERVICE) if labels_of(obj).get(SERVICE_TYPE_LABEL) == "Public"]
    wanted = {}
    for obj in public:
        if (namespace_of(obj), labels_of(obj).get(REVISION_LABEL, name_of(obj))) not in sick:
            found = ready.get((namespace_of(obj), name_of(obj)), set())
            wanted[f"endpoints of Service {_label(obj)}"] = bool(found) and found <= live
    return Progress.of(wanted)


def no_ending_activator(observation: Observation, installation: Installation) -> Progress:
    """Whether no activator is left that is only draining."""
    ending = [pod for pod in activators(observation, installation) if dig(pod, "metadata", "deletionTimestamp")]
    return Progress.of({f"the end of Pod {_label(pod)}": False for pod in ending})


def kingresses(observation: Observation, installation: Installation) -> Iterator[Object]:
    """The KIngresses of Routes that this installation's ingress layer serves."""
    for obj in observation.all(KINGRESS, label=ROUTE_LABEL):
        chosen = annotations_of(obj).get("networking.knative.dev/ingress.class", installation.ingress_class)
        if chosen == installation.ingress_class:
            yield obj


def _ports(kingress: Object) -> set[int]:
    paths = [path for rule in dig(kingress, "spec", "rules", default=[]) for path in dig(rule, "http", "paths")]
    ports = {split.get("servicePort") for path in paths for split in path.get("splits", [])}
    return ports & {PLAIN_PORT, TLS_PORT}


def ports(observation: Observation, installation: Installation, port: int) -> Progress:
    """Whether every KIngress sends Envoy to that port, 80 or 443."""
    found = kingresses(observation, installation)
    return Progress.of({f"KIngress {_label(obj)} at port {port}": _ports(obj) <= {port} for obj in found})


def ingresses_ready(observation: Observation, installation: Installation) -> Progress:
    """Whether every KIngress is Ready in its present generation: Kourier has probed Envoy with it."""
    found = kingresses(observation, installation)
    return Progress.of({f"KIngress {_label(obj)} Ready": _is_ready(obj) for obj in found})


def _is_ready(kingress: Object) -> bool:
    seen = int(dig(kingress, "status", "observedGeneration", default=0))
    return is_true(kingress) and seen >= int(dig(kingress, "metadata", "generation", default=0))


def _serving_routes(observation: Observation) -> Iterator[Object]:
    """Routes that have somewhere to send requests: the others have no address for reasons of their own."""
    return (obj for obj in observation.all(ROUTE) if is_true(obj, "AllTrafficAssigned"))


def local_addresses(observation: Observation, scheme: str) -> Progress:
    """Whether every Route's cluster-local address has that scheme."""
    found = {_label(obj): str(dig(obj, "status", "address", "url", default="")) for obj in _serving_routes(observation)}
    return Progress.of({f"Route {name} with {scheme}": url.startswith(f"{scheme}:") for name, url in found.items()})


def external_addresses(observation: Observation, scheme: str) -> Progress:
    """Whether every public Route's URL has that scheme, those left out that opted out by annotation."""
    found = [obj for obj in _serving_routes(observation) if _is_external(obj)]
    urls = {_label(obj): str(dig(obj, "status", "url", default="")) for obj in found}
    return Progress.of({f"Route {name} with {scheme}": url.startswith(f"{scheme}:") for name, url in urls.items()})


def _is_external(route: Object) -> bool:
    """Whether its URL is public: neither labelled cluster-local nor under the cluster's own domain."""
    opted_out = any(annotations_of(route).get(key, "").lower() == "true" for key in NO_EXTERNAL_TLS)
    private = labels_of(route).get(VISIBILITY_LABEL) == "cluster-local"
    inside = f".{namespace_of(route)}.svc." in str(dig(route, "status", "url", default=""))
    return not (opted_out or private or inside)


def serving_leaves(observation: Observation, installation: Installation) -> Progress:
    """Whether every server was seen to present the leaf that lies in its Secret."""
    shown = {(entry.server, entry.role, entry.server_name): entry.chain for entry in observation.presented}
    wanted = {}
    for server in servers(observation, installation):
        found = material_of(observation, server.secret)
        chain = shown.get((server.pod, server.role, server.server_name), ())
        name = f"{server.role} {server.pod.namespace}/{server.pod.name} ({server.server_name})"
        wanted[name] = bool(chain and found and found.leaf == Certificate.from_der(chain[0]))
    return Progress.of(wanted)


def younger_than(pods: Iterable[Object], moment: str) -> bool:
    """Whether all of these pods were made at that moment or later (RFC 3339, seconds, UTC)."""
    return all(str(dig(pod, "metadata", "creationTimestamp", default=""))[:19] >= moment[:19] for pod in pods)
