"""Tables: the columns `kubectl get` shows, computed by the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kntls.lab.objects import Object, meta, parse_time
from kntls.lab.resources import Resource
from kntls.lab.shapes import Shapes

NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True)
class Column:
    """One column: its name, how to compute a cell, whether only `-o wide` shows it."""

    name: str
    cell: Callable[[Object], Any]
    type: str = "string"
    wide: bool = False


_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY
_SCALES = (
    (2 * _MINUTE, "s", 1, "", 0),
    (10 * _MINUTE, "m", _MINUTE, "s", 1),
    (3 * _HOUR, "m", _MINUTE, "", 0),
    (8 * _HOUR, "h", _HOUR, "m", _MINUTE),
    (2 * _DAY, "h", _HOUR, "", 0),
    (8 * _DAY, "d", _DAY, "h", _HOUR),
    (2 * _YEAR, "d", _DAY, "", 0),
    (8 * _YEAR, "y", _YEAR, "d", _DAY),
)
"""Below so many seconds: the unit and its size, and the smaller unit told beside it, if any."""


def age(since: Any, now: datetime | None = None) -> str:
    """How long ago, as kubectl writes it (apimachinery, duration.HumanDuration)."""
    if not since:
        return UNKNOWN
    seconds = max(int(((now or datetime.now(UTC)) - parse_time(str(since))).total_seconds()), 0)
    for limit, unit, size, rest, part in _SCALES:
        if seconds < limit:
            left = seconds % size // part if part else 0
            return f"{seconds // size}{unit}" + (f"{left}{rest}" if left else "")
    return f"{seconds // _YEAR}y"


def _at(obj: Any, *path: str, default: Any = None) -> Any:
    for key in path:
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return default if obj is None else obj


def _field(*path: str, default: Any = NONE) -> Callable[[Object], Any]:
    return lambda obj: _at(obj, *path, default=default)


def _containers(of: str, *path: str) -> Callable[[Object], str]:
    return lambda obj: ",".join(str(c.get(of, "")) for c in _at(obj, *path, default=[]))


def _labels(selector: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items())) or NONE


def _subjects(kind: str) -> Callable[[Object], str]:
    def cell(obj: Object) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        names = (f"{s['namespace']}/{s['name']}" if s.get("namespace") else s["name"] for s in found)
        return ", ".join(names)

    return cell


def _pod_ready(pod: Object) -> str:
    statuses = _at(pod, "status", "containerStatuses", default=[])
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(_at(pod, 'spec', 'containers', default=[]))}"


def _pod_status(pod: Object) -> str:
    if meta(pod).get("deletionTimestamp"):
        return "Terminating"
    for status in _at(pod, "status", "containerStatuses", default=[]):
        for state in ("waiting", "terminated"):
            reason = _at(status, "state", state, "reason")
            if reason:
                return str(reason)
    return str(_at(pod, "status", "reason") or _at(pod, "status", "phase", default=UNKNOWN))


def _restarts(pod: Object) -> str:
    return str(sum(int(s.get("restartCount", 0)) for s in _at(pod, "status", "containerStatuses", default=[])))


def _ports(service: Object) -> str:
    def one(port: Mapping[str, Any]) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"

    return ",".join(one(port) for port in _at(service, "spec", "ports", default=[])) or NONE


def _external_ip(service: Object) -> str:
    if _at(service, "spec", "type") == "ExternalName":
        return str(_at(service, "spec", "externalName", default=NONE))
    entries = _at(service, "status", "loadBalancer", "ingress", default=[])
    return ",".join(str(e.get("ip") or e.get("hostname")) for e in entries) or NONE


def _cluster_ip(service: Object) -> str:
    return str(_at(service, "spec", "clusterIP", default=NONE))


def _node_status(node: Object) -> str:
    ready: Mapping[str, Any] = next(
        (c for c in _at(node, "status", "conditions", default=[]) if c.get("type") == "Ready"), {}
    )
    return {"True": "Ready", "False": "NotReady"}.get(str(ready.get("status")), "Unknown")


def _ready(obj: Object) -> str:
    return f"{_at(obj, 'status', 'readyReplicas', default=0)}/{_at(obj, 'spec', 'replicas', default=0)}"


def _source(event: Object) -> str:
    return str(_at(event, "source", "component") or event.get("reportingComponent") or "")


def _object_of(event: Object) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _addresses(slice_: Object) -> str:
    found = [address for endpoint in slice_.get("endpoints") or () for address in endpoint.get("addresses", ())]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<unset>"


def _endpoints(endpoints: Object) -> str:
    pairs = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    return ",".join(pairs[:3]) + (f" + {len(pairs) - 3} more..." if len(pairs) > 3 else "") or NONE


NAME = Column("Name", _field("metadata", "name"))
AGE = Column("Age", lambda obj: age(meta(obj).get("creationTimestamp")))
CREATED = Column("Created At", _field("metadata", "creationTimestamp"), "date")
DATA = Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {}))
_POD_SPEC = ("spec", "template", "spec", "containers")
_TEMPLATE = (
    Column("Containers", _containers("name", *_POD_SPEC), wide=True),
    Column("Images", _containers("image", *_POD_SPEC), wide=True),
    Column("Selector", lambda obj: _labels(_at(obj, "spec", "selector", "matchLabels")), wide=True),
)
_ROLE = Column("Role", lambda obj: f"{_at(obj, 'roleRef', 'kind')}/{_at(obj, 'roleRef', 'name')}")
_BINDING = (
    NAME,
    _ROLE,
    AGE,
    Column("Users", _subjects("User"), wide=True),
    Column("Groups", _subjects("Group"), wide=True),
    Column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)
_WEBHOOKS = (NAME, Column("Webhooks", lambda obj: len(obj.get("webhooks") or ()), "integer"), AGE)


def _count(name: str, *path: str) -> Column:
    return Column(name, _field(*path, default=0), "integer")


COLUMNS: dict[str, tuple[Column, ...]] = {
    "namespaces": (NAME, Column("Status", _field("status", "phase")), AGE),
    "nodes": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", lambda obj: NONE),
        AGE,
        Column("Version", _field("status", "nodeInfo", "kubeletVersion", default="")),
    ),
    "secrets": (NAME, Column("Type", _field("type")), DATA, AGE),
    "configmaps": (NAME, DATA, AGE),
    "serviceaccounts": (NAME, AGE),
    "pods": (
        NAME,
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        AGE,
        Column("IP", _field("status", "podIP"), wide=True),
        Column("Node", _field("spec", "nodeName"), wide=True),
        Column("Nominated Node", _field("status", "nominatedNodeName"), wide=True),
        Column("Readiness Gates", lambda obj: NONE, wide=True),
    ),
    "services": (
        NAME,
        Column("Type", _field("spec", "type")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", _external_ip),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", lambda obj: _labels(_at(obj, "spec", "selector")), wide=True),
    ),
    "endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "events": (
        Column("Last Seen", lambda obj: age(obj.get("lastTimestamp") or obj.get("eventTime"))),
        Column("Type", _field("type", default="")),
        Column("Reason", _field("reason", default="")),
        Column("Object", _object_of),
        Column("Subobject", _field("involvedObject", "fieldPath", default=""), wide=True),
        Column("Source", _source, wide=True),
        Column("Message", lambda obj: str(obj.get("message", "")).strip()),
        Column("First Seen", lambda obj: age(obj.get("firstTimestamp") or obj.get("eventTime")), wide=True),
        Column("Count", _field("count", default=1), wide=True),
        Column("Name", _field("metadata", "name"), wide=True),
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", _field("status", "updatedReplicas", default=0)),
        Column("Available", _field("status", "availableReplicas", default=0)),
        AGE,
        *_TEMPLATE,
    ),
    "replicasets.apps": (
        NAME,
        _count("Desired", "spec", "replicas"),
        _count("Current", "status", "replicas"),
        _count("Ready", "status", "readyReplicas"),
        AGE,
        *_TEMPLATE,
    ),
    "statefulsets.apps": (NAME, Column("Ready", _ready), AGE, *_TEMPLATE[:2]),
    "leases.coordination.k8s.io": (NAME, Column("Holder", _field("spec", "holderIdentity", default="")), AGE),
    "endpointslices.discovery.k8s.io": (
        NAME,
        Column("AddressType", _field("addressType")),
        Column("Ports", lambda obj: ",".join(str(p.get("port")) for p in obj.get("ports") or ()) or "<unset>"),
        Column("Endpoints", _addresses),
        AGE,
    ),
    "networkpolicies.networking.k8s.io": (
        NAME,
        Column("Pod-Selector", lambda obj: _labels(_at(obj, "spec", "podSelector", "matchLabels"))),
        AGE,
    ),
    "roles.rbac.authorization.k8s.io": (NAME, CREATED),
    "clusterroles.rbac.authorization.k8s.io": (NAME, CREATED),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": (NAME, CREATED),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
}
"""The columns of built-in types; all others print name and age, custom resources what their definition says."""

_STEP = re.compile(
    r"""\.(?P<key>[\w-]+|'[^']+')
    |\['(?P<quoted>[^']+)'\]
    |\[(?P<index>\d+)\]
    |\[\?\(@\.(?P<by>\w+)[ ]?==[ ]?["'](?P<is>[^"']+)["']\)\]""",
    re.VERBOSE,
)


def json_path(obj: Any, path: str) -> Any:
    """The first value at a printer column's JSONPath; None if there is none."""
    for step in _STEP.finditer(path.replace("\\.", "\0")):
        key = (step["key"] or step["quoted"] or "").strip("'").replace("\0", ".")
        if step["by"]:
            entries = obj if isinstance(obj, list) else ()
            obj = next((e for e in entries if str(e.get(step["by"])) == step["is"]), None)
        elif step["index"]:
            obj = obj[int(step["index"])] if isinstance(obj, list) and len(obj) > int(step["index"]) else None
        else:
            obj = obj.get(key) if isinstance(obj, Mapping) else None
    return obj


def _printed(entry: Mapping[str, Any]) -> Column:
    """A column of a CustomResourceDefinition's `additionalPrinterColumns`."""
    kind, path = str(entry["type"]), str(entry["jsonPath"])

    def cell(obj: Object) -> Any:
        value = json_path(obj, path)
        if kind == "date":
            return age(value)
        if kind == "string" and value is not None and not isinstance(value, str):
            return str(value)
        return value

    return Column(str(entry["name"]), cell, kind, wide=bool(entry.get("priority")))


def columns(resource: Resource, shapes: Shapes) -> tuple[Column, ...]:
    """The columns of a type."""
    if resource.key in COLUMNS:
        return COLUMNS[resource.key]
    if resource.custom and shapes.columns(resource.key):
        return (NAME, *map(_printed, shapes.columns(resource.key)))
    return (NAME, AGE)


def table(
    resource: Resource, shapes: Shapes, items: Sequence[Object], list_meta: Mapping[str, Any], include: str
) -> Object:
    """Objects as a `meta.k8s.io/v1` Table; `include` is the query's includeObject: Metadata, Object or None."""
    chosen = columns(resource, shapes)
    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.name == "Name" else "",
            "description": column.name,
            "priority": int(column.wide),
        }
        for column in chosen
    ]
    rows = [{"cells": [column.cell(obj) for column in chosen], "object": _included(obj, include)} for obj in items]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(list_meta),
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _included(obj: Object, include: str) -> Object | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
