"""Consumers: who verifies certificates, from which namespace's bundles, and how it reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kntls.certmanager.material import material_of
from kntls.knative.installation import Installation
from kntls.knative.names import ROUTING_CERTIFICATE
from kntls.model.kinds import SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.pki import boringssl, chain
from kntls.pki.bundle import Reading, read_as_activator, read_as_kourier, read_first_block
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Verdict
from kntls.trust.bundles import bundles


@dataclass(frozen=True)
class Consumer:
    """Something that verifies."""

    name: str
    """`activator`, `Envoy` (which trusts what net-kourier-controller reads for it)."""
    namespace: str
    """Whose trust bundles it reads."""
    read: Callable[[str], Reading]
    """How it parses one value of a bundle."""
    read_ca_crt: Callable[[str], Reading]
    """How it parses `ca.crt` of `routing-serving-certs`."""
    verify: Callable[..., Verdict] = chain.verify
    """How it judges a leaf: Go's way, or Envoy's, with the same arguments."""


@dataclass(frozen=True)
class Source:
    """Where a piece of effective trust comes from."""

    ref: ObjectRef
    key: str

    def __str__(self) -> str:
        return f"{self.ref} key {self.key}"


@dataclass(frozen=True)
class EffectiveTrust:
    """What a consumer really accepts, where each certificate comes from, and what it passed over."""

    consumer: Consumer
    anchors: dict[Certificate, tuple[Source, ...]] = field(default_factory=dict)
    dropped: tuple[tuple[Source, str], ...] = ()
    """Values it ignores, with its reason."""
    crashes: tuple[Source, ...] = ()
    """Values that make it crash."""

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The certificates alone."""
        return tuple(self.anchors)


def consumers(installation: Installation) -> tuple[Consumer, ...]:
    """Knative's own consumers of this installation."""
    activator = Consumer("activator", installation.namespace, read_as_activator, read_first_block)
    if not installation.ingress_namespace:
        return (activator,)
    kourier = Consumer("Envoy", installation.ingress_namespace, read_as_kourier, read_as_kourier, boringssl.verify)
    return (activator, kourier)


def _values(observation: Observation, consumer: Consumer) -> Iterator[tuple[Source, str, Callable[[str], Reading]]]:
    for bundle in bundles(observation, consumer.namespace):
        for key, text in bundle.data.items():
            yield Source(bundle.ref, key), text, consumer.read
    secret = ObjectRef(SECRET, ROUTING_CERTIFICATE, consumer.namespace)
    found = material_of(observation, secret)
    if found and found.ca_text:
        yield Source(secret, "ca.crt"), found.ca_text, consumer.read_ca_crt


def effective_trust(observation: Observation, consumer: Consumer) -> EffectiveTrust:
    """The bundles of the consumer's namespace and `ca.crt` of its `routing-serving-certs`, as it parses them."""
    anchors: dict[Certificate, tuple[Source, ...]] = {}
    dropped, crashes = [], []
    for source, text, read in _values(observation, consumer):
        if not text:
            continue
        reading = read(text)
        for certificate in reading.accepted:
            anchors[certificate] = (*anchors.get(certificate, ()), source)
        if reading.crashes:
            crashes.append(source)
        elif reading.problem:
            dropped.append((source, reading.problem))
    return EffectiveTrust(consumer, anchors, tuple(dropped), tuple(crashes))
