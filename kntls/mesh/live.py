"""Mesh resources from a cluster, read the same way as those from files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kntls.cluster.client import Cluster
from kntls.errors import Forbidden, NotFound
from kntls.mesh.resources import Resource, Resources, from_objects
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.model.observation import Unread

ISTIO_KINDS: tuple[Kind, ...] = (
    k.AUTHORIZATION_POLICY,
    k.PEER_AUTHENTICATION,
    k.REQUEST_AUTHENTICATION,
    k.DESTINATION_RULE,
    k.GATEWAY,
    k.VIRTUAL_SERVICE,
    k.SMCP,
    k.SMMR,
    k.SMM,
    k.ISTIO,
)
WORKLOAD_KINDS: tuple[Kind, ...] = (
    k.NAMESPACE,
    k.POD,
    k.SERVICE,
    k.DEPLOYMENT,
    k.STATEFUL_SET,
    k.DAEMON_SET,
    k.KSERVICE,
)
ENTRANCE_KINDS: tuple[Kind, ...] = (k.VALIDATING_WEBHOOK, k.MUTATING_WEBHOOK, k.INGRESS, k.OPENSHIFT_ROUTE)
EVERYTHING: tuple[Kind, ...] = (*ISTIO_KINDS, *WORKLOAD_KINDS, *ENTRANCE_KINDS, k.KNATIVE_SERVING)
"""What judgement of a mesh looks at; Secrets are left alone, and reports say so."""


def _list(cluster: Cluster, kind: Kind) -> list[dict[str, Any]]:
    """All objects of a kind, none where it is not installed; Istio before 1.22 (OSSM 2) serves v1beta1 only."""
    istio = kind.group in ("security.istio.io", "networking.istio.io")
    for version in (kind.version, "v1beta1") if istio else (kind.version,):
        try:
            return cluster.list(replace(kind, version=version))
        except NotFound:
            continue
    return []


def read_cluster(cluster: Cluster, kinds: Iterable[Kind] = EVERYTHING) -> tuple[Resources, tuple[Unread, ...]]:
    """Every object of these kinds, and the kinds that may not be listed.

    A resource type that is not installed has no objects; the control plane's ConfigMaps `istio` are always read.
    """
    objects: list[Resource] = []
    unread = [Unread("secrets", "never read from a cluster")]
    for kind in kinds:
        try:
            objects += from_objects(_list(cluster, kind)).objects
        except Forbidden as error:
            unread.append(Unread(kind.resource, error.what))
    try:
        objects += from_objects(cluster.list(k.CONFIG_MAP, fields="metadata.name=istio")).objects
    except Forbidden as error:
        unread.append(Unread(k.CONFIG_MAP.resource, error.what))
    return Resources(tuple(objects)), tuple(unread)
