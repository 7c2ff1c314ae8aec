"""References to objects, and the few reads every package needs from an object's plain dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kntls.model.kinds import Kind

Object = Mapping[str, Any]
"""A Kubernetes object as the API server sends it; a Secret's keys are already gone (see `kntls.observe`)."""


@dataclass(frozen=True, order=True, slots=True)
class ObjectRef:
    """Which object: kind, namespace (empty for cluster-scoped) and name."""

    kind: Kind
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        """`Secret cert-manager/ca2`, `ClusterIssuer knative-serving-ca-issuer`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def kubectl(self) -> str:
        """The arguments with which kubectl names it: `secrets/ca2 -n cert-manager`."""
        return f"{self.kind.resource}/{self.name}" + (f" -n {self.namespace}" if self.namespace else "")


def dig(obj: Object, *path: str, default: Any = None) -> Any:
    """The value at a path of keys, or `default` where any step is missing or not a mapping."""
    value: Any = obj
    for key in path:
        # Nearly every mapping is a dict, and asking for the abstract one is slow.
        if not isinstance(value, (dict, Mapping)) or key not in value:
            return default
        value = value[key]
    return default if value is None else value


def name_of(obj: Object) -> str:
    """`metadata.name`."""
    return str(dig(obj, "metadata", "name", default=""))


def namespace_of(obj: Object) -> str:
    """`metadata.namespace`, empty for cluster-scoped objects."""
    return str(dig(obj, "metadata", "namespace", default=""))


def labels_of(obj: Object) -> Mapping[str, str]:
    """`metadata.labels`."""
    return dict(dig(obj, "metadata", "labels", default={}))


def annotations_of(obj: Object) -> Mapping[str, str]:
    """`metadata.annotations`."""
    return dict(dig(obj, "metadata", "annotations", default={}))


def condition(obj: Object, kind: str) -> Mapping[str, Any]:
    """The status condition of that type, or an empty mapping."""
    for entry in dig(obj, "status", "conditions", default=[]):
        if entry.get("type") == kind:
            return dict(entry)
    return {}


def is_true(obj: Object, kind: str = "Ready") -> bool:
    """Whether that condition is True."""
    return condition(obj, kind).get("status") == "True"
