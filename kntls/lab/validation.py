"""What the API server refuses: names, immutable fields, malformed data."""

from __future__ import annotations

from kntls.lab.answers import ApiError, Cause, invalid
from kntls.lab.objects import Object
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shape


def version_required(resource: Resource, name: str) -> ApiError:
    """422: a custom resource is replaced without a resourceVersion."""
    message = "Invalid value: 0: must be specified for an update"
    return invalid(resource, name, [Cause("FieldValueInvalid", message, "metadata.resourceVersion")])


def check(resource: Resource, new: Object, old: Object | None, shape: Shape) -> None:
    """Raise `ApiError` 422 if the object breaks a rule of its type."""
