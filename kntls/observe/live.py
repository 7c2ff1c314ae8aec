"""An Observation from a cluster: which kinds, in which namespaces, by which selectors, in few requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kntls.cluster.client import Cluster
from kntls.errors import Forbidden, NotFound
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.model.objects import labels_of, name_of, namespace_of
from kntls.model.observation import Observation, Unread
from kntls.observe.slim import slim

EVERYTHING: frozenset[Kind] = frozenset(
    {
        k.NAMESPACE, k.SECRET, k.CONFIG_MAP, k.POD, k.SERVICE, k.ENDPOINT_SLICE, k.DEPLOYMENT, k.CLUSTER_ISSUER,
        k.ISSUER, k.CERTIFICATE, k.CERTIFICATE_REQUEST, k.BUNDLE, k.KCERT, k.KINGRESS, k.ROUTE, k.REVISION,
        k.DOMAIN_MAPPING, k.KNATIVE_SERVING, k.LEASE,
    }
)  # fmt: skip
"""What a full observation holds."""

OURS = "app.kubernetes.io/managed-by=kntls"
KNATIVE = "app.kubernetes.io/name=knative-serving"
BUNDLE_LABEL = "networking.knative.dev/trust-bundle"
SYSTEM_CONFIG_MAPS = (KNATIVE, BUNDLE_LABEL, OURS)
"""ConfigMaps anywhere that matter: Knative's own, trust bundles, and what kntls published."""
PODS = (
    "serving.knative.dev/revision",
    "app.kubernetes.io/part-of=knative-serving",
    KNATIVE,
    "app=activator",
    "app in (3scale-kourier-gateway,net-kourier-controller)",
    "app.kubernetes.io/name=cert-manager",
    "name=knative-operator",
)
SERVICES = (
    "app.kubernetes.io/part-of=knative-serving",
    KNATIVE,
    "networking.knative.dev/ingress-provider",
    "networking.internal.knative.dev/serverlessservice",
)

RECONCILER_LEASES = ("controller.knative.dev.", "knative-operator.knative.dev.")
"""How the Leases of the reconcilers in Knative's controller and operator begin (knative.dev/pkg `leaderelection`)."""

NO_NODES = "metadata.namespace!=kube-node-lease"
"""Every node renews a Lease there; none of them is of interest."""

Sense = Callable[[Cluster, Observation], Observation]
"""Adds what is no object (handshakes) to an observation."""


def _is_known_lease(lease: Mapping[str, Any]) -> bool:
    ours = labels_of(lease).get("app.kubernetes.io/managed-by") == "kntls"
    return ours or name_of(lease).startswith(RECONCILER_LEASES)


Reduce = Callable[[Kind, Mapping[str, Any]], dict[str, Any]]
"""What is kept of an object; it must drop private keys, as `slim` does."""


@dataclass
class Observer:
    """Reads a cluster, and reads again only what is asked for."""

    cluster: Cluster
    secret_namespaces: tuple[str, ...] = ()
    """Namespaces whose Secrets are read whatever their type: a CA's Secret need not be `kubernetes.io/tls`."""
    senses: Mapping[Kind, Sense] = field(default_factory=dict)
    reduce: Reduce = slim
    """What is kept of each object."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def observe(self, kinds: Iterable[Kind] = EVERYTHING, before: Observation | None = None) -> Observation:
        """A fresh observation of these kinds, the others taken from `before`."""
        wanted = [kind for kind in kinds if kind not in self.senses]
        with ThreadPoolExecutor(8) as pool:
            read = dict(zip(wanted, pool.map(self._read, wanted), strict=True))
        base = before or Observation(f"context {self.cluster.name}", self.clock(), live=True)
        objects = {kind: found for kind, (found, _) in read.items() if found is not None}
        unread = [entry for entry in base.unread if entry.what not in {kind.resource for kind in wanted}]
        unread += [Unread(kind.resource, why) for kind, (_, why) in read.items() if why]
        fresh = base.with_objects(objects, self.clock())
        fresh = Observation(fresh.source, fresh.taken_at, fresh.objects, tuple(unread), fresh.presented, live=True)
        for kind in kinds:
            if kind in self.senses:
                fresh = self.senses[kind](self.cluster, fresh)
        return fresh

    def _read(self, kind: Kind) -> tuple[tuple[dict[str, Any], ...] | None, str]:
        try:
            return tuple(self._list(kind)), ""
        except NotFound:
            return (), ""
        except Forbidden as error:
            return None, error.what

    def _list(self, kind: Kind) -> Iterable[dict[str, Any]]:
        if kind == k.SECRET:
            return self._secrets()
        if kind == k.CONFIG_MAP:
            return self._union(kind, SYSTEM_CONFIG_MAPS)
        if kind == k.POD:
            return self._union(kind, PODS)
        if kind in (k.SERVICE, k.ENDPOINT_SLICE):
            return self._union(kind, SERVICES)
        if kind == k.LEASE:
            return [obj for obj in self._every(kind, fields=NO_NODES) if _is_known_lease(obj)]
        return self._every(kind)

    def _union(self, kind: Kind, selectors: Iterable[str]) -> Iterable[dict[str, Any]]:
        found = {}
        for selector in selectors:
            for obj in self._every(kind, selector=selector):
                found[namespace_of(obj), name_of(obj)] = obj
        return found.values()

    def _every(self, kind: Kind, namespace: str = "", **selected: str) -> list[dict[str, Any]]:
        return self.cluster.list(kind, namespace, keep=partial(self.reduce, kind), **selected)

    def _secrets(self) -> Iterable[dict[str, Any]]:
        lists = [self._every(k.SECRET, fields="type=kubernetes.io/tls")]
        lists += [self._every(k.SECRET, selector=selector) for selector in (OURS, BUNDLE_LABEL)]
        lists += [self._every(k.SECRET, space) for space in self.secret_namespaces]
        return {(namespace_of(obj), name_of(obj)): obj for found in lists for obj in found}.values()
