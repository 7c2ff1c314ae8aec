"""What the API server refuses: names, labels, immutable fields, malformed data.

Sources: k8s.io/apimachinery, pkg/util/validation; k8s.io/kubernetes, pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
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
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_ANNOTATION_BYTES, _DATA_BYTES = 256 * 1024, 1024 * 1024
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
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


def _too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


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
    for key, value in (meta(new).get("labels") or {}).items():
        yield from _qualified("metadata.labels", key)
        if len(str(value)) > 63:
            yield _bad("metadata.labels", value, "must be no more than 63 bytes")
        elif not re.fullmatch(_LABEL_VALUE, str(value)):
            yield _bad("metadata.labels", value, _LABEL_VALUE_TEXT)


def _qualified(field: str, key: str) -> Iterator[Cause]:
    """A name with an optional DNS subdomain before a slash."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not re.fullmatch(_SUBDOMAIN, prefix)):
        yield _bad(field, key, f"prefix part {_SUBDOMAIN_TEXT}")
    if len(name) > 63:
        yield _bad(field, key, "name part must be no more than 63 bytes")
    elif not re.fullmatch(_QUALIFIED, name):
        yield _bad(field, key, _QUALIFIED_TEXT)


def _annotations(new: Object) -> Iterator[Cause]:
    annotations = meta(new).get("annotations") or {}
    for key in annotations:
        yield from _qualified("metadata.annotations", key.lower())
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES:
        yield _too_long("metadata.annotations", _ANNOTATION_BYTES)


def _owners(new: Object) -> Iterator[Cause]:
    for owner in meta(new).get("ownerReferences") or ():
        for name, word in (("apiVersion", "version "), ("kind", ""), ("name", ""), ("uid", "")):
            if not owner.get(name):
                yield _bad(f"metadata.ownerReferences.{name}", "", f"{word}must not be empty")


def _finalizers(new: Object, old: Object | None) -> Iterator[Cause]:
    for name in meta(new).get("finalizers") or ():
        yield from _qualified("metadata.finalizers", name)
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            yield _bad(
                "metadata.finalizers", name, "name is neither a standard finalizer name nor is it fully qualified"
            )
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
    if sum(len(base64.b64decode(str(value))) for value in (new.get("data") or {}).values()) > _DATA_BYTES:
        yield _too_long("data", _DATA_BYTES)
    yield from _frozen(new, old, "data")


def _check_base64(value: Any, kind: str = "Secret") -> None:
    try:
        base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        clean = re.match(r"[A-Za-z0-9+/]*", str(value))
        position = (clean.end() if clean else 0) // 4 * 4 if len(str(value)) % 4 else clean.end() if clean else 0
        raise bad_request(
            f'{kind} in version "v1" cannot be handled as a {kind}: illegal base64 data at input byte {position}'
        ) from error


def _config_map(new: Object, old: Object | None) -> Iterator[Cause]:
    yield from _keys("data", new.get("data"))
    yield from _keys("binaryData", new.get("binaryData"))
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    for key in sorted(set(data) & set(binary)):
        yield _bad(f"data[{key}]", key, "duplicate of key present in binaryData")
    for value in binary.values():
        _check_base64(value, "ConfigMap")
    size = sum(len(str(value).encode()) for value in data.values())
    if size + sum(len(base64.b64decode(str(value))) for value in binary.values()) > _DATA_BYTES:
        yield _too_long("[]", _DATA_BYTES)
    yield from _frozen(new, old, "data", "binaryData")


def _binding(new: Object, old: Object | None) -> Iterator[Cause]:
    role = new.get("roleRef") or {}
    if role.get("kind") not in ("ClusterRole", "Role"):
        known = '"ClusterRole", "Role"'
        why = f"Unsupported value: {_quoted(role.get('kind') or '')}: supported values: {known}"
        yield Cause("FieldValueNotSupported", why, "roleRef.kind")
    if not role.get("name"):
        yield _required("roleRef.name")
    if old is not None and new.get("roleRef") != old.get("roleRef"):
        yield _bad("roleRef", new.get("roleRef"), "cannot change roleRef")


def _role(new: Object, old: Object | None) -> Iterator[Cause]:
    for index, rule in enumerate(new.get("rules") or ()):
        if not rule.get("verbs"):
            yield _required(f"rules[{index}].verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        for field, word in (("apiGroups", "api group"), ("resources", "resource")):
            if not rule.get(field):
                yield _required(f"rules[{index}].{field}", f"resource rules must supply at least one {word}")


def _deployment(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    selector = spec.get("selector")
    labels = meta(spec.get("template") or {}).get("labels") or {}
    if int(spec.get("replicas") or 0) < 0:
        yield _bad("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    if not selector:
        yield _required("spec.selector")
    elif any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        yield _bad("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _containers("spec.template.spec", (spec.get("template") or {}).get("spec") or {})
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        yield _bad("spec.selector", selector, "field is immutable")


def _pod(new: Object, old: Object | None) -> Iterator[Cause]:
    yield from _containers("spec", new.get("spec") or {})


def _containers(where: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield _required(f"{where}.containers")
    for index, container in enumerate(spec.get("containers") or ()):
        field, name = f"{where}.containers[{index}]", container.get("name")
        if not name:
            yield _required(f"{field}.name")
        elif not re.fullmatch(_LABEL, name) or len(name) > 63:
            yield _bad(f"{field}.name", name, _LABEL_TEXT if len(name) <= 63 else "must be no more than 63 bytes")
        if not container.get("image"):
            yield _required(f"{field}.image")


def _service(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    ports = spec.get("ports") or ()
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield _required("spec.ports")
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield _required(f"spec.ports[{index}].name")
        if not 1 <= int(port.get("port") or 0) <= 65535:
            why = "must be between 1 and 65535, inclusive"
            yield _bad(f"spec.ports[{index}].port", port.get("port") or 0, why)


def _definition(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new["spec"]
    names = spec.get("names") or {}
    needed = {"spec.group": spec.get("group"), "spec.scope": spec.get("scope"), "spec.versions": spec.get("versions")}
    needed |= {f"spec.names.{name}": names.get(name) for name in ("plural", "kind")}
    missing = [field for field, value in needed.items() if not value]
    yield from map(_required, missing)
    if not missing and name_of(new) != f"{names['plural']}.{spec['group']}":
        yield _bad("metadata.name", name_of(new), 'must be spec.names.plural+"."+spec.group')
    for index, version in enumerate(spec.get("versions") or ()):
        if not version.get("name"):
            yield _required(f"spec.versions[{index}].name")
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield _required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")


RULES: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "secrets": _secret,
    "configmaps": _config_map,
    "deployments.apps": _deployment,
    "pods": _pod,
    "services": _service,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "roles.rbac.authorization.k8s.io": _role,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
}
"""Resource → its own rules."""


def check(resource: Resource, new: Object, old: Object | None, shape: Shape) -> None:
    """Raise `ApiError` 400 or 422 if the object breaks a rule of its type."""
    schemata.check(new, shape, resource)
    causes = [*_name(resource, new), *_labels(new), *_annotations(new), *_owners(new), *_finalizers(new, old)]
    if resource.key in RULES:
        causes += RULES[resource.key](new, old)
    if causes:
        raise invalid(resource, name_of(new), causes)
