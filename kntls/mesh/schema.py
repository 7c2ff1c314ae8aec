"""The fields of the Istio kinds kntls evaluates, as their CRDs declare them: finds unknown fields and wrong types.

Source: istio `manifests/charts/base/files/crd-all.gen.yaml` (1.31).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class Anything:
    """A field whose content is not looked at."""

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Nothing can be wrong."""
        return iter(())


@dataclass(frozen=True)
class Scalar:
    """A string, integer, boolean or one of a set of strings."""

    of: type
    choices: tuple[str, ...] = ()
    others: tuple[type, ...] = ()
    """Further types that will do."""

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Wrong type, or a string that is not one of the choices."""
        types = (self.of, *self.others)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(_NAMES[each] for each in types)
            yield path, f"must be {names}, not {_NAMES.get(type(value), type(value).__name__)}"
        elif self.choices and value not in self.choices:
            yield path, f"{value!r} is not one of {', '.join(self.choices)}"


@dataclass(frozen=True)
class ListOf:
    """A list of one shape."""

    item: Shape

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Not a list, or what is wrong with its items."""
        if not isinstance(value, list):
            yield path, f"must be a list, not {_NAMES.get(type(value), type(value).__name__)}"
            return
        for index, item in enumerate(value):
            yield from self.item.problems(item, f"{path}[{index}]")


@dataclass(frozen=True)
class MapOf:
    """A mapping from any string to one shape."""

    item: Shape

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Not a mapping, or what is wrong with its values."""
        if not isinstance(value, Mapping):
            yield path, f"must be a mapping, not {_NAMES.get(type(value), type(value).__name__)}"
            return
        for key, item in value.items():
            yield from self.item.problems(item, f"{path}[{key}]")


class Struct:
    """A mapping with known fields."""

    def __init__(self, **fields: Shape) -> None:
        self.fields = fields

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Not a mapping, an unknown field, or what is wrong with the known ones; a null is an absent field."""
        if not isinstance(value, Mapping):
            yield path, f"must be a mapping, not {_NAMES.get(type(value), type(value).__name__)}"
            return
        for key, item in value.items():
            here = f"{path}.{key}"
            if key not in self.fields:
                yield here, f"unknown field {str(key)!r}; known here: {', '.join(self.fields)}"
            elif item is not None:
                yield from self.fields[key].problems(item, here)


class Part(Struct):
    """A mapping of which only some fields are looked at; the others may be anything."""

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Not a mapping, or what is wrong with the fields that are looked at."""
        known = (
            {key: item for key, item in value.items() if key in self.fields} if isinstance(value, Mapping) else value
        )
        return super().problems(known, path)


Shape = Anything | Scalar | ListOf | MapOf | Struct

_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    type(None): "null",
}

ANY = Anything()
STRING, INTEGER, BOOLEAN = Scalar(str), Scalar(int), Scalar(bool)
INTEGER_OR_STRING = Scalar(int, others=(str,))
STRINGS = ListOf(STRING)
SELECTOR = Struct(matchLabels=MapOf(STRING))
TARGET = Struct(group=STRING, kind=STRING, name=STRING, namespace=STRING)
_ATTACHMENT: Mapping[str, Shape] = {"selector": SELECTOR, "targetRef": TARGET, "targetRefs": ListOf(TARGET)}

SOURCE_FIELDS = (
    "principals",
    "requestPrincipals",
    "serviceAccounts",
    "trustDomains",
    "namespaces",
    "remoteIpBlocks",
    "ipBlocks",
)
"""Fields of a rule's `source`, in the order in which Istio renders them."""
OPERATION_FIELDS = ("hosts", "methods", "paths", "ports")
"""Fields of a rule's `operation`, in the order in which Istio renders them."""


def negated(name: str) -> str:
    """The field that negates another: `notPrincipals` for `principals`."""
    return f"not{name[0].upper()}{name[1:]}"


def _both(names: tuple[str, ...]) -> Struct:
    return Struct(**{field: STRINGS for name in names for field in (name, negated(name))})


AUTHORIZATION_POLICY = Struct(
    **_ATTACHMENT,
    action=Scalar(str, ("ALLOW", "DENY", "AUDIT", "CUSTOM")),
    provider=Struct(name=STRING),
    rules=ListOf(
        Struct(
            **{
                "from": ListOf(Struct(source=_both(SOURCE_FIELDS))),
                "to": ListOf(Struct(operation=_both(OPERATION_FIELDS))),
                "when": ListOf(Struct(key=STRING, values=STRINGS, notValues=STRINGS)),
            }
        )
    ),
)

_MTLS = Struct(mode=Scalar(str, ("UNSET", "DISABLE", "PERMISSIVE", "STRICT")))
PEER_AUTHENTICATION = Struct(selector=SELECTOR, mtls=_MTLS, portLevelMtls=MapOf(_MTLS))

REQUEST_AUTHENTICATION = Struct(
    **_ATTACHMENT,
    jwtRules=ListOf(
        Struct(
            issuer=STRING,
            audiences=STRINGS,
            jwksUri=STRING,
            jwks_uri=STRING,
            jwks=STRING,
            fromHeaders=ListOf(Struct(name=STRING, prefix=STRING)),
            fromParams=STRINGS,
            fromCookies=STRINGS,
            outputPayloadToHeader=STRING,
            forwardOriginalToken=BOOLEAN,
            outputClaimToHeaders=ListOf(Struct(header=STRING, claim=STRING)),
            timeout=STRING,
            spaceDelimitedClaims=STRINGS,
        )
    ),
)

_TLS = Struct(
    mode=Scalar(str, ("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")),
    clientCertificate=STRING,
    privateKey=STRING,
    caCertificates=STRING,
    caCrl=STRING,
    credentialName=STRING,
    subjectAltNames=STRINGS,
    sni=STRING,
    insecureSkipVerify=BOOLEAN,
)
_PORT_POLICY: Mapping[str, Shape] = {
    "loadBalancer": ANY,
    "connectionPool": ANY,
    "outlierDetection": ANY,
    "tls": _TLS,
}
_TRAFFIC_POLICY = Struct(
    **_PORT_POLICY,
    portLevelSettings=ListOf(Struct(port=Struct(number=INTEGER), **_PORT_POLICY)),
    tunnel=ANY,
    proxyProtocol=ANY,
    retryBudget=ANY,
)
DESTINATION_RULE = Struct(
    host=STRING,
    trafficPolicy=_TRAFFIC_POLICY,
    subsets=ListOf(Struct(name=STRING, labels=MapOf(STRING), trafficPolicy=_TRAFFIC_POLICY)),
    exportTo=STRINGS,
    workloadSelector=SELECTOR,
)

SPECS: Mapping[str, Struct] = {
    "AuthorizationPolicy": AUTHORIZATION_POLICY,
    "PeerAuthentication": PEER_AUTHENTICATION,
    "RequestAuthentication": REQUEST_AUTHENTICATION,
    "DestinationRule": DESTINATION_RULE,
}
"""Kind → the shape of its `spec`."""

GROUPS: Mapping[str, frozenset[str]] = {
    "security.istio.io": frozenset({"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"}),
    "networking.istio.io": frozenset(
        {
            "DestinationRule",
            "EnvoyFilter",
            "Gateway",
            "ProxyConfig",
            "ServiceEntry",
            "Sidecar",
            "VirtualService",
            "WorkloadEntry",
            "WorkloadGroup",
        }
    ),
    "telemetry.istio.io": frozenset({"Telemetry"}),
    "extensions.istio.io": frozenset({"WasmPlugin", "TrafficExtension"}),
    "maistra.io": frozenset(
        {
            "ServiceMeshControlPlane",
            "ServiceMeshMember",
            "ServiceMeshMemberRoll",
            "ServiceMeshPeer",
            "ExportedServiceSet",
        }
    ),
    "sailoperator.io": frozenset({"Istio", "IstioRevision", "IstioRevisionTag", "IstioCNI", "ZTunnel"}),
}
"""Mesh API group → the kinds it serves; a kind that is not listed does not exist."""
