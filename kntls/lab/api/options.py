"""The options beside a request: those of its query, and those in a delete's body.

Sources: k8s.io/apimachinery, pkg/apis/meta/v1/validation and pkg/apis/meta/internalversion/validation;
k8s.io/apiserver, pkg/storage/errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kntls.lab import schemata
from kntls.lab.answers import ApiError, Cause, bad_request, invalid
from kntls.lab.api.messages import PATCHES, Request, Target
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shape
from kntls.lab.writing import Removal

_KINDS = {
    "create": "CreateOptions",
    "update": "UpdateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
    "deletecollection": "DeleteOptions",
    "list": "ListOptions",
}
_VALIDATION = ("", "Ignore", "Strict", "Warn")
_MATCHES = ("Exact", "NotOlderThan", "")
_POLICIES = ("Background", "Foreground", "Orphan")
_MANAGER_BYTES = 128
_TEXT, _TEXTS, _NUMBER = {"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "integer"}
_DELETE = Shape(
    {
        "type": "object",
        "properties": {
            "dryRun": _TEXTS,
            "gracePeriodSeconds": _NUMBER,
            "orphanDependents": {"type": "boolean"},
            "preconditions": {"type": "object", "properties": {"uid": _TEXT, "resourceVersion": _TEXT}},
            "propagationPolicy": _TEXT,
        },
    },
    {},
)


def _about(verb: str) -> Resource:
    return Resource("meta.k8s.io", "v1", "", _KINDS[verb])


def check(request: Request, where: Target, version: str) -> None:
    """Refuse options that do not exist; `version` is the newest resourceVersion.

    Raises `ApiError` 422 for a value an option does not take, 400 for a resourceVersion that is none, 504 for one that
    is still to come.
    """
    causes = list(_causes(request, where))
    if causes:
        raise invalid(_about(where.verb), "", causes)
    if where.verb in ("get", "list"):
        _check_version(request.param("resourceVersion"), version)


def _causes(request: Request, where: Target) -> Iterator[Cause]:
    if where.verb == "list":
        yield from _matching(request)
    elif where.verb in _KINDS:
        yield from _dry_run(request.query.get("dryRun", ()))
    if where.verb in ("create", "update", "patch"):
        yield from _writing(request)
    if where.verb == "patch" and request.param("force") and PATCHES.get(request.content_type) != "apply":
        yield Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")


def _unsupported(field: str, value: str, known: tuple[str, ...]) -> Cause:
    values = ", ".join(f'"{one}"' for one in known)
    return Cause("FieldValueNotSupported", f"Unsupported value: {value}: supported values: {values}", field)


def _dry_run(values: Any) -> Iterator[Cause]:
    if any(value not in ("", "All") for value in values):
        listed = ", ".join(f'"{value}"' for value in values)
        yield _unsupported("dryRun", f"[]string{{{listed}}}", ("All",))


def _writing(request: Request) -> Iterator[Cause]:
    level, manager = request.param("fieldValidation"), request.param("fieldManager")
    if level not in _VALIDATION:
        yield _unsupported("fieldValidation", f'"{level}"', _VALIDATION)
    if len(manager.encode()) > _MANAGER_BYTES:
        why = f"Too long: may not be more than {_MANAGER_BYTES} bytes"
        yield Cause("FieldValueTooLong", why, "fieldManager")


def _matching(request: Request) -> Iterator[Cause]:
    match, version = request.param("resourceVersionMatch"), request.param("resourceVersion")
    if not match:
        return
    forbidden = ""
    if request.param("continue"):
        forbidden = "resourceVersionMatch is forbidden when continue is provided"
    elif not version:
        forbidden = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif (match, version) == ("Exact", "0"):
        forbidden = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if forbidden:
        yield Cause("FieldValueForbidden", f"Forbidden: {forbidden}", "resourceVersionMatch")
    if match not in _MATCHES:
        yield _unsupported("resourceVersionMatch", f'"{match}"', _MATCHES)


def _check_version(asked: str, version: str) -> None:
    if not asked:
        return
    if not asked.isdigit():
        raise bad_request(f'invalid resource version: strconv.ParseUint: parsing "{asked}": invalid syntax')
    if int(asked) > int(version):
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        why = f"Too large resource version: {asked}, current: {version}"
        raise ApiError(504, "Timeout", why, {"causes": [cause], "retryAfterSeconds": 1})


def removal(body: Any, request: Request) -> Removal:
    """What a delete asks for, from its body or its query; raises `ApiError` 400 or 422."""
    options = _delete_options(body, request)
    policy = options.get("propagationPolicy") or request.param("propagationPolicy") or "Background"
    causes = list(_dry_run(options.get("dryRun") or ()))
    if policy not in _POLICIES:
        causes.append(_unsupported("propagationPolicy", f'"{policy}"', (*_POLICIES, "nil")))
    if causes:
        raise invalid(_about("delete"), "", causes)
    preconditions, grace = options.get("preconditions") or {}, options.get("gracePeriodSeconds")
    return Removal(
        preconditions.get("uid"), preconditions.get("resourceVersion"), policy, None if grace is None else int(grace)
    )


def _delete_options(body: Any, request: Request) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise bad_request(f"json: cannot unmarshal {schemata.go_type(body)} into a DeleteOptions")
    schemata.check_types(body, _DELETE, _about("delete"))
    grace = request.param("gracePeriodSeconds")
    if grace and not grace.removeprefix("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax')
    return {"gracePeriodSeconds": int(grace), **body} if grace else body
