"""Trust-bundle ConfigMaps in a cluster: whose they are, and what each consumer makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from kntls.knative.names import EVENTING, TRUST_BUNDLE_LABEL
from kntls.model.kinds import BUNDLE, CONFIG_MAP, SECRET
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.pki.bundle import Reading, read_as_activator, read_as_kourier
from kntls.pki.certificate import Certificate

BUNDLE_NAME = "knative-ca-bundle"
"""The ConfigMap kntls keeps in each namespace whose bundles are read."""
BUNDLE_KEY = "knative-ca-bundle.pem"
"""Its only key; Eventing projects all bundles into one directory, so the key's name must be its own."""
PUBLISHED_KEY = "ca.crt"
"""The key of what is published to user workloads."""
PUBLISHED_LABEL = "kntls.dev/published"
OURS = ("app.kubernetes.io/managed-by", "kntls")


class Owner(StrEnum):
    """Who writes a bundle."""

    KNTLS = "kntls"
    TRUST_MANAGER = "trust-manager"
    EVENTING = "Eventing"
    OTHER = "somebody else"


@dataclass(frozen=True)
class TrustBundle:
    """One ConfigMap (or published Secret) with CA certificates."""

    ref: ObjectRef
    owner: Owner
    owner_name: str
    """The trust-manager Bundle or Eventing source it is made from; empty otherwise."""
    data: dict[str, str]
    published: bool
    """Whether it is for user workloads rather than Knative's components."""

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Every certificate in it that parses, however a consumer would judge the rest."""
        found = (cert for text in self.data.values() for cert in readings(text)[0].accepted)
        return tuple(dict.fromkeys(found))

    def key_of(self, anchor: Certificate) -> str:
        """The first key whose value holds that certificate; empty where none does."""
        return next((key for key, text in self.data.items() if anchor in readings(text)[0].accepted), "")


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Reading, Reading]:
    """What the activator and what Kourier make of one value."""
    return read_as_activator(text), read_as_kourier(text)


def _owner(obj: Object) -> tuple[Owner, str]:
    for entry in dig(obj, "metadata", "ownerReferences", default=[]):
        if entry.get("kind") == BUNDLE.name and str(entry.get("apiVersion", "")).startswith(BUNDLE.group):
            return Owner.TRUST_MANAGER, str(entry.get("name"))
    managed_by = labels_of(obj).get(OURS[0])
    if managed_by == OURS[1]:
        return Owner.KNTLS, ""
    copied = any("eventing" in str(entry.get("apiVersion", "")) or entry.get("kind") in ("SinkBinding", "Trigger")
                 for entry in dig(obj, "metadata", "ownerReferences", default=[]))  # fmt: skip
    return (Owner.EVENTING, EVENTING) if copied else (Owner.OTHER, "")


def bundle_of(obj: Object) -> TrustBundle:
    """The bundle in a ConfigMap or published Secret."""
    kind = SECRET if obj.get("kind") == "Secret" else CONFIG_MAP
    owner, owner_name = _owner(obj)
    ref = ObjectRef(kind, name_of(obj), namespace_of(obj))
    published = PUBLISHED_LABEL in labels_of(obj)
    return TrustBundle(ref, owner, owner_name, dict(dig(obj, "data", default={})), published)


def bundles(observation: Observation, namespace: str | None = None) -> Iterator[TrustBundle]:
    """Every ConfigMap with the trust-bundle label, whatever the label's value (Serving looks at its presence)."""
    for obj in observation.all(CONFIG_MAP, namespace=namespace, label=TRUST_BUNDLE_LABEL):
        yield bundle_of(obj)


def published(observation: Observation) -> Iterator[TrustBundle]:
    """What kntls published into user namespaces, as ConfigMap or Secret."""
    for kind in (CONFIG_MAP, SECRET):
        for obj in observation.all(kind, label=PUBLISHED_LABEL):
            yield bundle_of(obj)


def eventing_copies(observation: Observation) -> frozenset[str]:
    """Names of bundles in knative-eventing: same-named ones elsewhere are Eventing's copies."""
    return frozenset(bundle.ref.name for bundle in bundles(observation, EVENTING))
