"""Knative's configuration as its controllers read it, traps included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kntls.errors import InputError
from kntls.knative.names import CONFIG_CERTMANAGER, CONFIG_NETWORK, LEGACY_FLAG, Surface
from kntls.model.kinds import CONFIG_MAP
from kntls.model.objects import dig
from kntls.model.observation import Observation

DEFAULT_ISSUER = "knative-selfsigned-issuer"
"""The default of all three issuer references; nothing installs it since 1.15."""
GO_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
GO_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
EXTERNAL_SPELLINGS = (Surface.EXTERNAL_DOMAIN.flag, "auto-tls", "autoTLS")


@dataclass(frozen=True)
class Network:
    """config-network, as `pkg/config/config.go` of knative.dev/networking parses it."""

    data: Mapping[str, str]

    def on(self, surface: Surface) -> bool:
        """Whether the surface is on. An illegal value counts as off here and is a finding of its own."""
        if surface == Surface.EXTERNAL_DOMAIN:
            value = next((self.data[key] for key in EXTERNAL_SPELLINGS if key in self.data), "")
            return value.lower() == "enabled"
        return self.data.get(surface.flag, "").lower() == "enabled" or (
            surface == Surface.SYSTEM_INTERNAL and self.legacy
        )

    @property
    def legacy(self) -> bool:
        """Whether the legacy key turns system-internal encryption on, whatever the new key says."""
        return self.data.get(LEGACY_FLAG, "") in GO_TRUE

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """All surfaces that are on."""
        return tuple(surface for surface in Surface if self.on(surface))

    @property
    def ingress_class(self) -> str:
        """The ingress class; Istio's where nothing is set (networking `pkg/config/config.go`)."""
        keys = ("ingress-class", "ingress.class")
        default = "istio.ingress.networking.knative.dev"
        return next((self.data[key] for key in keys if self.data.get(key)), default)


@dataclass(frozen=True)
class IssuerRef:
    """An issuer as config-certmanager names it."""

    name: str
    kind: str = "ClusterIssuer"
    group: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def _data(observation: Observation, namespace: str, name: str) -> Mapping[str, str]:
    found = observation.get(CONFIG_MAP, name, namespace)
    return {key: value for key, value in dig(found or {}, "data", default={}).items() if key != "_example"}


def network(observation: Observation, namespace: str) -> Network:
    """config-network of that namespace."""
    return Network(_data(observation, namespace, CONFIG_NETWORK))


def issuer_ref(observation: Observation, namespace: str, surface: Surface) -> IssuerRef:
    """The issuer a surface's certificates name, with Knative's default laid under what is set.

    Raises `InputError` for a value that is not YAML: the controller would not start with it.
    """
    import yaml

    value = _data(observation, namespace, CONFIG_CERTMANAGER).get(surface.issuer_key, "")
    where = f"ConfigMap {namespace}/{CONFIG_CERTMANAGER} key {surface.issuer_key}"
    try:
        parsed = yaml.safe_load(value) or {}
    except yaml.YAMLError:
        raise InputError("not YAML", where=where, fix="write `name:` and `kind:` lines") from None
    if not isinstance(parsed, dict):
        raise InputError("not a reference with name and kind", where=where)
    return IssuerRef(
        str(parsed.get("name") or DEFAULT_ISSUER),
        str(parsed.get("kind") or "ClusterIssuer"),
        str(parsed.get("group") or ""),
    )


def render_issuer_ref(name: str) -> str:
    """The value that names a ClusterIssuer."""
    return f"kind: ClusterIssuer\nname: {name}\n"


def configured_issuers(observation: Observation, namespace: str) -> dict[Surface, IssuerRef]:
    """The issuer of each surface that is on."""
    return {
        surface: issuer_ref(observation, namespace, surface) for surface in network(observation, namespace).surfaces
    }
