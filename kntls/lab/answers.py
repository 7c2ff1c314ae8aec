"""What the lab's API server says when it refuses: a `Status` with code, reason, message and details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.lab.resources import Resource


@dataclass(frozen=True)
class Cause:
    """One entry of a Status's `details.causes`."""

    reason: str
    message: str
    field: str = ""

    def body(self) -> dict[str, str]:
        """As JSON; an empty field is left out."""
        entry = {"reason": self.reason, "message": self.message}
        return entry | ({"field": self.field} if self.field else {})


class ApiError(Exception):
    """A refusal, as the API server words it (k8s.io/apimachinery, pkg/api/errors)."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def _named(resource: Resource, name: str) -> dict[str, Any]:
    return {**_named_if(name), **_grouped(resource), "kind": resource.plural}


def _named_if(name: str) -> dict[str, Any]:
    return {"name": name} if name else {}


def _grouped(resource: Resource) -> dict[str, Any]:
    return {"group": resource.group} if resource.group else {}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no such object."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', _named(resource, name))


def no_such_path() -> ApiError:
    """404: no such resource type or subresource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: create of a name that is taken."""
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', _named(resource, name))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = STALE) -> ApiError:
    """409: the object is not the one the writer read."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _named(resource, name))


def broken_precondition(resource: Resource, name: str, what: str, stated: str, found: str) -> ApiError:
    """409: a delete that is bound to another uid or resourceVersion."""
    since = "deleted and then recreated" if what == "UID" else "modified"
    why = f"the {what} in the precondition ({stated}) does not match the {what} in record ({found}). "
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}The object might have been {since}'
    return ApiError(409, "Conflict", message, {"name": name, **_grouped(resource), "kind": resource.kind})


def apply_conflict(causes: Sequence[Cause], message: str) -> ApiError:
    """409: other field managers own what a server-side apply would change."""
    return ApiError(409, "Conflict", message, {"causes": [cause.body() for cause in causes]})


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object breaks rules of its type; one cause a field."""
    parts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    bodies = [cause.body() for cause in causes]
    details = {**_named_if(name), **_grouped(resource), "kind": resource.kind, "causes": bodies}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def check_name(obj: Mapping[str, Any], name: str) -> None:
    """Raise a 400 if an object does not name itself, or otherwise than its URL does."""
    stated = (obj.get("metadata") or {}).get("name")
    if not stated:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if stated != name:
        raise bad_request(f"the name of the object ({stated}) does not match the name on the URL ({name})")


def unsupported_media(message: str) -> ApiError:
    """415: the body is of a type this resource does not take."""
    return ApiError(415, "UnsupportedMediaType", message)


def forbidden(resource: Resource, name: str, message: str) -> ApiError:
    """403, with the message given."""
    return ApiError(403, "Forbidden", message, _named(resource, name))


def expired(message: str) -> ApiError:
    """410: the resourceVersion or continue token is too old."""
    return ApiError(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """405: the resource does not know this verb."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
