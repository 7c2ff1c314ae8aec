"""Who is in the mesh and who should be."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.mesh.inventory import INJECT, Member
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.resources import Resource
from kntls.model.findings import Severity

STATIC = ("knative-serving", "knative-eventing")
TENANT_POLICY = "allow-from-knative-and-istio"


def tenants(world: World) -> dict[str, Resource]:
    """Namespaces with a tenant's policies, each with one of them."""
    return {found.namespace: found for found, _ in world.policies if found.name == TENANT_POLICY}


@rule(
    "MESH-MEMBER-001",
    Severity.ERROR,
    "Knative's own namespace is not in the member roll",
    fix="kntls mesh generate member-roll --flavour ossm2",
)
def static_missing(world: World) -> Iterator[Hit]:
    """knative-serving and knative-eventing must be members, or the activator has no sidecar and tenants' policies admit
    nobody."""
    for roll in world.membership.rolls:
        members = set(map(str, roll.spec.get("members") or ()))
        missing = [name for name in STATIC if name not in members]
        if missing and members:
            yield Hit(roll, f"{' and '.join(missing)} missing")


@rule(
    "MESH-MEMBER-002",
    Severity.ERROR,
    "A tenant's namespace is not in the mesh",
    fix="kntls mesh generate member-roll --namespace NAME",
)
def tenant_missing(world: World) -> Iterator[Hit]:
    """Policies do nothing where no sidecar enforces them, and its workloads have no identity others could admit. A
    tenant's namespace is one with a tenant's policies, or with workloads that ask for a sidecar."""
    if not world.membership.ossm2 or not (world.live or world.membership.told):
        return
    wanted = {each.namespace: each.found for each in reversed(world.members) if _asks(each)} | tenants(world)
    for namespace, found in wanted.items():
        if not world.membership.members.get(namespace) and namespace != world.mesh.root_namespace:
            yield Hit(found, f"{namespace} is in no member roll")


def _asks(member: Member) -> bool:
    """Whether a workload asks for a sidecar."""
    return "true" in (member.labels.get(INJECT), member.annotations.get(INJECT))


@rule(
    "MESH-MEMBER-003",
    Severity.ERROR,
    "A namespace in two meshes",
    fix="remove it from one roll (or ServiceMeshMember)",
)
def two_rolls(world: World) -> Iterator[Hit]:
    """A namespace can belong to one control plane; the second roll reports it as unconfigured."""
    for namespace, planes in world.membership.members.items():
        if len(set(planes)) > 1:
            holders = [roll for roll in world.membership.rolls if namespace in (roll.spec.get("members") or ())]
            holders += [each for each in world.resources.all("ServiceMeshMember") if each.namespace == namespace]
            yield Hit(holders[-1], f"{namespace} is claimed by {' and '.join(dict.fromkeys(planes))}")


def _expected(world: World, member: Member) -> bool:
    """Whether the workload lies in a namespace that is meant to be in the mesh."""
    labels = world.membership.labels.get(member.namespace, {})
    labelled = labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels
    return labelled or member.namespace in world.membership.members or member.namespace in tenants(world)


@rule(
    "MESH-MEMBER-004",
    Severity.WARNING,
    "A workload of the mesh that gets no sidecar",
    fix="label the namespace istio-injection=enabled, or the pod template sidecar.istio.io/inject: 'true'",
)
def not_injected(world: World) -> Iterator[Hit]:
    """Without a sidecar nothing enforces policies in front of it, and STRICT servers refuse its calls."""
    for member in world.members:
        if _expected(world, member) and member.injected is False and member.sidecar is not True:
            yield Hit(member.found, f"{member} is not injected")


@rule(
    "MESH-MEMBER-005",
    Severity.ERROR,
    "A pod from before the injection label",
    fix="restart it: kubectl rollout restart",
)
def older_than_label(world: World) -> Iterator[Hit]:
    """Sidecars are added when a pod is made. One that runs without a sidecar where a new one would get it is older than
    the label and must be restarted."""
    for member in world.members:
        if member.found.kind == "Pod" and member.injected and member.sidecar is False:
            yield Hit(member.found, f"{member} runs without a sidecar although its namespace injects")


@rule(
    "MESH-MEMBER-006",
    Severity.ERROR,
    "A member roll not named default",
    fix="rename it to default, in the control plane's namespace",
)
def roll_name(world: World) -> Iterator[Hit]:
    """The operator reads the roll called default and refuses others."""
    for roll in world.membership.rolls:
        if roll.name != "default":
            yield Hit(roll, f"the roll is called {roll.name}")
