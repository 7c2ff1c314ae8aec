"""Envoy's configuration for a set of workloads: a listener each, with the filter chains Istio would give it.

Source: istio `pilot/pkg/networking/core/{filterchain_options,listener_builder,listener_inbound}.go`. Every connection
starts with a PROXY protocol header, which tells Envoy the destination port and the client's address it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kntls.mesh.authz.engine import Engine
from kntls.mesh.authz.model import JwtRule, MtlsMode, Normalization, Workload

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_HCM = f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ALPN = ["istio-peer-exchange", "istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """One workload's proxy, for the connections to one port."""

    name: str
    """The listener's."""
    engine: Engine
    workload: Workload
    port: int
    tcp: bool = False

    @property
    def mode(self) -> MtlsMode:
        """The mTLS mode of the port."""
        return self.engine.enforcement(self.workload, tcp=self.tcp).modes.of(self.port).mode


@dataclass(frozen=True)
class Backend:
    """What the configuration needs from outside: files of the server's certificate, the issuer's keys, the echo."""

    certificate: str
    key: str
    root: str
    """Paths."""
    jwks: str
    echo_port: int


def bootstrap(sites: Sequence[Site], backend: Backend, admin_path: str) -> dict[str, Any]:
    """The whole configuration; listeners take any free port."""
    return {
        "admin": {"address": _address(0)},
        "static_resources": {
            "listeners": [_listener(site, backend) for site in sites],
            "clusters": [_echo_cluster(backend.echo_port)],
        },
        "node": {"id": admin_path, "cluster": "kntls"},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _echo_cluster(port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": "echo",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "echo", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _listener(site: Site, backend: Backend) -> dict[str, Any]:
    inspectors = [
        _extension("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol"),
        _extension("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector"),
    ]
    return {
        "name": site.name,
        "address": _address(0),
        "listener_filters": inspectors,
        "filter_chains": _chains(site, backend),
        "enable_reuse_port": False,
    }


def _extension(name: str, type_name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_EXTENSIONS}.{type_name}", **config}}


def _chains(site: Site, backend: Backend) -> list[dict[str, Any]]:
    filters = _tcp_filters(site) if site.tcp else [_connection_manager(site, backend)]
    # PERMISSIVE tells Istio's mTLS from other TLS by its ALPN; STRICT takes any TLS with a client certificate
    alpn = {"application_protocols": _ALPN} if site.mode is MtlsMode.PERMISSIVE else {}
    mutual = {
        "filter_chain_match": {"transport_protocol": "tls", **alpn},
        "transport_socket": _mutual_tls(site, backend),
        "filters": filters,
    }
    plain = {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": filters}
    return {
        MtlsMode.STRICT: [mutual],
        MtlsMode.PERMISSIVE: [mutual, plain],
        MtlsMode.DISABLE: [plain],
    }[site.mode]


def _mutual_tls(site: Site, backend: Backend) -> dict[str, Any]:
    trusted = [
        {"san_type": "URI", "matcher": {"prefix": f"spiffe://{domain}/"}} for domain in site.engine.mesh.trust_domains
    ]
    pair = {"certificate_chain": {"filename": backend.certificate}, "private_key": {"filename": backend.key}}
    context = {
        "alpn_protocols": ["istio-peer-exchange", "istio", "http/1.1"],
        "tls_certificates": [pair],
        "validation_context": {"trusted_ca": {"filename": backend.root}, "match_typed_subject_alt_names": trusted},
    }
    return _extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=context,
    )


def _tcp_filters(site: Site) -> list[dict[str, Any]]:
    proxy = _extension(
        "envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="tcp", cluster="echo"
    )
    return [*site.engine.filters(site.workload, tcp=True), proxy]


def _connection_manager(site: Site, backend: Backend) -> dict[str, Any]:
    mode = site.engine.mesh.normalization
    merge = mode in (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES)
    unescape = mode is Normalization.DECODE_AND_MERGE_SLASHES
    config = {
        "@type": _HCM,
        "stat_prefix": "http",
        "normalize_path": mode is not Normalization.NONE,
        "merge_slashes": merge,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD" if unescape else "KEEP_UNCHANGED",
        # the PROXY header carries the original client, so the connection's address is it
        "use_remote_address": True,
        "http_filters": _http_filters(site, backend),
        "route_config": {"virtual_hosts": [_answer()]},
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def _answer() -> dict[str, Any]:
    """200, with the path as the policies saw it."""
    header = {"header": {"key": "x-path", "value": "%REQ(:PATH)%"}}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "response_headers_to_add": [header]}
    return {"name": "all", "domains": ["*"], "routes": [route]}


def _http_filters(site: Site, backend: Backend) -> list[dict[str, Any]]:
    filters = site.engine.filters(site.workload)
    custom = [found for found in filters if _is_custom(found)]
    token_rules = site.engine.enforcement(site.workload).tokens
    tokens = [jwt_filter(token_rules, backend.jwks)] if token_rules else []
    router = _extension("envoy.filters.http.router", "filters.http.router.v3.Router")
    return [*custom, *tokens, *filters[len(custom) :], router]


def _is_custom(found: dict[str, Any]) -> bool:
    """CUSTOM filters come first: what asks a provider, and what denies for want of one."""
    config = found["typedConfig"]
    policies = config.get("rules", {}).get("policies", {}) | config.get("shadowRules", {}).get("policies", {})
    return found["name"].endswith("ext_authz") or any(key.startswith("istio-ext-authz") for key in policies)


def jwt_filter(rules: Sequence[JwtRule], jwks: str) -> dict[str, Any]:
    """The token filter (istio `policy_applier.go`): a bad token fails, a missing one passes; every key is ours."""
    ordered = sorted(rules, key=lambda rule: rule.issuer)
    names = [f"origins-{index}" for index in range(len(ordered))]
    providers = {name: _provider(rule, jwks) for name, rule in zip(names, ordered, strict=True)}
    each = [{"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing": {}}]}} for name in names]
    if len(each) == 1:
        needs = each[0]
    else:
        alone = [{"provider_name": name} for name in names]
        needs = {"requires_any": {"requirements": [*alone, {"requires_all": {"requirements": each}}]}}
    return _extension(
        "envoy.filters.http.jwt_authn",
        "filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        rules=[{"match": {"prefix": "/"}, "requires": needs}],
        bypass_cors_preflight=True,
    )


def _provider(rule: JwtRule, jwks: str) -> dict[str, Any]:
    claims = sorted({"permission", "scope", *rule.space_delimited})
    return {
        "issuer": rule.issuer,
        "audiences": list(rule.audiences),
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": claims},
        "local_jwks": {"inline_string": jwks},
        "from_headers": [{"name": name, "value_prefix": prefix} for name, prefix in rule.headers],
        "from_params": list(rule.params),
        "from_cookies": list(rule.cookies),
    }
