"""What a lint rule is, what it looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

from kntls.mesh.authz import Mesh, MtlsMode, PeerAuthentication, Workload
from kntls.mesh.authz.model import AuthorizationPolicy, RequestAuthentication
from kntls.mesh.authz.parse import authorization_policy, peer_authentication, request_authentication
from kntls.mesh.authz.peer import PeerModes, peer_modes
from kntls.mesh.authz.selection import attaches
from kntls.mesh.authz.validation import problems
from kntls.mesh.control import control_planes, settings, with_implied
from kntls.mesh.inventory import Member, Membership, inventory, membership, ports_by_protocol
from kntls.mesh.resources import Resource, Resources
from kntls.model.findings import Finding, Severity
from kntls.model.kinds import Kind, by_manifest
from kntls.model.objects import ObjectRef

Each = TypeVar("Each")
Policy = AuthorizationPolicy | PeerAuthentication | RequestAuthentication


@dataclass(frozen=True)
class Hit:
    """One thing a rule found: the object, and the reason in one sentence."""

    found: Resource
    reason: str
    severity: Severity | None = None
    """Where it differs from the rule's own."""


@dataclass(frozen=True)
class Place:
    """A workload, or one of its ports."""

    workload: str
    port: int | None = None

    def __str__(self) -> str:
        return self.workload if self.port is None else f"{self.workload} port {self.port}"


@dataclass(frozen=True)
class World:
    """Everything a rule may look at."""

    resources: Resources
    root_namespace: str = ""
    """Empty: the control plane's in the input, else istio-system."""
    live: bool = False
    """Whether the objects come from a cluster."""
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @cached_property
    def mesh(self) -> Mesh:
        """The mesh's settings."""
        return settings(self.resources, self.root_namespace)

    @cached_property
    def _everything(self) -> Resources:
        return with_implied(self.resources)

    @cached_property
    def membership(self) -> Membership:
        """Who is in the mesh."""
        return membership(self.resources)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Every workload."""
        return inventory(self.resources)

    @cached_property
    def _members_of(self) -> dict[str, list[Member]]:
        return _by_namespace((member.namespace, member) for member in self.members)

    @cached_property
    def _services_of(self) -> dict[str, list[Resource]]:
        return _by_namespace((found.namespace, found) for found in self.resources.in_group("Service", ""))

    def _valid(self, kind: str) -> Iterator[Resource]:
        return (found for found in self._everything.all(kind) if not next(iter(problems(found)), None))

    @cached_property
    def policies(self) -> tuple[tuple[Resource, AuthorizationPolicy], ...]:
        """AuthorizationPolicies that Istio accepts."""
        return tuple((found, authorization_policy(found)) for found in self._valid("AuthorizationPolicy"))

    @cached_property
    def tokens(self) -> tuple[tuple[Resource, RequestAuthentication], ...]:
        """RequestAuthentications that Istio accepts."""
        return tuple((found, request_authentication(found)) for found in self._valid("RequestAuthentication"))

    @cached_property
    def peers(self) -> tuple[tuple[Resource, PeerAuthentication], ...]:
        """PeerAuthentications that Istio accepts, and those a control plane implies."""
        return tuple((found, peer_authentication(found)) for found in self._valid("PeerAuthentication"))

    @cached_property
    def destination_rules(self) -> tuple[Resource, ...]:
        """DestinationRules, and those a control plane implies."""
        return tuple(self._everything.all("DestinationRule"))

    @property
    def mtls_known(self) -> bool:
        """Whether the input tells the mesh's mTLS modes; files that hold policies alone do not."""
        return self.live or bool(self.peers or control_planes(self.resources))

    def modes(self, workload: Workload) -> PeerModes:
        """The workload's mTLS modes."""
        return peer_modes([peer for _, peer in self.peers], workload, self.mesh.root_namespace)

    def selected(self, policy: Policy) -> tuple[Member, ...]:
        """The known workloads a policy applies to."""
        everywhere = policy.namespace == self.mesh.root_namespace
        near = self.members if everywhere else self._members_of.get(policy.namespace, ())
        return tuple(
            member
            for member in near
            if attaches(policy, member.workload)  # type: ignore[type-var] # any one of the three
        )

    def ports(self, member: Member) -> dict[int, str]:
        """Container port → `http`, `tcp` or `auto`, as the Services in front of the workload say."""
        return ports_by_protocol(self._services_of.get(member.namespace, ()), member)

    def possible_modes(self, policy: AuthorizationPolicy, ports: tuple[int, ...] = ()) -> dict[Place, MtlsMode]:
        """Where the policy applies, each with its mode: known workloads, or its scope where none is known."""
        known = self.selected(policy)
        workloads = [member.workload for member in known] or self._stand_ins(policy)
        found = {}
        for workload in workloads:
            modes = self.modes(workload)
            wanted = ports or tuple(modes.ports)
            name = f"{workload.namespace}/{workload.name}"
            if not ports:
                found[Place(name)] = modes.mode.mode
            found |= {Place(name, port): modes.of(port).mode for port in wanted}
        return found

    def _stand_ins(self, policy: AuthorizationPolicy) -> list[Workload]:
        """A workload the policy would select, and one for each PeerAuthentication that might rule such a workload."""
        labels = dict(policy.scope.labels)
        name = ",".join(f"{key}={value}" for key, value in labels.items()) or "*"
        plain = Workload(name, policy.namespace, labels=labels)
        others = [
            Workload(f"{name} under {peer.name}", peer.namespace, labels={**labels, **peer.scope.labels})
            for _, peer in self.peers
            if policy.namespace in (peer.namespace, self.mesh.root_namespace)
            and (peer.scope.labels or peer.namespace != policy.namespace)
            and all(labels.get(key, value) == value for key, value in peer.scope.labels.items())
        ]
        return [plain, *others]


def _by_namespace(pairs: Iterable[tuple[str, Each]]) -> dict[str, list[Each]]:
    found: dict[str, list[Each]] = {}
    for namespace, each in pairs:
        found.setdefault(namespace, []).append(each)
    return found


Check = Callable[[World], Iterator[Hit]]


@dataclass(frozen=True)
class Rule:
    """One rule: its stable ID, what it is about, why it matters and how to mend it."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str
    check: Check

    @property
    def anchor(self) -> str:
        """Its place in docs/mesh-lint.md."""
        return self.id.lower()


REGISTRY: dict[str, Rule] = {}
"""ID → rule, in the order of definition; filled by the modules of `kntls.mesh.lint.rules`."""


def rule(id: str, severity: Severity, title: str, *, fix: str) -> Callable[[Check], Check]:
    """Register a check; its docstring says why the rule exists and appears in the reference."""

    def register(check: Check) -> Check:
        if id in REGISTRY:
            raise ValueError(f"two rules are called {id}")
        why = " ".join((check.__doc__ or "").split())
        REGISTRY[id] = Rule(id, severity, title, why, fix, check)
        return check

    return register


def reference(found: Resource) -> ObjectRef:
    """The object a finding is about."""
    version = str(found.body.get("apiVersion", ""))
    kind = by_manifest(version, found.kind) or Kind(
        found.kind, found.group, version.rpartition("/")[2], f"{found.kind.lower()}s"
    )
    return ObjectRef(kind, found.name, found.namespace if kind.namespaced else "")


def finding(rule: Rule, hit: Hit) -> Finding:
    """A hit as a finding."""
    severity = hit.severity or rule.severity
    return Finding(rule.id, severity, reference(hit.found), hit.reason, rule.fix, hit.found.location)
