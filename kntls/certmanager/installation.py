"""cert-manager as installed: its namespace, version, and where it looks for the Secrets of ClusterIssuers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kntls.errors import NotInstalled, Refused
from kntls.model.kinds import DEPLOYMENT
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Observation

DEFAULT_RESOURCE_NAMESPACE = "kube-system"
"""The binary's default; charts pass another (cert-manager `internal/apis/config/controller/v1alpha1/defaults.go`)."""
CONTROLLER_IMAGE = "cert-manager-controller"
SURPRISE_REISSUE = (1, 19, 0)
"""issuerRef defaults in the CRD made this release re-issue certificates by itself; reverted in 1.19.1."""
FLAG = re.compile(r"--cluster-resource-namespace=(.+)")


@dataclass(frozen=True)
class CertManager:
    """cert-manager as found."""

    deployment: ObjectRef
    version: str
    resource_namespace: str
    """Where Secrets of ClusterIssuers lie."""
    has_renewal_policy: bool
    """Whether `spec.renewal.policy` exists and works (1.21.1)."""

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers; empty where unknown."""
        return _release(self.version)


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _container(deployment: Object) -> dict[str, Any] | None:
    containers = dig(deployment, "spec", "template", "spec", "containers", default=[])
    return next((c for c in containers if CONTROLLER_IMAGE in c.get("image", "")), None)


def _is_controller(deployment: Object) -> bool:
    found = labels_of(deployment)
    named = found.get("app.kubernetes.io/name") == "cert-manager"
    return _container(deployment) is not None or (named and found.get("app.kubernetes.io/component") == "controller")


def _resource_namespace(deployment: Object) -> str:
    containers = dig(deployment, "spec", "template", "spec", "containers", default=[])
    container = _container(deployment) or (containers[0] if containers else {})
    arguments = [*container.get("command", []), *container.get("args", [])]
    value = next((found[1] for text in arguments if (found := FLAG.match(text))), DEFAULT_RESOURCE_NAMESPACE)
    variable = re.fullmatch(r"\$\((\w+)\)", value)
    return _variable(container, variable[1], namespace_of(deployment)) if variable else value


def _variable(container: dict[str, Any], name: str, namespace: str) -> str:
    entry: dict[str, Any] = next((env for env in container.get("env", []) if env.get("name") == name), {})
    if dig(entry, "valueFrom", "fieldRef", "fieldPath") == "metadata.namespace":
        return namespace
    return str(entry.get("value") or DEFAULT_RESOURCE_NAMESPACE)


def _version(deployment: Object) -> str:
    label = labels_of(deployment).get("app.kubernetes.io/version", "")
    return label or str((_container(deployment) or {}).get("image", "")).rpartition(":")[2]


def detect(observation: Observation) -> CertManager:
    """cert-manager's controller. Raises `NotInstalled` where there is none."""
    found = next((obj for obj in observation.all(DEPLOYMENT) if _is_controller(obj)), None)
    if found is None:
        fix = "install cert-manager 1.12 or newer"
        raise NotInstalled("cert-manager is not installed here", where=observation.source, fix=fix)
    version = _version(found)
    return CertManager(
        ObjectRef(DEPLOYMENT, name_of(found), namespace_of(found)),
        version,
        _resource_namespace(found),
        _release(version) >= (1, 21, 1),
    )


def require_supported(manager: CertManager) -> None:
    """Raises `Refused` for the release that re-issues certificates on its own."""
    if manager.release == SURPRISE_REISSUE:
        what = "cert-manager 1.19.0 re-issues certificates by itself (issuerRef defaults in its CRDs)"
        raise Refused(what, where=str(manager.deployment), fix="upgrade cert-manager to 1.19.1 or newer")
