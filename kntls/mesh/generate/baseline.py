"""The policies of Knative's own namespaces: deny everything, then exactly what its components need of each other."""

from __future__ import annotations

from collections.abc import Sequence

from kntls.mesh.generate.model import Generated, Manifest, Target, selector
from kntls.model.kinds import AUTHORIZATION_POLICY

SERVING, EVENTING = "knative-serving", "knative-eventing"
COMPONENT = "app.kubernetes.io/component"

CALLS: tuple[tuple[str, str, str, str], ...] = (
    (
        "allow-mt-channel-based-broker-ingress-to-imc-dispatcher",
        "imc-dispatcher",
        "mt-broker-ingress",
        "POST",
    ),
    (
        "allow-mt-channel-based-broker-ingress-to-kafka-channel",
        "kafka-channel-receiver",
        "mt-broker-ingress",
        "POST",
    ),
    (
        "allow-kafka-channel-to-mt-channel-based-broker-filter",
        "broker-filter",
        "knative-kafka-channel-data-plane",
        "POST",
    ),
    ("allow-imc-to-mt-channel-based-broker-filter", "broker-filter", "imc-dispatcher", "POST"),
    ("allow-probe-kafka-broker-receiver", "kafka-broker-receiver", "kafka-controller", "GET"),
    ("allow-probe-kafka-sink-receiver", "kafka-sink-receiver", "kafka-controller", "GET"),
    ("allow-probe-kafka-channel-receiver", "kafka-channel-receiver", "kafka-controller", "GET"),
)
"""Policy name, component that is called, service account that calls, method (OpenShift Serverless 1.3x, "Using
Service Mesh to isolate network traffic", section 2.3)."""


def eventing_principal(account: str) -> str:
    """The principal of an Eventing service account; Istio reads `cluster.local` as the local trust domain."""
    return f"cluster.local/ns/{EVENTING}/sa/{account}"


def allow(
    target: Target, name: str, namespace: str, labels: dict[str, str] | None, rules: Sequence[Manifest]
) -> Manifest:
    """An ALLOW policy with those rules."""
    spec = {**selector(labels), "action": "ALLOW", "rules": list(rules)}
    return target.manifest(AUTHORIZATION_POLICY, name, namespace, spec=spec)


def _deny_all(target: Target, namespace: str) -> Manifest:
    return target.manifest(AUTHORIZATION_POLICY, "deny-all-by-default", namespace, spec={})


def _call(target: Target, name: str, component: str, account: str, method: str) -> Manifest:
    source = {"namespaces": [EVENTING], "principals": [eventing_principal(account)]}
    rule = {"from": [{"source": source}], "to": [{"operation": {"methods": [method]}}]}
    return allow(target, name, EVENTING, {COMPONENT: component}, [rule])


def _from_namespaces(target: Target, name: str, app: str, *namespaces: str) -> Manifest:
    return allow(target, name, SERVING, {"app": app}, [{"from": [{"source": {"namespaces": list(namespaces)}}]}])


def baseline(target: Target) -> Generated:
    """All eleven policies of `knative-serving` and `knative-eventing`."""
    objects = (
        _deny_all(target, EVENTING),
        _deny_all(target, SERVING),
        *(_call(target, *call) for call in CALLS),
        _from_namespaces(target, "allow-traffic-to-activator", "activator", SERVING, target.root_namespace),
        _from_namespaces(target, "allow-traffic-to-autoscaler", "autoscaler", SERVING),
    )
    notes = (
        "identities need mTLS: enforce STRICT first (kntls mesh generate mtls --mode STRICT)",
        f"from here every tenant needs its own policies (kntls mesh generate tenant), or {SERVING} denies it",
    )
    return Generated(objects, notes)
