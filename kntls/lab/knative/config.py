"""`config-network` and `config-certmanager` as Knative 1.23 parses them, traps included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from kntls.lab.objects import Object

CERTIFICATE_CLASS = "cert-manager.certificate.networking.knative.dev"
DEFAULT_ISSUER = {"kind": "ClusterIssuer", "name": "knative-selfsigned-issuer"}
TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")


class BadConfig(ValueError):
    """A value that Knative's constructors refuse; the text is theirs."""


@dataclass(frozen=True)
class Network:
    """What `config-network` says."""

    system_internal_tls: bool = False
    cluster_local_domain_tls: bool = False
    external_domain_tls: bool = False
    certificate_class: str = CERTIFICATE_CLASS
    ingress_class: str = "istio.ingress.networking.knative.dev"
    http_protocol: str = "enabled"
    domain_template: str = "{{.Name}}.{{.Namespace}}.{{.Domain}}"
    wildcard_selector: Mapping[str, Any] | None = None

    @property
    def any_tls(self) -> bool:
        """What a controller asks at its start to decide whether it makes certificates at all."""
        tls = self.system_internal_tls or self.cluster_local_domain_tls or self.external_domain_tls
        return tls or self.wildcard_selector is not None


@dataclass(frozen=True)
class Issuers:
    """What `config-certmanager` says: the issuerRef for each type of certificate."""

    external: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ISSUER))
    cluster_local: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ISSUER))
    system_internal: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ISSUER))

    def for_type(self, kind: str) -> Mapping[str, str]:
        """The reference for a KCert's `networking.knative.dev/certificate-type` label."""
        known = {"system-internal": self.system_internal, "cluster-local-domain": self.cluster_local}
        return known.get(kind, self.external)


def _data(config_map: Object | None) -> dict[str, str]:
    return (config_map or {}).get("data") or {}


def _flag(data: Mapping[str, str], key: str) -> bool:
    value = data.get(key, "")
    if value.lower() not in ("", "enabled", "disabled"):
        raise BadConfig(f'{key} with value: "{value}" in config-network ConfigMap is not supported')
    return value.lower() == "enabled"


def _legacy_internal(data: Mapping[str, str]) -> bool:
    """`internal-encryption: true` wins over `system-internal-tls: Disabled`."""
    value = data.get("internal-encryption", "")
    if value and value not in TRUE + FALSE:
        raise BadConfig(f'failed to parse "internal-encryption": strconv.ParseBool: parsing "{value}": invalid syntax')
    return value in TRUE


def _external(data: Mapping[str, str]) -> bool:
    found = next((data[key] for key in ("external-domain-tls", "auto-tls", "autoTLS") if key in data), "")
    return found.lower() == "enabled"


def network(config_map: Object | None) -> Network:
    """Parse `config-network`.

    Raises:
        BadConfig: a value the webhook refuses and a starting component dies of.
    """
    data = _data(config_map)
    protocol = (data.get("http-protocol") or data.get("httpProtocol") or "enabled").lower()
    if protocol not in ("enabled", "redirected", "disabled"):
        raise BadConfig(f"httpProtocol {protocol} in config-network ConfigMap is not supported")
    return Network(
        system_internal_tls=_flag(data, "system-internal-tls") or _legacy_internal(data),
        cluster_local_domain_tls=_flag(data, "cluster-local-domain-tls"),
        external_domain_tls=_external(data),
        certificate_class=data.get("certificate-class") or data.get("certificate.class") or CERTIFICATE_CLASS,
        ingress_class=data.get("ingress-class") or data.get("ingress.class") or Network.ingress_class,
        http_protocol=protocol,
        domain_template=data.get("domain-template") or data.get("domainTemplate") or Network.domain_template,
        wildcard_selector=_selector(data.get("namespace-wildcard-cert-selector", "")),
    )


def _selector(text: str) -> Mapping[str, Any] | None:
    if not text:
        return None
    found = _parsed(text)
    if not isinstance(found, dict):
        raise BadConfig("failed to parse namespace-wildcard-cert-selector: not a label selector")
    return found


def _parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadConfig(f"error converting YAML to JSON: yaml: {_as_go(error)}") from error


def _as_go(error: yaml.YAMLError) -> str:
    """A YAML error in the words of Go's parser."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    where = f"line {mark.line + 1}: " if mark else ""
    expected = problem.split(", but")[0]
    return where + ("did not find " + expected if expected.startswith("expected") else expected)


def _reference(data: Mapping[str, str], key: str) -> Mapping[str, str]:
    """A reference laid over the default one: what it leaves out stays the default's."""
    found = _parsed(data[key]) if data.get(key) else {}
    if not isinstance(found, dict):
        raise BadConfig(
            f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {type(found).__name__} into Go value"
            " of type v1.ObjectReference"
        )
    known = {name: str(found[name]) for name in ("name", "kind", "group") if found.get(name)}
    return {**DEFAULT_ISSUER, **known}


def issuers(config_map: Object | None) -> Issuers:
    """Parse `config-certmanager`.

    Raises:
        BadConfig: a value that is no YAML, or no object reference.
    """
    data = _data(config_map)
    return Issuers(
        external=_reference(data, "issuerRef"),
        cluster_local=_reference(data, "clusterLocalIssuerRef"),
        system_internal=_reference(data, "systemInternalIssuerRef"),
    )
