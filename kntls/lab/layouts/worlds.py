"""The three layouts, each as the objects that are applied to an empty cluster, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kntls.errors import UsageError
from kntls.lab.layouts import tables
from kntls.lab.objects import Object

SERVING = "knative-serving"
AUTOSCALER = {"allow-zero-initial-scale": "true"}
"""For the sample service that starts without a pod."""


@dataclass(frozen=True)
class Layout:
    """How one kind of installation looks."""

    name: str
    gateway_namespace: str
    """Where Envoy and its Services lie."""
    kourier_namespace: str
    """Where net-kourier-controller runs and looks for trust bundles."""
    operated: bool
    """Whether a KnativeServing rules the configuration."""
    build: Callable[[Layout], list[Object]]

    def objects(self) -> list[Object]:
        """Everything that is installed, without sample services."""
        return self.build(self)


def _upstream(layout: Layout) -> list[Object]:
    return [
        *tables.cert_manager(),
        tables.namespace(SERVING, {"app.kubernetes.io/name": "knative-serving"}),
        tables.namespace(layout.gateway_namespace),
        *with_config(
            tables.serving(SERVING), {"network": {"ingress-class": tables.KOURIER_CLASS}, "autoscaler": AUTOSCALER}
        ),
        *tables.kourier(layout.kourier_namespace, layout.gateway_namespace),
    ]


def with_config(objects: list[Object], values: Mapping[str, Mapping[str, str]]) -> list[Object]:
    """The objects with keys of ConfigMaps (by name without `config-`) set."""
    out = []
    for obj in objects:
        short = str(obj["metadata"]["name"]).removeprefix("config-")
        if obj["kind"] == "ConfigMap" and short in values:
            obj = {**obj, "data": {**obj["data"], **values[short]}}
        out.append(obj)
    return out


def knative_serving(layout: Layout) -> Object:
    """The KnativeServing of an operated layout."""
    network = {"ingress-class": tables.KOURIER_CLASS}
    if layout.name == "openshift":
        network |= {"domain-template": "{{.Name}}-{{.Namespace}}.{{.Domain}}"}
    return {
        "apiVersion": "operator.knative.dev/v1beta1",
        "kind": "KnativeServing",
        "metadata": {"name": SERVING, "namespace": SERVING},
        "spec": {
            "version": tables.SERVING_VERSION,
            "ingress": {"kourier": {"enabled": True}},
            "config": {"network": network, "autoscaler": AUTOSCALER},
        },
    }


def installed(layout: Layout) -> list[Object]:
    """What the operator installs for a KnativeServing, its configuration left out."""
    serving = tables.serving(SERVING)
    kourier = tables.kourier(layout.kourier_namespace, layout.gateway_namespace)
    if layout.kourier_namespace == SERVING:
        return [*serving, *kourier]
    home = layout.kourier_namespace
    twice = [tables.config_map("config-network", home), tables.routing_kcert(home)]
    return [tables.namespace(home), *serving, *kourier, *twice]


def _operated(layout: Layout) -> list[Object]:
    home = "openshift-serverless" if layout.name == "openshift" else "knative-operator"
    return [
        *tables.cert_manager(),
        *tables.operator(home),
        tables.namespace(SERVING),
        knative_serving(layout),
    ]


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("upstream", "kourier-system", SERVING, False, _upstream),
        Layout("operator", SERVING, SERVING, True, _operated),
        Layout("openshift", f"{SERVING}-ingress", f"{SERVING}-ingress", True, _operated),
    )
}
"""By name."""


def named(name: str) -> Layout:
    """The layout of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in LAYOUTS:
        raise UsageError(f"no such layout: {name}", fix=f"one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
