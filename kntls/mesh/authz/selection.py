"""Which policies apply to a workload.

Source: istio `pilot/pkg/model/authorization.go` ListAuthorizationPolicies, `policyattachment.go` ShouldAttachPolicy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from kntls.mesh.authz.model import AuthorizationPolicy, PeerAuthentication, RequestAuthentication, Workload

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of a pod that a Gateway API Gateway made."""

_GATEWAYS = frozenset({"ingressgateway", "egressgateway"})


def is_gateway(workload: Workload) -> bool:
    """Whether it is one of Istio's gateways, by the label their Gateways select."""
    return bool(_GATEWAYS & {workload.labels.get("istio"), workload.labels.get("knative")})


Policy = TypeVar("Policy", AuthorizationPolicy, PeerAuthentication, RequestAuthentication)


def applying(policies: Sequence[Policy], workload: Workload, root_namespace: str) -> tuple[Policy, ...]:
    """The policies of the root namespace and of the workload's own that select it, in this order."""
    namespaces = dict.fromkeys((root_namespace, workload.namespace))
    return tuple(
        policy
        for namespace in namespaces
        for policy in policies
        if policy.namespace == namespace and attaches(policy, workload)
    )


def attaches(policy: Policy, workload: Workload) -> bool:
    """Whether a policy of the right namespace takes the workload: by labels, or a Gateway by name.

    A targetRef never takes a sidecar. A Gateway API gateway is taken by name if there is a targetRef, else by labels
    (`ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY`, on by default).
    """
    gateway = workload.labels.get(GATEWAY_NAME)
    if not policy.scope.targets:
        return policy.scope.selects(workload.labels)
    if gateway is None or policy.namespace != workload.namespace:
        return False
    return any(
        target.kind == "Gateway" and target.group == "gateway.networking.k8s.io" and target.name == gateway
        for target in policy.scope.targets
    )
