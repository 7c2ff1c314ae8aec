"""Evidence that takes a request for each piece: definitions of kinds, and log lines where nothing else tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from kntls.cluster.client import Cluster
from kntls.errors import ClusterError, Forbidden
from kntls.model.kinds import CRD, LOG, Kind
from kntls.model.objects import ObjectRef, dig
from kntls.model.observation import Observation, Unread

Sense = Callable[[Cluster, Observation], Observation]


def _with(observation: Observation, kind: Kind, found: Iterable[dict[str, Any]] | None, why: str = "") -> Observation:
    """The observation with that kind seen, or noted as not seen."""
    others = tuple(entry for entry in observation.unread if entry.what != kind.resource)
    if found is None:
        return replace(observation, unread=(*others, Unread(kind.resource, why)))
    return replace(observation.with_objects({kind: tuple(found)}), unread=others)


def definitions(names: Iterable[str]) -> Sense:
    """A sense that sees which of these CRDs exist and since when; of each only the metadata is kept."""

    def look(cluster: Cluster, observation: Observation) -> Observation:
        found = []
        try:
            for name in names:
                obj = cluster.get(ObjectRef(CRD, name))
                if obj is not None:
                    keys = ("name", "creationTimestamp", "uid")
                    metadata = {key: dig(obj, "metadata", key) for key in keys}
                    found.append({"apiVersion": CRD.api_version, "kind": CRD.name, "metadata": metadata})
        except Forbidden as error:
            return _with(observation, CRD, None, error.what)
        return _with(observation, CRD, found)

    return look


def log_lines(pods: Callable[[Observation], Iterable[ObjectRef]], container: str, *, most: int = 20) -> Sense:
    """A sense that reads the last lines of a container's log in the pods that `pods` names, at most so many of them."""

    def look(cluster: Cluster, observation: Observation) -> Observation:
        def read(ref: ObjectRef) -> dict[str, Any]:
            text = cluster.logs(ref.namespace, ref.name, container, tail=500)
            metadata = {"name": ref.name, "namespace": ref.namespace}
            return {"kind": LOG.name, "metadata": metadata, "container": container, "text": text}

        wanted = list(dict.fromkeys(pods(observation)))[:most]
        try:
            with ThreadPoolExecutor(8) as pool:
                return _with(observation, LOG, tuple(pool.map(read, wanted)))
        except ClusterError as error:
            return _with(observation, LOG, None, error.what)

    return look
