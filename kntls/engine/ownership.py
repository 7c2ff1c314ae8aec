"""Who else writes an object: field managers, and GitOps controllers that would write it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kntls.model.objects import Object, annotations_of, dig, labels_of

GITOPS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}
"""Labels and annotations by which GitOps controllers track what they write."""


def gitops_owner(obj: Object) -> str:
    """`Argo CD (payments)` or `Flux (infra)`; empty where nobody tracks the object."""
    marks = {**labels_of(obj), **annotations_of(obj)}
    return next((f"{tool} ({marks[mark]})" for mark, tool in GITOPS.items() if mark in marks), "")


def _holds(fields: object, path: tuple[str, ...]) -> bool:
    if not path:
        return True
    return isinstance(fields, dict) and f"f:{path[0]}" in fields and _holds(fields[f"f:{path[0]}"], path[1:])


def managers_of(obj: Object, *path: str) -> Iterator[str]:
    """The field managers that own the field at a path, `kntls` itself left out."""
    for entry in dig(obj, "metadata", "managedFields", default=[]):
        if entry.get("manager") != "kntls" and _holds(entry.get("fieldsV1", {}), path):
            yield str(entry.get("manager"))


def applied_by_us(obj: Object, *path: str) -> frozenset[str]:
    """The keys under a path that `kntls` applied before: leaving one out of the next apply would remove it."""
    found: set[str] = set()
    for entry in dig(obj, "metadata", "managedFields", default=[]):
        if entry.get("manager") == "kntls" and entry.get("operation") == "Apply":
            fields = dig(entry, "fieldsV1", *(f"f:{step}" for step in path), default={})
            found |= {key.removeprefix("f:") for key in fields if key.startswith("f:")}
    return frozenset(found)


def changed_at(obj: Object, *path: str, by: str = "") -> datetime | None:
    """When an owner of the field at a path (or just the manager `by`) last changed the object; None where unknown.

    UTC, whole seconds.
    """
    times = [
        str(entry["time"])
        for entry in dig(obj, "metadata", "managedFields", default=[])
        if entry.get("time") and by in ("", entry.get("manager")) and _holds(entry.get("fieldsV1", {}), path)
    ]
    return datetime.strptime(max(times), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if times else None
