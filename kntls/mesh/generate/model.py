"""What every generator is given and gives back, and the few shapes they share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kntls.errors import Refused, UsageError
from kntls.mesh.outsiders import Scope
from kntls.model.kinds import Kind

Manifest = dict[str, Any]
"""One Kubernetes object as it is written to YAML."""


class Flavour(StrEnum):
    """Whose mesh: upstream Istio, OpenShift Service Mesh 2 (Maistra) or 3 (Sail)."""

    ISTIO = "istio"
    OSSM2 = "ossm2"
    OSSM3 = "ossm3"


@dataclass(frozen=True)
class Target:
    """The mesh to generate for."""

    flavour: Flavour = Flavour.ISTIO
    root_namespace: str = "istio-system"
    """`meshConfig.rootNamespace`: where the control plane lives and mesh-wide policies go."""
    cluster_domain: str = "cluster.local"
    trust_domain: str = "cluster.local"
    """First part of principals; Istio reads `cluster.local` as the local trust domain whatever its name."""
    control_plane: str = ""
    """Name of the control plane's own resource; the flavour's usual one when empty."""

    def api_version(self, kind: Kind) -> str:
        """The version to write: OSSM 2 (Istio ≤ 1.20) serves Istio's kinds as v1beta1 only, later ones as v1."""
        istio = kind.group in ("security.istio.io", "networking.istio.io")
        return f"{kind.group}/v1beta1" if istio and self.flavour is Flavour.OSSM2 else kind.api_version

    @property
    def gateway_selector(self) -> dict[str, str]:
        """The label of the ingress gateway's pods that serve Knative."""
        key = "istio" if self.flavour is Flavour.ISTIO else "knative"
        return {key: "ingressgateway"}

    @property
    def control_plane_name(self) -> str:
        """`basic` for an SMCP, `default` for an Istio CR, unless one was given."""
        return self.control_plane or ("basic" if self.flavour is Flavour.OSSM2 else "default")

    def manifest(self, kind: Kind, name: str, namespace: str = "", **body: Any) -> Manifest:
        """A manifest of that kind, in the flavour's version; `body` follows the metadata."""
        check_name(name, f"{kind} name")
        metadata: dict[str, Any] = {"name": name}
        if kind.namespaced:
            metadata["namespace"] = check_label(namespace, "namespace")
        return {
            "apiVersion": self.api_version(kind),
            "kind": kind.manifest_kind,
            "metadata": metadata,
            **body,
        }


@dataclass(frozen=True)
class Generated:
    """What a generator made: objects in the order to apply them, what to know about them, and non-object files."""

    objects: tuple[Manifest, ...] = ()
    notes: tuple[str, ...] = ()
    """One sentence each: consequences, what the flavour has no equivalent for, commands that go with it."""
    files: Mapping[str, Any] = field(default_factory=dict)
    """File name → content that is no Kubernetes object (Helm values for istiod)."""
    secret_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`namespace/name` of a Secret → `key=path` of the user's own files; only a reference is ever written."""

    strict: Scope | None = None
    """What becomes STRICT, where something does: callers and servers outside the mesh would break."""

    def __add__(self, other: Generated) -> Generated:
        """Both, in order."""
        return Generated(
            self.objects + other.objects,
            self.notes + other.notes,
            {**self.files, **other.files},
            {**self.secret_files, **other.secret_files},
            self.strict or other.strict,
        )


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")


def check_label(value: str, what: str) -> str:
    """The value, if it is a DNS label (RFC 1123); else a usage error that names it."""
    if not _LABEL.match(value):
        raise UsageError(f"{value!r} is no valid {what}", fix="use lower-case letters, digits and '-', at most 63")
    return value


def check_name(value: str, what: str) -> str:
    """The value, if it is a DNS subdomain (RFC 1123); else a usage error that names it."""
    if not _NAME.match(value):
        raise UsageError(f"{value!r} is no valid {what}", fix="use lower-case letters, digits, '-' and '.'")
    return value


def parse_labels(text: str) -> dict[str, str]:
    """`app=httpbin,version=v1` as match labels; Istio refuses wildcards in them (CRD rule on matchLabels)."""
    labels: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or not _KEY.match(key) or not _VALUE.match(value):
            raise UsageError(f"{part!r} is no label", fix="write selectors as key=value,key=value")
        labels[key] = value
    return labels


def selector(labels: Mapping[str, str] | None) -> dict[str, Any]:
    """`selector:` with those labels, or nothing."""
    return {"selector": {"matchLabels": dict(labels)}} if labels else {}


def check_namespaces(namespaces: Sequence[str], what: str = "namespace") -> tuple[str, ...]:
    """At least one valid namespace and none twice; usage errors otherwise."""
    if not namespaces:
        raise UsageError(f"no {what} given", fix="add --namespace NAME, once for each")
    doubled = sorted({name for name in namespaces if list(namespaces).count(name) > 1})
    if doubled:
        raise UsageError(f"{what} {doubled[0]} is given twice")
    return tuple(check_label(name, what) for name in namespaces)


def check_port(value: str) -> str:
    """The value, if it is a port's number; else a usage error that names it."""
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= 65535):
        raise UsageError(f"{value!r} is no port", fix="give the container's port, 1 to 65535")
    return value


def refuse_wildcard_trap(namespaces: Sequence[str], cluster_domain: str) -> None:
    """Refuse names that make `*.NAME` match hosts of other namespaces: `svc` and every label of the cluster domain.

    Istio matches `*.NAME` as a suffix of `:authority`, so a namespace called `local` would own every host
    of the cluster.
    """
    traps = {"svc", "cluster", "local", *cluster_domain.split(".")}
    trapped = [name for name in namespaces if name in traps]
    if trapped:
        raise Refused(
            f"{trapped[0]!r} as a name would let *.{trapped[0]} match hosts of every other namespace",
            fix="give tenant and namespaces other names",
        )
