"""Who presents a certificate: the ready pods of activator, queue-proxy and gateway, and how to greet each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kntls.knative.config import network
from kntls.knative.installation import Installation
from kntls.knative.names import (
    ACTIVATOR,
    CERTIFICATE_TYPE_LABEL,
    DATA_PORT,
    GATEWAY,
    GATEWAY_EXTERNAL_PORT,
    GATEWAY_LOCAL_PORT,
    REVISION_LABEL,
    ROUTING_CERTIFICATE,
    ROUTING_SAN,
    USER_CERTIFICATE,
    Surface,
    user_san,
)
from kntls.model.kinds import KCERT, POD, SECRET
from kntls.model.objects import Object, ObjectRef, dig, is_true, labels_of, name_of, namespace_of
from kntls.model.observation import Observation


@dataclass(frozen=True)
class Server:
    """One listener of one pod."""

    pod: ObjectRef
    role: str
    """`activator`, `queue-proxy` or `gateway`."""
    ip: str
    port: int
    server_name: str
    """The SNI to send, also the name its leaf must be valid for."""
    secret: ObjectRef
    """The Secret it presents."""


def _ready(pod: Object) -> bool:
    return is_true(pod) and not dig(pod, "metadata", "deletionTimestamp") and bool(dig(pod, "status", "podIP"))


def _server(pod: Object, role: str, port: int, name: str, secret: ObjectRef) -> Server:
    ref = ObjectRef(POD, name_of(pod), namespace_of(pod))
    return Server(ref, role, str(dig(pod, "status", "podIP")), port, name, secret)


def _activators(observation: Observation, installation: Installation) -> Iterator[Server]:
    secret = ObjectRef(SECRET, ROUTING_CERTIFICATE, installation.namespace)
    for pod in observation.all(POD, namespace=installation.namespace):
        if labels_of(pod).get("app") == ACTIVATOR and _ready(pod):
            yield _server(pod, "activator", DATA_PORT, ROUTING_SAN, secret)


def _queue_proxies(observation: Observation) -> Iterator[Server]:
    for pod in observation.all(POD, label=REVISION_LABEL):
        if _ready(pod):
            space = namespace_of(pod)
            secret = ObjectRef(SECRET, USER_CERTIFICATE, space)
            yield _server(pod, "queue-proxy", DATA_PORT, user_san(space), secret)


def _certificates(observation: Observation, surface: Surface) -> list[Object]:
    labelled = ((obj, labels_of(obj).get(CERTIFICATE_TYPE_LABEL)) for obj in observation.all(KCERT))
    return [obj for obj, kind in labelled if kind == surface.certificate_type]


def local_certificates(observation: Observation) -> list[Object]:
    """The cluster-local KCerts."""
    return _certificates(observation, Surface.CLUSTER_LOCAL)


def external_certificates(observation: Observation) -> list[Object]:
    """The KCerts of external domains; wildcards left out, because only a Route's name can be asked for."""
    every = _certificates(observation, Surface.EXTERNAL_DOMAIN)
    return [obj for obj in every if not any(name.startswith("*") for name in dig(obj, "spec", "dnsNames", default=[]))]


def _gateways(
    observation: Observation, installation: Installation, kcerts: list[Object], port: int
) -> Iterator[Server]:
    pods = [
        pod
        for pod in observation.all(POD, namespace=installation.gateway_namespace)
        if labels_of(pod).get("app") == GATEWAY and _ready(pod)
    ]
    for kcert in kcerts:
        hosts = sorted(dig(kcert, "spec", "dnsNames", default=[]), key=len)
        secret = ObjectRef(SECRET, str(dig(kcert, "spec", "secretName", default=name_of(kcert))), namespace_of(kcert))
        for pod in pods:
            yield _server(pod, "gateway", port, hosts[-1], secret)


def silent(observation: Observation, installation: Installation) -> tuple[Server, ...]:
    """Listeners that should not be there: an activator that answers on its TLS port while system-internal encryption
    is off was not restarted since. None where no activator can ever have had a certificate."""
    secret = observation.get(SECRET, ROUTING_CERTIFICATE, installation.namespace)
    if secret is None or network(observation, installation.namespace).on(Surface.SYSTEM_INTERNAL):
        return ()
    return tuple(_activators(observation, installation))


def servers(observation: Observation, installation: Installation) -> tuple[Server, ...]:
    """Every listener that should present a certificate now, given the surfaces that are on."""
    settings = network(observation, installation.namespace)
    found: list[Server] = []
    if settings.on(Surface.SYSTEM_INTERNAL):
        found += [*_activators(observation, installation), *_queue_proxies(observation)]
    if settings.on(Surface.CLUSTER_LOCAL) and installation.gateway_namespace:
        found += _gateways(observation, installation, local_certificates(observation), GATEWAY_LOCAL_PORT)
    if settings.on(Surface.EXTERNAL_DOMAIN) and installation.gateway_namespace:
        found += _gateways(observation, installation, external_certificates(observation), GATEWAY_EXTERNAL_PORT)
    return tuple(found)
