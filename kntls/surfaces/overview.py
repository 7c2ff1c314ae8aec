"""One screen about everything: what is installed, which surfaces are on and signed by whom, who trusts what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from kntls.certmanager import installation as certmanager
from kntls.certmanager.installation import CertManager
from kntls.certmanager.issuers import kind_of
from kntls.certmanager.leaves import Leaf, leaf_of
from kntls.engine.restore import left_over
from kntls.errors import NotInstalled
from kntls.knative import installation as knative
from kntls.knative.config import issuer_ref, network
from kntls.knative.installation import Flavour, Installation
from kntls.knative.names import CERTIFICATE_TYPE_LABEL, EVENTING, Surface
from kntls.knative.restarts import Owed, restarts_owed
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, KCERT, NAMESPACE, REVISION
from kntls.model.objects import Object, labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.trust.bundles import TrustBundle, bundles, published
from kntls.trust.consumers import EffectiveTrust, consumers, effective_trust

PLAIN = "kubelet probes, PreStop hooks, metrics, and activator to autoscaler"
"""What no surface encrypts."""


@dataclass(frozen=True)
class SurfaceState:
    """One surface."""

    surface: Surface
    on: bool
    issuer: str
    issuer_kind: str
    """`CA`, `ACME`, …, `missing`, or `not looked at`."""
    leaves: tuple[Leaf, ...]

    @property
    def ready(self) -> int:
        """Leaves that cert-manager calls Ready."""
        return sum(leaf.ready for leaf in self.leaves)

    @property
    def first_expiry(self) -> datetime | None:
        """When the first of its leaves expires."""
        return min((leaf.x509.not_after for leaf in self.leaves if leaf.x509), default=None)


@dataclass(frozen=True)
class Overview:
    """Everything `kntls status` shows but the rotation."""

    installation: Installation
    manager: CertManager | None
    surfaces: tuple[SurfaceState, ...]
    trust: tuple[EffectiveTrust, ...]
    unread_bundles: tuple[TrustBundle, ...]
    """Bundles in namespaces that nobody reads."""
    published: tuple[TrustBundle, ...]
    restarts: tuple[Owed, ...]
    external_terminator: str
    """Who terminates TLS for external domains where Knative does not."""
    support: str
    left_over: tuple[str, ...] = ()
    """Temporary changes of a run that was killed."""


def _type(kcert: Object) -> str:
    """A KCert without the label is an external domain's (serving `pkg/reconciler/certificate`)."""
    return labels_of(kcert).get(CERTIFICATE_TYPE_LABEL, Surface.EXTERNAL_DOMAIN.certificate_type)


def _surface(observation: Observation, installation: Installation, surface: Surface) -> SurfaceState:
    reference = issuer_ref(observation, installation.namespace, surface)
    issuer = observation.get(CLUSTER_ISSUER, reference.name)
    kcerts = [obj for obj in observation.all(KCERT) if _type(obj) == surface.certificate_type]
    found = (observation.get(CERTIFICATE, name_of(kcert), namespace_of(kcert)) for kcert in kcerts)
    kind = kind_of(issuer).name if issuer else "missing" if observation.knows(CLUSTER_ISSUER) else "not looked at"
    on = network(observation, installation.namespace).on(surface)
    return SurfaceState(surface, on, reference.name, kind, tuple(leaf_of(observation, obj) for obj in found if obj))


def _terminator(installation: Installation) -> str:
    if installation.flavour == Flavour.OPENSHIFT:
        return "OpenShift's router"
    if installation.layer is not None and not installation.layer.surfaces:
        return f"the {installation.layer.name} gateway"
    return ""


def support_level(installation: Installation) -> str:
    """How far the vendor supports the feature."""
    if installation.flavour == Flavour.OPENSHIFT:
        return "Developer Preview in OpenShift Serverless"
    return "alpha in Knative Serving"


def _unread(observation: Observation, installation: Installation) -> Iterator[TrustBundle]:
    read = {*installation.trust_namespaces, EVENTING}
    return (bundle for bundle in bundles(observation) if bundle.ref.namespace not in read)


def _manager(observation: Observation) -> CertManager | None:
    try:
        return certmanager.detect(observation)
    except NotInstalled:
        return None


def _left_over(observation: Observation) -> Iterator[str]:
    for ref in left_over(observation):
        yield f"{ref} is changed for a time only; `kntls enable` or `disable` goes on and puts it back"


def overview(observation: Observation) -> Overview:
    """Judge an observation. Raises `NotInstalled` where there is no Knative Serving."""
    installation = knative.detect(observation)
    return Overview(
        installation,
        _manager(observation),
        tuple(_surface(observation, installation, surface) for surface in Surface),
        tuple(effective_trust(observation, consumer) for consumer in consumers(installation)),
        tuple(_unread(observation, installation)),
        tuple(published(observation)),
        restarts_owed(observation, installation),
        _terminator(installation),
        support_level(installation),
        tuple(_left_over(observation)),
    )


def within(view: Overview, namespace: str) -> Overview:
    """The same with the leaves and bundles of one namespace only; what the surfaces are set to is the system's."""
    surfaces = (
        replace(state, leaves=tuple(leaf for leaf in state.leaves if leaf.ref.namespace == namespace))
        for state in view.surfaces
    )
    return replace(
        view,
        surfaces=tuple(surfaces),
        unread_bundles=tuple(bundle for bundle in view.unread_bundles if bundle.ref.namespace == namespace),
        published=tuple(bundle for bundle in view.published if bundle.ref.namespace == namespace),
    )


def service_namespaces(observation: Observation) -> tuple[str, ...]:
    """The namespaces with Revisions, sorted."""
    return tuple(sorted({namespace_of(obj) for obj in observation.all(REVISION)}))


def client_namespaces(observation: Observation) -> tuple[str, ...]:
    """Namespaces whose workloads may call cluster-local names: those with Services, and Eventing's."""
    eventing = [EVENTING] if observation.get(NAMESPACE, EVENTING) else []
    return (*service_namespaces(observation), *eventing)
