"""What we may do, asked of the API server and kept in the observation like everything else that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kntls.cluster.client import Cluster
from kntls.model.kinds import SELF_SUBJECT_ACCESS_REVIEW, Kind
from kntls.model.observation import Observation


@dataclass(frozen=True, order=True)
class Access:
    """One verb on one resource type."""

    verb: str
    kind: Kind
    namespace: str = ""
    """Empty for all namespaces, or for a cluster-scoped kind."""
    subresource: str = ""

    def __str__(self) -> str:
        """`patch configmaps -n knative-serving`, as `kubectl auth can-i` takes it."""
        resource = self.kind.resource + (f"/{self.subresource}" if self.subresource else "")
        if not self.kind.namespaced:
            return f"{self.verb} {resource}"
        return f"{self.verb} {resource} " + (f"-n {self.namespace}" if self.namespace else "-A")


def review(access: Access, allowed: bool) -> dict[str, Any]:
    """The API server's answer as an object of the observation, named like the question."""
    return {
        "apiVersion": SELF_SUBJECT_ACCESS_REVIEW.api_version,
        "kind": SELF_SUBJECT_ACCESS_REVIEW.name,
        "metadata": {"name": str(access)},
        "status": {"allowed": allowed},
    }


def asking(wanted: Callable[[Observation], Iterable[Access]]) -> Callable[[Cluster, Observation], Observation]:
    """A sense for `kntls.observe`: asks about every access that `wanted` names."""

    def look(cluster: Cluster, observation: Observation) -> Observation:
        def ask(access: Access) -> dict[str, Any]:
            return review(access, cluster.can(access.verb, access.kind, access.namespace, access.subresource))

        with ThreadPoolExecutor(8) as pool:
            answers = tuple(pool.map(ask, wanted(observation)))
        return observation.with_objects({SELF_SUBJECT_ACCESS_REVIEW: answers})

    return look
