"""What the API server does for each verb: from a request to the store and back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from kntls.lab import schemata, selectors
from kntls.lab.answers import (
    ApiError,
    Cause,
    bad_request,
    expired,
    invalid,
    method_not_allowed,
    no_such_path,
    unsupported_media,
)
from kntls.lab.api import options, tables
from kntls.lab.api.access import User
from kntls.lab.api.messages import PATCHES, Request, Response, Target, decode, decode_object
from kntls.lab.objects import Object, meta, name_of, namespace_of
from kntls.lab.resources import NAMESPACES, SERVICE_ACCOUNTS, Resource
from kntls.lab.store import Store, Writer

RETURNED = (
    "pods",
    "namespaces",
    "serviceaccounts",
    "services",
    "resourcequotas",
    "persistentvolumeclaims",
    "customresourcedefinitions.apiextensions.k8s.io",
)
"""Types whose delete answers with the object where others answer with a Status."""


@dataclass(frozen=True)
class Call:
    """One request on its way: what it names, who asks."""

    store: Store
    request: Request
    target: Target
    user: User

    @property
    def resource(self) -> Resource:
        """The type it is about."""
        return self.target.resource

    def writer(self, *, dry_run: bool = False) -> Writer:
        """Who writes, for the store."""
        dry = dry_run or "All" in self.request.query.get("dryRun", ())
        return Writer(self.request.manager, self.user.name, self.user.groups, dry)


# ---- reading


def _accepts(request: Request, kind: str) -> bool:
    return f"as={kind}" in request.headers.get("accept", "")


def present(call: Call, obj: Object) -> Object:
    """One object as the client wants it: whole, as a Table, or its metadata."""
    if _accepts(call.request, "Table"):
        head = {"resourceVersion": meta(obj).get("resourceVersion", "")}
        include = call.request.param("includeObject", "Metadata")
        return tables.table(call.resource, call.store.shapes, [obj], head, include)
    if _accepts(call.request, "PartialObjectMetadata"):
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return obj


def get(call: Call) -> Response:
    """One object."""
    found = call.store.peek(call.resource, call.target.namespace, call.target.name)
    return Response(present(call, found))


def selector(call: Call) -> selectors.Predicate | None:
    """The request's label and field selectors."""
    return selectors.predicate(call.resource, call.request.param("labelSelector"), call.request.param("fieldSelector"))


def list_all(call: Call, *, gone: bool = False) -> Response:
    """A collection, in pages if asked; `gone` answers continued lists with 410."""
    chosen = selector(call)
    items, version = call.store.list(call.resource, call.target.namespace or None, chosen)
    items, head = _page(call.request, items, version, filtered=chosen is not None, gone=gone)
    if _accepts(call.request, "Table"):
        include = call.request.param("includeObject", "Metadata")
        return Response(tables.table(call.resource, call.store.shapes, items, head, include))
    if _accepts(call.request, "PartialObjectMetadataList"):
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        metadata_only = [{**partial, "metadata": obj["metadata"]} for obj in items]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return Response({**kind, "metadata": head, "items": metadata_only})
    kind = {"kind": f"{call.resource.kind}List", "apiVersion": call.resource.api_version}
    if call.resource.custom:
        head.setdefault("continue", "")
    if not call.resource.custom:
        items = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in items]
    return Response({**kind, "metadata": head, "items": items})


def _page(
    request: Request, items: list[Object], version: str, *, filtered: bool, gone: bool
) -> tuple[list[Object], dict[str, Any]]:
    """The part of a list that `limit` and `continue` ask for, and the list's metadata."""
    token, limit = request.param("continue"), request.param("limit")
    if limit and not limit.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
    if token:
        start, version = _continued(token, gone)
        items = [obj for obj in items if [namespace_of(obj), name_of(obj)] > start]
    head: dict[str, Any] = {"resourceVersion": version}
    count = int(limit or 0)
    if count and len(items) > count:
        last = items[count - 1]
        state = {"v": version, "start": [namespace_of(last), name_of(last)]}
        head["continue"] = base64.urlsafe_b64encode(json.dumps(state).encode()).decode()
        head |= {} if filtered else {"remainingItemCount": len(items) - count}
        items = items[:count]
    return items, head


def _continued(token: str, gone: bool) -> tuple[list[str], str]:
    if gone:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter."
        )
    try:
        state = json.loads(base64.urlsafe_b64decode(token))
        return list(state["start"]), str(state["v"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: illegal base64 data") from error


# ---- writing


def _screened(call: Call, obj: Object) -> dict[str, str]:
    """Drop what the schema does not know, as `fieldValidation` says; the warnings as headers."""
    level = call.request.param("fieldValidation", "Warn")
    unknown = schemata.prune(obj, call.store.shape(call.resource))
    if not unknown or level == "Ignore":
        return {}
    complaints = [f'unknown field "{path}"' for path in unknown]
    if level == "Strict":
        kind = call.resource.kind
        raise bad_request(
            f'{kind} in version "{call.resource.version}" cannot be handled as a {kind}: '
            f"strict decoding error: {', '.join(complaints)}"
        )
    quoted = (complaint.replace('"', '\\"') for complaint in complaints)
    return {"Warning": ", ".join(f'299 - "{complaint}"' for complaint in quoted)}


def create(call: Call) -> Response:
    """POST on a collection."""
    obj = decode_object(call.request, call.target)
    headers = _screened(call, obj)
    if meta(obj).get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    stored = call.store.create(call.resource, obj, call.writer())
    return Response(present(call, stored), 201, headers=headers)


def update(call: Call) -> Response:
    """PUT on an object or its status."""
    obj = decode_object(call.request, call.target)
    headers = _screened(call, obj)
    stored = call.store.update(call.resource, obj, call.target.subresource, call.writer())
    return Response(present(call, stored), headers=headers)


def patch(call: Call) -> Response:
    """PATCH on an object or its status."""
    kind = PATCHES.get(call.request.content_type)
    if kind is None:
        known = ", ".join(PATCHES if not call.resource.custom else [t for t in PATCHES if "strategic" not in t])
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: " + known
        )
    body = decode(call.request)
    if kind == "apply":
        return _apply(call, body)
    if not isinstance(body, list if kind == "json" else dict):
        raise bad_request(f"error decoding patch: unexpected {type(body).__name__}")
    where = call.target
    stored = call.store.patch(call.resource, where.namespace, where.name, body, kind, where.subresource, call.writer())
    return Response(present(call, stored))


def _apply(call: Call, body: Any) -> Response:
    if not call.request.param("fieldManager"):
        options = Resource("meta.k8s.io", "v1", "", "PatchOptions")
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
        raise invalid(options, "", [cause])
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: not an object")
    where = call.target
    obj = decode_object(Request("PATCH", call.request.path, headers={}, body=json.dumps(body).encode()), where)
    if not body.get("apiVersion") or not body.get("kind"):
        raise bad_request("invalid object type: /, Kind=")
    headers = _screened(call, obj) if call.resource.custom else _declared(call, obj)
    stored, created = call.store.apply(
        call.resource,
        where.namespace,
        where.name,
        obj,
        call.writer(),
        force=call.request.flag("force"),
        subresource=where.subresource,
    )
    return Response(present(call, stored), 201 if created else 200, headers=headers)


def _declared(call: Call, obj: Object) -> dict[str, str]:
    """An apply of a built-in type may state only what its schema declares; raises `ApiError` 500 otherwise."""
    shape = call.store.shape(call.resource)
    resource = call.resource
    what = f"{call.target.namespace}/{name_of(obj)}; {resource.group}/{resource.version}, Kind={resource.kind}"
    schemata.check_typed(obj, shape, call.resource, what)
    unknown = schemata.prune(obj, shape)
    if unknown:
        why = f"failed to create typed patch object ({what}): .{unknown[0]}: field not declared in schema"
        raise ApiError(500, "", why)
    return {}


def delete(call: Call) -> Response:
    """DELETE of one object."""
    where, body = call.target, decode(call.request)
    removal = options.removal(body, call.request)
    writer = call.writer(dry_run="All" in (body.get("dryRun") or ()))
    last, gone = call.store.delete(call.resource, where.namespace, where.name, removal, writer)
    if not gone or call.resource.key in RETURNED:
        return Response(present(call, last))
    group = {"group": call.resource.group} if call.resource.group else {}
    details = {"name": where.name, **group, "kind": call.resource.plural, "uid": meta(last)["uid"]}
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return Response(success)


def delete_all(call: Call) -> Response:
    """DELETE of a collection; answers with what it was."""
    if call.resource.key == NAMESPACES.key:
        raise method_not_allowed()
    body = decode(call.request)
    removal = options.removal(body, call.request)
    writer = call.writer(dry_run="All" in (body.get("dryRun") or ()))
    listed = list_all(call)
    items, _ = call.store.list(call.resource, call.target.namespace or None, selector(call))
    for obj in items:
        call.store.delete(call.resource, namespace_of(obj), name_of(obj), removal, writer)
    return listed


# ---- subresources


def _scale_of(obj: Object) -> Object:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    keys = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta(obj)[key] for key in keys},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def scale(call: Call) -> Response:
    """GET, PUT and PATCH of `scale`."""
    from kntls.lab import patches

    where = call.target
    live = call.store.peek(call.resource, where.namespace, where.name)
    if where.verb == "get":
        return Response(_scale_of(live))
    body = decode(call.request)
    if where.verb == "patch":
        is_list = isinstance(body, list)
        body = patches.json_patch(_scale_of(live), body) if is_list else patches.merge(_scale_of(live), body)
    replicas = (body.get("spec") or {}).get("replicas", 0)
    version = meta(body).get("resourceVersion")
    change = {"metadata": {"resourceVersion": version} if version else {}, "spec": {"replicas": replicas}}
    stored = call.store.patch(call.resource, where.namespace, where.name, change, writer=call.writer())
    return Response(_scale_of(stored))


def finalize(call: Call) -> Response:
    """PUT of a namespace's `finalize`: the lab's namespaces have no finalizers of their own."""
    return Response(call.store.get(call.resource, "", call.target.name))


def evict(call: Call) -> Response:
    """POST of a pod's `eviction`: a delete."""
    call.store.delete(call.resource, call.target.namespace, call.target.name, writer=call.writer())
    return Response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)


VERBS = {
    "get": get,
    "list": list_all,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_all,
}
"""Verb → what answers it for an object or a collection."""


def _known(where: Target) -> bool:
    """Whether an object, a collection or a status takes the verb."""
    if where.subresource:
        return where.verb in ("get", "update", "patch")
    if bool(where.name) != (where.verb in ("get", "update", "patch", "delete")):
        return False
    return where.verb in where.resource.verbs and where.verb in VERBS


def perform(call: Call) -> Response:
    """Answer a request for an object, a collection, `status` or a subresource that is an object of its own.

    Raises `ApiError` as the store does, 404 for unknown subresources, 405 for verbs a resource does not know.
    """
    where = call.target
    if where.subresource and where.subresource not in where.resource.subresources:
        raise no_such_path()
    if where.subresource in ("", "status"):
        if not _known(where):
            raise method_not_allowed()
        return VERBS[where.verb](call)
    special = {"scale": scale, "finalize": finalize, "eviction": evict}
    if where.subresource not in special:
        raise method_not_allowed()
    return special[where.subresource](call)


__all__ = ["SERVICE_ACCOUNTS", "ApiError", "Call", "perform", "present", "selector"]
