"""One clear error for each way an API server can say no."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kntls.errors import Busy, ClusterError, Conflict, Forbidden, InputError, NotFound, Unreachable

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses worth asking again for: overload and passing trouble."""


SURFACES = frozenset(
    {
        "deployments.apps",
        "pods",
        "knativeservings.operator.knative.dev",
        "certificaterequests.cert-manager.io",
        "certificates.networking.internal.knative.dev",
    }
)
"""Resources that only enable and disable write."""


class Gone(ClusterError):
    """The resource version asked for is too old (410): list again."""


class Invalid(InputError):
    """The API server or an admission webhook rejected the object."""


def _body(text: str | bytes | None) -> Mapping[str, Any]:
    try:
        parsed = json.loads(text or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _retry_after(headers: Mapping[str, str] | None) -> float:
    try:
        return max(0.0, float((headers or {}).get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _role(message: str) -> str:
    """The manifest that grants what was forbidden, from the verb and resource in the server's message."""
    found = re.search(r"cannot (\w+) resource \"([\w./-]+)\" in API group \"([\w.-]*)\"", message)
    verb, resource, group = found.groups() if found else ("get", "", "")
    if verb in ("get", "list", "watch"):
        return "view.yaml"
    name = f"{resource}.{group}".rstrip(".")
    return (
        "smoke.yaml"
        if name == "services.serving.knative.dev"
        else "surfaces.yaml"
        if name in SURFACES
        else "rotate.yaml"
    )


def from_status(
    status: int, body: str | bytes | None, headers: Mapping[str, str] | None = None, where: str = ""
) -> Exception:
    """The error for an HTTP status and the API server's Status body."""
    message = str(_body(body).get("message") or f"HTTP {status}")
    if status == 401:
        return Forbidden("the API server does not accept these credentials", where=where, fix="log in again")
    if status == 403:
        return Forbidden(message, where=where, fix=f"`kubectl apply -f manifests/rbac/{_role(message)}`, and bind it")
    if status == 404:
        return NotFound(message, where=where)
    if status == 409:
        return Conflict(message, where=where)
    if status == 410:
        return Gone(message, where=where)
    if status in RETRIED:
        return Busy(message, _retry_after(headers))
    if status in (400, 413, 415, 422):
        return Invalid(message, where=where)
    return ClusterError(message, where=where)


def unreachable(error: Exception, server: str) -> Unreachable:
    """The error for a connection that did not come about or broke."""
    text = str(error)
    fix = "check the context (`kubectl config current-context`) and that the cluster is up"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Unreachable("its certificate is not trusted by the kubeconfig", where=server, fix=fix)
    reason = "connection refused" if "refused" in text else "timed out" if "timed out" in text else type(error).__name__
    return Unreachable(f"no API server answers ({reason})", where=server, fix=fix)
