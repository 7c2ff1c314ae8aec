"""Label and field selectors, as query parameters spell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kntls.lab.answers import ApiError, bad_request
from kntls.lab.resources import Resource

Predicate = Callable[[Mapping[str, Any]], bool]
"""Whether an object is selected."""

_SET = re.compile(r"^(?P<key>[^\s!=]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s!=]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s=!]*)$")
_COMPARE = re.compile(r"^(?P<key>[^\s!=<>]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=(),<>]+)$")
_REQUIREMENT = re.compile(r"[^,(]+(?:\([^)]*\))?")

LabelTest = Callable[[Mapping[str, str]], bool]


def _requirement(text: str) -> LabelTest:
    if match := _SET.match(text):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(text):
        key, value, equal = match["key"], match["value"], match["op"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    if match := _COMPARE.match(text):
        return _compared(match["key"], match["op"], int(match["value"]))
    if match := _EXISTS.match(text):
        key, wanted = match["key"], not match["not"]
        return lambda labels: (key in labels) == wanted
    raise bad_request(f"unable to parse requirement: found '{text}', expected: in, notin, =, ==, !=, gt, lt")


def _compared(key: str, operator: str, bound: int) -> LabelTest:
    """Labels that are whole numbers above or below a bound."""

    def holds(found: Mapping[str, str]) -> bool:
        text = found.get(key, "")
        if not re.fullmatch(r"-?\d+", text):
            return False
        return int(text) > bound if operator == ">" else int(text) < bound

    return holds


def labels(selector: str) -> LabelTest:
    """A label selector (`a=b,c!=d,e in (f,g),!h`); raises `ApiError` 400 if it cannot be read."""
    tests = [_requirement(part.strip()) for part in _REQUIREMENT.findall(selector) if part.strip()]
    return lambda found: all(test(found) for test in tests)


def label_selector(selector: Mapping[str, Any] | None) -> LabelTest:
    """A `metav1.LabelSelector`; None selects nothing, an empty one everything."""
    if selector is None:
        return lambda found: False
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for entry in selector.get("matchExpressions") or ():
        values = ",".join(entry.get("values") or ())
        spelled = {
            "In": f"{entry['key']} in ({values})",
            "NotIn": f"{entry['key']} notin ({values})",
            "Exists": entry["key"],
            "DoesNotExist": f"!{entry['key']}",
        }
        parts.append(spelled[entry["operator"]])
    return labels(",".join(parts))


FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
        "reportingComponent",
        "source",
    ),
    "services": ("spec.clusterIP", "spec.type"),
    "nodes": ("spec.unschedulable",),
    "jobs.batch": ("status.successful",),
    "certificates.cert-manager.io": ("spec.issuerRef.group", "spec.issuerRef.kind", "spec.issuerRef.name"),
    "certificaterequests.cert-manager.io": ("spec.issuerRef.group", "spec.issuerRef.kind", "spec.issuerRef.name"),
}
"""The fields selectors may name beside `metadata.name` and `metadata.namespace`, resource by resource."""


def _value(obj: Mapping[str, Any], path: str) -> str:
    node: Any = obj
    for part in path.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return "" if node is None else str(node)


def fields(resource: Resource, selector: str) -> Predicate:
    """A field selector; raises `ApiError` 400 for a field this resource does not select by."""
    known = ("metadata.name", "metadata.namespace", *FIELDS.get(resource.key, ()))
    tests: list[tuple[str, str, bool]] = []
    for part in filter(None, selector.split(",")):
        match = _EQUAL.match(part.strip())
        if not match:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        if match["key"] not in known or (match["key"] == "metadata.namespace" and not resource.namespaced):
            raise _unknown_field(resource, selector, match["key"])
        tests.append((match["key"], match["value"], match["op"] != "!="))
    return lambda obj: all((_value(obj, path) == value) == equal for path, value, equal in tests)


def _unknown_field(resource: Resource, selector: str, field: str) -> ApiError:
    if resource.custom or resource.key in FIELDS:
        return bad_request(f"field label not supported: {field}")
    return bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def predicate(resource: Resource, label: str = "", field: str = "") -> Predicate | None:
    """Both selectors of a request as one test; None if everything is selected."""
    if not label and not field:
        return None
    by_label, by_field = labels(label), fields(resource, field)
    return lambda obj: by_label(obj["metadata"].get("labels") or {}) and by_field(obj)
