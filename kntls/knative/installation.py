"""What is installed: how, which version, which ingress layer, and in which namespaces — found, never assumed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kntls.errors import NotInstalled, Refused
from kntls.knative.config import network
from kntls.knative.ingress import ISTIO, Layer, by_class
from kntls.knative.names import ACTIVATOR, CONTROLLER, DRAIN_SECONDS, GATEWAY, VERSION_LABEL
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, KNATIVE_SERVING
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Observation

OLDEST = (1, 14)
"""The first version in which everything is a KCert and the activator reads trust bundles."""
SHARED_ISSUER_BUG = {(1, 15, 0), (1, 15, 1)}
"""All three issuer references collapse into one (serving#15433)."""


class Flavour(StrEnum):
    """How Knative Serving was installed, and so who owns its configuration."""

    UPSTREAM = "upstream YAML"
    OPERATOR = "Knative operator"
    OPENSHIFT = "OpenShift Serverless"


@dataclass(frozen=True)
class Installation:
    """Knative Serving as found."""

    flavour: Flavour
    namespace: str
    """Where controller and activator run, and where config-network lies."""
    version: str
    layer: Layer | None
    ingress_class: str
    ingress_namespace: str
    """Where the layer's controller runs: it reads the trust bundles of this namespace."""
    gateway_namespace: str
    operator: ObjectRef | None
    """The KnativeServing that owns the configuration."""
    mesh_namespace: str = ""
    """Where the mesh's control plane runs, when the mesh is the ingress layer."""

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, `(1, 23, 0)`; empty where unknown."""
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", self.version)
        return tuple(int(part or 0) for part in found.groups()) if found else ()

    @property
    def trust_namespaces(self) -> tuple[str, ...]:
        """The namespaces that get a trust bundle: those whose bundles are read, and with the mesh integration the
        control plane's, as the vendor's procedure asks (nothing of Knative reads it there)."""
        return tuple(dict.fromkeys(filter(None, (self.namespace, self.ingress_namespace, self.mesh_namespace))))

    def deployment(self, name: str) -> ObjectRef:
        """The reference of one of Serving's own Deployments."""
        return ObjectRef(DEPLOYMENT, name, self.namespace)


def _deployments(observation: Observation, name: str) -> list[Object]:
    return [obj for obj in observation.all(DEPLOYMENT) if name_of(obj) == name]


def _serving_controller(observation: Observation) -> Object | None:
    """The `controller` Deployment that is Knative's: by label, else by image or by an activator beside it."""
    beside = {namespace_of(obj) for obj in _deployments(observation, ACTIVATOR)}
    named = [obj for obj in _deployments(observation, CONTROLLER) if namespace_of(obj) in beside]
    labelled = [obj for obj in named if labels_of(obj).get("app.kubernetes.io/name") == "knative-serving"]
    return next(iter(labelled or named), None)


def _operator(observation: Observation, namespace: str) -> Object | None:
    return next(observation.all(KNATIVE_SERVING, namespace=namespace), None)


def _flavour(observation: Observation, namespace: str, operator: Object | None) -> Flavour:
    if operator is None:
        return Flavour.UPSTREAM
    layers = [namespace_of(obj) for obj in _deployments(observation, "net-kourier-controller")]
    return Flavour.OPENSHIFT if f"{namespace}-ingress" in layers else Flavour.OPERATOR


def _place(observation: Observation, deployment: str, near: str) -> str:
    """The namespace of a Deployment; the one nearest to Serving's where several exist."""
    found = [namespace_of(obj) for obj in _deployments(observation, deployment)]
    return next((place for place in (near, f"{near}-ingress") if place in found), found[0] if found else "")


def detect(observation: Observation) -> Installation:
    """What is installed. Raises `NotInstalled` where there is no Knative Serving in the observation."""
    controller = _serving_controller(observation)
    if controller is None:
        configured = [obj for obj in observation.all(CONFIG_MAP) if name_of(obj) == "config-network"]
        if not configured:
            fix = "install Knative Serving 1.14 or newer, or choose another --context"
            raise NotInstalled("Knative Serving is not installed here", where=observation.source, fix=fix)
        return _from_config(observation, namespace_of(configured[0]))
    return _installation(observation, namespace_of(controller), labels_of(controller).get(VERSION_LABEL, ""))


def _from_config(observation: Observation, namespace: str) -> Installation:
    return _installation(observation, namespace, "")


def _installation(observation: Observation, namespace: str, version: str) -> Installation:
    operator = _operator(observation, namespace)
    settings = network(observation, namespace)
    layer = by_class(settings.ingress_class)
    ingress = _place(observation, layer.controller, namespace) if layer else ""
    return Installation(
        _flavour(observation, namespace, operator),
        namespace,
        str(dig(operator or {}, "status", "version", default="") or version),
        layer,
        settings.ingress_class,
        ingress,
        _place(observation, layer.gateway, namespace) if layer and layer.gateway else "",
        ObjectRef(KNATIVE_SERVING, name_of(operator), namespace) if operator else None,
        _mesh(observation) if layer is ISTIO else "",
    )


def _mesh(observation: Observation) -> str:
    """The namespace of istiod, whatever revision suffix its Deployment carries."""
    found = (namespace_of(obj) for obj in observation.all(DEPLOYMENT) if name_of(obj).split("-")[0] == "istiod")
    return next(found, "")


def require_supported(installation: Installation) -> None:
    """Raises `Refused` for a version in which encryption cannot be turned on or rotated safely."""
    release = installation.release
    if release and release < OLDEST:
        what = f"Knative Serving {installation.version} is too old: certificates and trust work differently before 1.14"
        raise Refused(
            what,
            where=f"Deployment {installation.namespace}/{CONTROLLER}",
            fix="upgrade Knative Serving to 1.14 or newer",
        )


def drain_seconds(observation: Observation, installation: Installation) -> int:
    """How long Envoy lets requests end when a listener changes: its `--drain-time-s`, 15 by default.

    The released manifests pass it as `$(DRAIN_TIME_SECONDS)` (net-kourier `config/300-gateway.yaml`).
    """
    gateway = observation.get(DEPLOYMENT, GATEWAY, installation.gateway_namespace)
    for container in dig(gateway or {}, "spec", "template", "spec", "containers", default=[]):
        words = [*container.get("command", []), *container.get("args", [])]
        for word, following in zip(words, [*words[1:], ""], strict=True):
            name, _, value = word.partition("=")
            if name == "--drain-time-s":
                return _number(value or following, container)
    return DRAIN_SECONDS


def _number(text: str, container: Mapping[str, Any]) -> int:
    variable = re.fullmatch(r"\$\((\w+)\)", text)
    if variable:
        values = {entry.get("name"): str(entry.get("value", "")) for entry in container.get("env", [])}
        text = values.get(variable[1], "")
    return int(text) if text.isdigit() else DRAIN_SECONDS
