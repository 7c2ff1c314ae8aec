"""What the API server refuses: names, labels, immutable fields, malformed data.

Sources: k8s.io/apimachinery, pkg/util/validation; k8s.io/kubernetes, pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from kntls.lab import schemata
from kntls.lab.answers import ApiError, Cause, bad_request, invalid
from kntls.lab.objects import Object, meta, name_of
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shape

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_DATA_KEY = r"[-._a-zA-Z0-9]+"
_DATA_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LABELLED = ("namespaces", "services")
"""Types whose names are DNS labels."""
_FREE_NAMES = (
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
)
"""Types whose names need only be path segments."""


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _bad(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {_quoted(value)}: {why}", field)


def _required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", "Required value" + (f": {why}" if why else ""), field)


def _forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def version_required(resource: Resource, name: str) -> ApiError:
    """422: a custom resource is replaced without a resourceVersion."""
    message = "Invalid value: 0: must be specified for an update"
    named_by_plural = replace(resource, kind=resource.plural)
    return invalid(named_by_plural, name, [Cause("FieldValueInvalid", message, "metadata.resourceVersion")])


def _name(resource: Resource, new: Object) -> Iterator[Cause]:
    name = name_of(new)
    if not name:
        yield _required("metadata.name", "name or generateName is required")
    elif resource.key in _FREE_NAMES:
        if "/" in name or "%" in name or name in (".", ".."):
            yield _bad("metadata.name", name, "may not contain '/'")
    elif resource.key in _LABELLED:
        if "." in name:
            yield _bad("metadata.name", name, "must not contain dots")
        elif len(name) > 63 or not re.fullmatch(_LABEL, name):
            yield _bad("metadata.name", name, _LABEL_TEXT if len(name) <= 63 else "must be no more than 63 bytes")
    elif len(name) > 253 or not re.fullmatch(_SUBDOMAIN, name):
        yield _bad("metadata.name", name, _SUBDOMAIN_TEXT if len(name) <= 253 else "must be no more than 253 bytes")


def _labels(new: Object) -> Iterator[Cause]:
    for value in (meta(new).get("labels") or {}).values():
        if len(str(value)) > 63:
            yield _bad("metadata.labels", value, "must be no more than 63 bytes")
        elif not re.fullmatch(_LABEL_VALUE, str(value)):
            yield _bad("metadata.labels", value, _LABEL_VALUE_TEXT)


def _finalizers(new: Object, old: Object | None) -> Iterator[Cause]:
    if old is None or not meta(old).get("deletionTimestamp"):
        return
    more = sorted(set(meta(new).get("finalizers") or ()) - set(meta(old).get("finalizers") or ()))
    if more:
        found = ", ".join(map(_quoted, more))
        why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{found}}}"
        yield _forbidden("metadata.finalizers", why)


def _keys(field: str, data: Any) -> Iterator[Cause]:
    for key in data or {}:
        if not re.fullmatch(_DATA_KEY, key):
            yield _bad(f"{field}[{key}]", key, _DATA_KEY_TEXT)


def _frozen(new: Object, old: Object | None, *fields: str) -> Iterator[Cause]:
    """`immutable: true` of Secrets and ConfigMaps."""
    if old is None or not old.get("immutable"):
        return
    why = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield _forbidden("immutable", why)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            yield _forbidden(field, why)


_NEEDED_KEYS = {"kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/dockerconfigjson": (".dockerconfigjson",)}


def _secret(new: Object, old: Object | None) -> Iterator[Cause]:
    for value in (new.get("data") or {}).values():
        _check_base64(value)
    yield from _keys("data", new.get("data"))
    for key in _NEEDED_KEYS.get(str(new.get("type")), ()):
        if key not in (new.get("data") or {}):
            yield _required(f"data[{key}]")
    if old is not None and new.get("type") != old.get("type"):
        yield _bad("type", new.get("type"), "field is immutable")
    yield from _frozen(new, old, "data")


def _check_base64(value: Any) -> None:
    try:
        base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        clean = re.match(r"[A-Za-z0-9+/]*", str(value))
        position = (clean.end() if clean else 0) // 4 * 4 if len(str(value)) % 4 else clean.end() if clean else 0
        raise bad_request(
            f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte {position}'
        ) from error


def _config_map(new: Object, old: Object | None) -> Iterator[Cause]:
    yield from _keys("data", new.get("data"))
    yield from _keys("binaryData", new.get("binaryData"))
    yield from _frozen(new, old, "data", "binaryData")


def _binding(new: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and new.get("roleRef") != old.get("roleRef"):
        yield _bad("roleRef", new.get("roleRef"), "cannot change roleRef")


def _deployment(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    selector = spec.get("selector")
    labels = meta(spec.get("template") or {}).get("labels") or {}
    if not selector:
        yield _required("spec.selector")
    elif any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        yield _bad("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if not ((spec.get("template") or {}).get("spec") or {}).get("containers"):
        yield _required("spec.template.spec.containers")
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        yield _bad("spec.selector", selector, "field is immutable")


RULES: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "secrets": _secret,
    "configmaps": _config_map,
    "deployments.apps": _deployment,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
}
"""Resource → its own rules."""


def check(resource: Resource, new: Object, old: Object | None, shape: Shape) -> None:
    """Raise `ApiError` 400 or 422 if the object breaks a rule of its type."""
    schemata.check(new, shape, resource)
    causes = [*_name(resource, new), *_labels(new), *_finalizers(new, old)]
    if resource.key in RULES:
        causes += RULES[resource.key](new, old)
    if causes:
        raise invalid(resource, name_of(new), causes)
