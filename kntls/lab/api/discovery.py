"""What the API server says it serves: `/api`, `/apis` and below, in both the legacy and the aggregated form."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from kntls.lab.answers import no_such_path
from kntls.lab.api.messages import Request, Response
from kntls.lab.resources import CREATE_ONLY, Registry, Resource

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+kntls-lab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

SUBRESOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "status": ("", "", ("get", "patch", "update")),
    "scale": ("autoscaling/v1", "Scale", ("get", "patch", "update")),
    "finalize": ("", "", ("update",)),
    "token": ("authentication.k8s.io/v1", "TokenRequest", CREATE_ONLY),
    "log": ("", "", ("get",)),
    "exec": ("v1", "PodExecOptions", ("create", "get")),
    "portforward": ("v1", "PodPortForwardOptions", ("create", "get")),
    "eviction": ("policy/v1", "Eviction", CREATE_ONLY),
}
"""Subresource → apiVersion and kind where they differ from the resource's, and its verbs."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def answer(registry: Registry, request: Request) -> Response | None:
    """The answer to a discovery path; None for other paths. Raises `ApiError` 404 for unknown groups."""
    parts = request.path.strip("/").split("/")
    if parts[0] not in ("api", "apis") or len(parts) > 1 + 2 * (parts[0] == "apis") + (parts[0] == "api"):
        return None
    if len(parts) == 1 and "as=APIGroupDiscoveryList" in request.headers.get("accept", ""):
        return Response(_aggregated(registry, core=parts[0] == "api"), content_type=AGGREGATED)
    if parts == ["api"]:
        return Response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    if parts == ["apis"]:
        groups = [_group(name, versions) for name, versions in _groups(registry) if name]
        return Response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    if parts[0] == "apis" and parts[1] not in dict(_groups(registry)):
        return None
    if parts[0] == "apis" and len(parts) == 2:
        return Response({"apiVersion": "v1", **_one_group(registry, parts[1])})
    return Response(_resources(registry, "/".join(parts[1:])))


def _groups(registry: Registry) -> list[tuple[str, list[str]]]:
    """Group → versions, in the order of the table."""
    found: dict[str, dict[str, None]] = {}
    for resource in registry:
        found.setdefault(resource.group, {})[resource.version] = None
    return [(group, list(versions)) for group, versions in found.items()]


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "name": name, "versions": entries, "preferredVersion": entries[0]}


def _one_group(registry: Registry, name: str) -> dict[str, Any]:
    return _group(name, dict(_groups(registry))[name])


def _resources(registry: Registry, group_version: str) -> dict[str, Any]:
    found = [resource for resource in registry if resource.api_version == group_version]
    if not found:
        raise no_such_path()
    entries = [entry for resource in found for entry in _entries(resource)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _entries(resource: Resource) -> Iterable[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name in resource.subresources:
        api_version, kind, verbs = SUBRESOURCES[name]
        group, _, version = api_version.rpartition("/")
        of = {"group": group, "version": version} if group else {}
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **of,
            "kind": kind or resource.kind,
            "verbs": list(verbs),
        }


def _aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
    wanted = sorted((r for r in registry if (not r.group) == core), key=lambda r: (r.group, r.version))
    items = []
    for group, members in groupby(wanted, key=lambda r: r.group):
        versions = [
            {"version": version, "resources": [_discovered(r) for r in found], "freshness": "Current"}
            for version, found in groupby(members, key=lambda r: r.version)
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(resource: Resource) -> dict[str, Any]:
    subresources = []
    for name in resource.subresources:
        api_version, kind, verbs = SUBRESOURCES[name]
        group, _, version = api_version.rpartition("/")
        response = {"group": group, "version": version, "kind": kind or resource.kind}
        subresources.append({"subresource": name, "responseKind": response, "verbs": list(verbs)})
    return {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
        **({"categories": list(resource.categories)} if resource.categories else {}),
        **({"subresources": subresources} if subresources else {}),
    }
