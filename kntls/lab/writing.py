"""How a write becomes what is stored: what a writer cannot change, what it must have read, what is no change at all.

Functions on objects only; `Store` holds the lock and the objects.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kntls.lab import validation
from kntls.lab.answers import ApiError, Cause, broken_precondition, conflict, forbidden, invalid, no_such_path
from kntls.lab.objects import Object, clone, meta, name_of, namespace_of
from kntls.lab.resources import NAMESPACES, Resource


@dataclass(frozen=True)
class Removal:
    """What a delete request asks for beside the name."""

    uid: str | None = None
    resource_version: str | None = None
    propagation: str = "Background"
    """`Background`, `Foreground` or `Orphan`."""
    grace_seconds: int | None = None


PLAIN = Removal()
"""A delete without options."""


def drop_empty(metadata: dict[str, Any]) -> None:
    """Empty maps and lists in `metadata` are never stored."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name in metadata and not metadata[name]:
            del metadata[name]


def unfitting(resource: Resource, name: str, error: ApiError) -> ApiError:
    """A patch whose result does not decode is invalid; a body that does not, or a webhook's no, a bad request."""
    if error.code != 400 or resource.custom or error.message.startswith("admission webhook "):
        return error
    return invalid(resource, name, [Cause("FieldValueInvalid", f"Invalid value: {error.message}", "patch")])


def suffix() -> str:
    """Five characters as the API server draws them for generateName: no vowels, no look-alikes."""
    return "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))


def owners(obj: Object | None) -> set[str]:
    """The uids of an object's owners."""
    return {reference["uid"] for reference in meta(obj or {}).get("ownerReferences") or ()}


def terminating(resource: Resource, name: str, namespace: str) -> ApiError:
    """403: the namespace is on its way out."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(resource, name, f'{resource} "{name}" is forbidden: {why}')
    causes = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    error.details = {**(error.details or {}), "causes": causes}
    return error


def check_preconditions(resource: Resource, live: Object, removal: Removal) -> None:
    """Raise `ApiError` 409 if a delete is bound to another uid or resourceVersion."""
    uid, version = meta(live)["uid"], meta(live)["resourceVersion"]
    if removal.uid is not None and removal.uid != uid:
        raise broken_precondition(resource, name_of(live), "UID", removal.uid, uid)
    if removal.resource_version is not None and removal.resource_version != version:
        raise broken_precondition(resource, name_of(live), "ResourceVersion", removal.resource_version, version)


IMMORTAL = ("default", "kube-system", "kube-public")
"""Namespaces that the admission plugin NamespaceLifecycle keeps."""


def check_mortal(resource: Resource, name: str) -> None:
    """Raise `ApiError` 403 for the delete of a namespace that every cluster needs."""
    if resource.key == NAMESPACES.key and name in IMMORTAL:
        raise forbidden(resource, name, f'{resource} "{name}" is forbidden: this namespace may not be deleted')


def check_version(resource: Resource, live: Object, new: Object, patched: bool) -> None:
    """The writer must have read what is stored; custom resources are never replaced unread."""
    stated = meta(new).get("resourceVersion")
    if stated and str(stated) != meta(live)["resourceVersion"]:
        raise conflict(resource, name_of(live))
    if not stated and resource.custom and not patched:
        raise validation.version_required(resource, name_of(live))
    uid = meta(new).get("uid")
    if uid and uid != meta(live)["uid"]:
        group = f"{resource.group}/" if resource.custom else ""
        path = "/".join(filter(None, (namespace_of(live), name_of(live))))
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta(live)['uid']}"
        key = f"Key: /registry/{group}{resource.plural}/{path}"
        storage = f"StorageError: invalid object, Code: 4, {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
        raise conflict(resource, name_of(live), storage)


_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def kept_identity(resource: Resource, live: Object, new: Object, subresource: str) -> Object:
    """The new object with what a writer cannot change taken from the live one."""
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    if subresource == "status":
        status = {"status": new["status"]} if "status" in new else {}
        return clone({**{key: value for key, value in live.items() if key != "status"}, **status})  # type: ignore[no-any-return]
    metadata = {key: value for key, value in (new.get("metadata") or {}).items() if key not in _SERVER_OWNED}
    metadata |= {key: meta(live)[key] for key in _SERVER_OWNED if key in meta(live)}
    metadata["resourceVersion"] = meta(live)["resourceVersion"]
    kept = {**new, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}
    if "status" in resource.subresources:
        kept.pop("status", None)
        kept |= {"status": live["status"]} if "status" in live else {}
    return clone(kept)  # type: ignore[no-any-return]


def count_generation(resource: Resource, live: Object, new: Object) -> None:
    """Set the generation: one more if anything but metadata and status differs."""
    if not resource.counts_generations:
        return
    ignored = ("metadata", "status")
    before = {key: value for key, value in live.items() if key not in ignored}
    after = {key: value for key, value in new.items() if key not in ignored}
    new["metadata"]["generation"] = meta(live).get("generation", 1) + (before != after)


def same(live: Object, new: Object) -> bool:
    """Whether nothing but the time of an unchanged field manager would differ."""

    def comparable(obj: Object) -> Iterable[Any]:
        managers = [{**entry, "time": ""} for entry in meta(obj).get("managedFields") or ()]
        metadata = {key: value for key, value in meta(obj).items() if key != "managedFields"}
        return [{**obj, "metadata": metadata}, managers]

    return comparable(live) == comparable(new)
