"""Where a rotation stands, as seen in certificates: which CA signs, which is trusted where, which is to go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from kntls.certmanager.authority import Authority, authority_in, cluster_issuer, secret_of
from kntls.certmanager.installation import CertManager
from kntls.certmanager.installation import detect as detect_cert_manager
from kntls.certmanager.leaves import Leaf, leaves_of, owner_kind
from kntls.certmanager.manifests import RootOptions
from kntls.knative.installation import Installation
from kntls.knative.installation import detect as detect_knative
from kntls.knative.names import ROUTING_CERTIFICATE, USER_CERTIFICATE
from kntls.model.kinds import CLUSTER_ISSUER, SECRET
from kntls.model.objects import Object, ObjectRef, dig, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.pki.certificate import Certificate
from kntls.trust.bundles import BUNDLE_NAME, TrustBundle, bundles, published
from kntls.trust.consumers import consumers, effective_trust

KNATIVE_OWNER = "networking.internal.knative.dev/Certificate"
"""The owner of every Certificate that Knative makes."""
SOAK = 60.0
"""Seconds the new CA lies in the bundles before anything is signed with it."""
GRACE = 90.0
"""Seconds between the last server that presents the new CA and the retirement of the old one: longer than the
queue-proxy's poll (60 s), so that a pod that was starting meanwhile has looked again."""
WINDOW = 20
"""Certificates re-issued at a time."""


@dataclass(frozen=True)
class Target:
    """What was asked for."""

    issuer: str
    new_secret: str
    old_secret: str = ""
    """The CA to retire, where it cannot be told from the cluster alone, and in a rollback."""
    soak: float = SOAK
    grace: float = GRACE
    window: int = WINDOW
    bundle_name: str = BUNDLE_NAME
    adopted: tuple[ObjectRef, ...] = ()
    include: tuple[str, ...] = ()
    """Certificates (`ns/name`) of the issuer that are not Knative's, to be re-issued with the others."""
    accept_foreign: bool = False
    """Leave such Certificates to themselves: they move at their next renewal."""
    started_at: datetime | None = None
    """Failures older than this are tried again; UTC."""
    root: RootOptions = field(default_factory=RootOptions)
    rollback: bool = False

    @property
    def ca(self) -> str:
        """What to call the CA it goes to."""
        return f"CA of Secret {self.new_secret}" if self.rollback else "new CA"


@dataclass(frozen=True)
class Situation:
    """The facts a stage judges by."""

    observation: Observation
    target: Target
    installation: Installation
    manager: CertManager
    issuer: Object
    current: Authority | None
    """The CA the issuer names now."""
    new: Authority | None
    """The CA to rotate to; None while its Secret does not exist."""
    olds: tuple[Authority, ...]
    """The CAs to retire: usually one, none when everything is done."""

    @property
    def new_ref(self) -> ObjectRef:
        """The Secret to rotate to."""
        return ObjectRef(SECRET, self.target.new_secret, self.manager.resource_namespace)

    @property
    def switched(self) -> bool:
        """Whether the issuer names the new Secret."""
        return str(dig(self.issuer, "spec", "ca", "secretName")) == self.target.new_secret

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """What is re-issued, in order: the routing certificate, the namespaces' ones, the Routes', then the rest."""
        own = [leaf for leaf in leaves_of(self.observation, self.target.issuer) if self._is_ours(leaf)]
        return tuple(sorted(own, key=lambda leaf: (phase(leaf), leaf.ref)))

    def _is_ours(self, leaf: Leaf) -> bool:
        return is_knatives(leaf) or f"{leaf.ref.namespace}/{leaf.ref.name}" in self.target.include

    @property
    def foreign(self) -> tuple[Leaf, ...]:
        """Certificates of the issuer that are neither Knative's nor included by name."""
        return tuple(leaf for leaf in leaves_of(self.observation, self.target.issuer) if not self._is_ours(leaf))

    @property
    def published(self) -> tuple[TrustBundle, ...]:
        """What user workloads were given."""
        return tuple(published(self.observation))


def is_knatives(leaf: Leaf) -> bool:
    """Whether Knative made this Certificate (the static routing certificate is owned by its KCert, too)."""
    return owner_kind(leaf.certificate) == KNATIVE_OWNER


def phase(leaf: Leaf) -> int:
    """0 the routing certificate, 1 the namespaces', 2 the Routes', 3 others."""
    order = {ROUTING_CERTIFICATE: 0, USER_CERTIFICATE: 1}
    secret = dig(leaf.certificate, "spec", "secretName", default="")
    return order.get(secret, 2 if is_knatives(leaf) else 3)


def authorities(observation: Observation, namespace: str) -> Iterator[Authority]:
    """Every CA that lies in a Secret of that namespace."""
    for secret in observation.all(SECRET, namespace=namespace):
        found = authority_in(observation, ObjectRef(SECRET, str(dig(secret, "metadata", "name")), namespace_of(secret)))
        if found is not None and found.signer.is_ca:
            yield found


def trusted_anchors(observation: Observation, installation: Installation) -> frozenset[Certificate]:
    """Every certificate some consumer trusts, or that was published to workloads."""
    found: set[Certificate] = set()
    for consumer in consumers(installation):
        found |= set(effective_trust(observation, consumer).roots)
        for bundle in bundles(observation, consumer.namespace):
            found |= set(bundle.certificates)
    for bundle in published(observation):
        found |= set(bundle.certificates)
    return frozenset(found)


def generations(
    observation: Observation, installation: Installation, manager: CertManager, issuer: str
) -> tuple[Authority, ...]:
    """The CAs of this issuer's series: the one it names, those behind its leaves, and those that are merely still
    trusted and that no other issuer names."""
    issuers = observation.all(CLUSTER_ISSUER)
    named = {name_of(other): dig(other, "spec", "ca", "secretName") for other in issuers}
    elsewhere = {secret for name, secret in named.items() if name != issuer}
    trusted = trusted_anchors(observation, installation)
    signers = signing(observation, manager, issuer)
    return tuple(
        ca
        for ca in authorities(observation, manager.resource_namespace)
        if ca.secret.name == named.get(issuer)
        or ca in signers
        or (ca.anchor in trusted and ca.secret.name not in elsewhere)
    )


def signing(observation: Observation, manager: CertManager, issuer: str) -> tuple[Authority, ...]:
    """The CAs whose keys signed the leaves of this issuer."""
    mine = [leaf for leaf in leaves_of(observation, issuer) if leaf.x509]
    every = authorities(observation, manager.resource_namespace)
    return tuple(ca for ca in every if any(leaf.signed_by(ca.signer) for leaf in mine))


def _olds(
    target: Target, signers: tuple[Authority, ...], current: Authority | None,
    found: tuple[Authority, ...],
) -> tuple[Authority, ...]:  # fmt: skip
    """The CAs to retire: named; else the one the issuer still names and those behind leaves; else, when nothing but
    trust is left of it, what the series left in the bundles."""
    others = tuple(ca for ca in found if ca.secret.name != target.new_secret)
    if target.old_secret:
        return tuple(ca for ca in others if ca.secret.name == target.old_secret)
    needed = tuple(ca for ca in others if ca in signers or (current is not None and ca.secret == current.secret))
    return needed or others


@lru_cache(maxsize=8)
def situation(observation: Observation, target: Target) -> Situation:
    """Judge an observation for a target. Raises what detection raises, and `Refused` where the issuer is no CA."""
    installation, manager = detect_knative(observation), detect_cert_manager(observation)
    issuer = cluster_issuer(observation, target.issuer)
    current = authority_in(observation, secret_of(issuer, manager.resource_namespace))
    new = authority_in(observation, ObjectRef(SECRET, target.new_secret, manager.resource_namespace))
    found = generations(observation, installation, manager, target.issuer)
    signers = signing(observation, manager, target.issuer)
    olds = _olds(target, signers, current, found)
    return Situation(observation, target, installation, manager, issuer, current, new, olds)
