"""CUSTOM policies: the filters that ask an external authorizer, from `meshConfig.extensionProviders`.

Source: istio `pilot/pkg/security/authz/builder/{builder,extauthz}.go`. The RBAC filter only observes; ext_authz acts on
the rule it names. A provider that is missing or wrong, or a second one, makes the rules deny instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from kntls.mesh.authz.compiler import BAD_CUSTOM, CUSTOM_PREFIX, AnyRule, RuleSet
from kntls.mesh.authz.model import Action
from kntls.mesh.authz.render import HTTP_RBAC, NETWORK_RBAC, TCP_PREFIX, rbac, rbac_filter

_SHADOW_PREFIX = "istio_ext_authz_"
_HTTP_TYPE = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
_TCP_TYPE = "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KINDS = ("envoyExtAuthzHttp", "envoyExtAuthzGrpc")
_DEFAULT_TIMEOUT = "600s"
_SECONDS = re.compile(r"([0-9]+)(?:\.([0-9]{1,9}))?s")
_HEADER_LISTS = (
    "includeRequestHeadersInCheck",
    "includeHeadersInCheck",
    "headersToUpstreamOnAllow",
    "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
)
_NO_STATUS = frozenset({101, 102, 103, 418, 425, 451})
"""Codes Envoy's StatusCode lacks (envoy `api/envoy/type/v3/http_status.proto`)."""
_STATUS_NAMES = {
    200: "OK",
    226: "IMUsed",
    413: "PayloadTooLarge",
    414: "URITooLong",
    416: "RangeNotSatisfiable",
    505: "HTTPVersionNotSupported",
}
"""Where Envoy's name of a code is not Python's in camel case."""


def problem(name: str, providers: Sequence[Mapping[str, Any]]) -> str:
    """Why a provider cannot be used, or an empty string."""
    found = [provider for provider in providers if provider.get("name") == name and _kind(provider)]
    if len(found) != 1:
        return f"no extension provider {name!r}" if not found else f"extension provider {name!r} is defined twice"
    if not _NAME.fullmatch(name):
        return f"extension provider name {name!r} is not a DNS label"
    reason = _config_problem(_kind(found[0]), found[0][_kind(found[0])])
    return f"extension provider {name!r}: {reason}" if reason else ""


def _config_problem(kind: str, config: Mapping[str, Any]) -> str:
    port, prefix = config.get("port"), config.get("pathPrefix") or "/"
    if not isinstance(port, int) or not 1 <= port <= 65535:
        return "port must be in the range [1, 65535]"
    if not str(config.get("service") or ""):
        return "service is empty"
    if config.get("statusOnError") and not _status(config):
        return f"unsupported statusOnError {config['statusOnError']!r}"
    if kind == "envoyExtAuthzGrpc":
        return ""
    if wild := next((key for key in _HEADER_LISTS if "*" in (config.get(key) or ())), ""):
        return f"{wild}: a lone '*' is not supported"
    return "" if prefix.startswith("/") else "pathPrefix must begin with '/'"


def is_http_only(name: str, providers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a usable provider speaks HTTP, and so is not asked about TCP connections."""
    return not problem(name, providers) and any(
        provider.get("name") == name and _kind(provider) == "envoyExtAuthzHttp" for provider in providers
    )


def custom_filters(rules: RuleSet, providers: Sequence[Mapping[str, Any]], *, tcp: bool) -> list[dict[str, Any]]:
    """The filters of the CUSTOM rules, provider by provider in the order of their names."""
    everything = (*(rules.enforced or ()), *(rules.shadow or ()))
    names = sorted({rule.policy.provider for rule in everything})
    found: list[dict[str, Any]] = []
    for name in names:
        enforced = _of(rules.enforced, name)
        if len(names) > 1 or problem(name, providers):
            found.append(rbac_filter({"rules": rbac(Action.CUSTOM, enforced, BAD_CUSTOM)}, tcp=tcp))
        else:
            provider = next(item for item in providers if item.get("name") == name)
            found += _asking(provider, enforced, _of(rules.shadow, name), tcp=tcp)
    return found


def _of(rules: tuple[AnyRule, ...] | None, provider: str) -> tuple[AnyRule, ...]:
    return tuple(rule for rule in rules or () if rule.policy.provider == provider)


def _kind(provider: Mapping[str, Any]) -> str:
    return next((kind for kind in _KINDS if provider.get(kind)), "")


def _asking(
    provider: Mapping[str, Any], enforced: tuple[AnyRule, ...], dry_run: tuple[AnyRule, ...], *, tcp: bool
) -> list[dict[str, Any]]:
    kind = _kind(provider)
    if tcp and kind == "envoyExtAuthzHttp":
        return []
    watching: dict[str, Any] = {
        "shadowRules": rbac(Action.CUSTOM, enforced),
        "shadowRulesStatPrefix": _SHADOW_PREFIX,
    }
    if dry_run:
        watching["rules"] = rbac(Action.CUSTOM, dry_run)
    return [rbac_filter(watching, tcp=tcp), _ext_authz(provider["name"], kind, provider[kind], tcp=tcp)]


def _ext_authz(name: str, kind: str, config: Mapping[str, Any], *, tcp: bool) -> dict[str, Any]:
    service = {"grpcService": _grpc(config)} if kind == "envoyExtAuthzGrpc" else {"httpService": _http(config)}
    common = {
        **service,
        **({"failureModeAllow": True} if config.get("failOpen") else {}),
        "filterEnabledMetadata": _enabled_by(NETWORK_RBAC if tcp else HTTP_RBAC, name),
        "transportApiVersion": "V3",
    }
    if tcp:
        typed = {"@type": _TCP_TYPE, **common, "statPrefix": TCP_PREFIX}
        return {"name": "envoy.filters.network.ext_authz", "typedConfig": typed}
    typed = {"@type": _HTTP_TYPE, **common, **_http_only(kind, config)}
    return {"name": "envoy.filters.http.ext_authz", "typedConfig": typed}


def _http_only(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if status := _status(config):
        found["statusOnError"] = {"code": status}
    if (body := config.get("includeRequestBodyInCheck")) is not None:
        kept = {key: body[key] for key in ("maxRequestBytes", "allowPartialMessage", "packAsBytes") if body.get(key)}
        found["withRequestBody"] = kept
    headers = config.get("includeRequestHeadersInCheck") or config.get("includeHeadersInCheck")
    if kind == "envoyExtAuthzHttp" and headers:
        found["allowedHeaders"] = _patterns(headers)
    return found


def _status(config: Mapping[str, Any]) -> str:
    """Envoy's name of a status code: `Forbidden` for 403."""
    text = str(config.get("statusOnError") or "")
    known = {str(status.value): status for status in HTTPStatus if status not in _NO_STATUS}
    if text not in known:
        return ""
    return _STATUS_NAMES.get(int(text)) or "".join(word.capitalize() for word in known[text].name.split("_"))


def _enabled_by(rbac_name: str, provider: str) -> dict[str, Any]:
    return {
        "filter": rbac_name,
        "path": [{"key": f"{_SHADOW_PREFIX}shadow_effective_policy_id"}],
        "value": {"stringMatch": {"prefix": f"{CUSTOM_PREFIX}-{provider}"}},
    }


def _host(config: Mapping[str, Any]) -> str:
    return str(config["service"]).rpartition("/")[2]


def _cluster(config: Mapping[str, Any]) -> str:
    return f"outbound|{config['port']}||{_host(config)}"


def _grpc(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "envoyGrpc": {"clusterName": _cluster(config), "authority": _host(config)},
        "timeout": _timeout(config),
    }


def _timeout(config: Mapping[str, Any]) -> str:
    """The timeout as protobuf's JSON writes durations: no fraction, or one of three, six or nine digits."""
    text = str(config.get("timeout") or _DEFAULT_TIMEOUT)
    found = _SECONDS.fullmatch(text)
    fraction = (found[2] or "").rstrip("0") if found else ""
    if found is None:
        return text
    digits = fraction.ljust(-(-len(fraction) // 3) * 3, "0")
    return f"{int(found[1])}.{digits}s" if digits else f"{int(found[1])}s"


def _http(config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "serverUri": {"uri": f"http://{_host(config)}", "cluster": _cluster(config), "timeout": _timeout(config)}
    }
    if prefix := config.get("pathPrefix"):
        found["pathPrefix"] = prefix
    if added := config.get("includeAdditionalHeadersInCheck"):
        headers = [{"key": key, "value": added[key]} for key in sorted(added)]
        found["authorizationRequest"] = {"headersToAdd": headers}
    answers = {
        "allowedUpstreamHeaders": config.get("headersToUpstreamOnAllow"),
        "allowedClientHeaders": config.get("headersToDownstreamOnDeny"),
        "allowedClientHeadersOnSuccess": config.get("headersToDownstreamOnAllow"),
    }
    if any(answers.values()):
        found["authorizationResponse"] = {key: _patterns(value) for key, value in answers.items() if value}
    return found


def _patterns(headers: Sequence[str]) -> dict[str, Any]:
    return {"patterns": [_pattern(header) for header in headers]}


def _pattern(header: str) -> dict[str, Any]:
    if header.startswith("*"):
        return {"suffix": header[1:], "ignoreCase": True}
    if header.endswith("*"):
        return {"prefix": header[:-1], "ignoreCase": True}
    return {"exact": header, "ignoreCase": True}
