"""What becomes of one request: order of actions, scopes, identities, tokens, modes."""

import base64
import json

import pytest
import yaml

from kntls.mesh import resources
from kntls.mesh.authz import Cause, Mesh, MtlsMode, Request, Workload
from kntls.mesh.world import build

WEB = Workload("web", "foo", labels={"app": "web"})
FRIEND = "spiffe://cluster.local/ns/friends/sa/x"
KINDS = {"A": "AuthorizationPolicy", "P": "PeerAuthentication", "R": "RequestAuthentication"}


def engine(*entries, mesh=None):
    """An engine of `KIND NAMESPACE/NAME SPEC` entries; annotations and age as `@key=value` words before the spec."""
    return build(resources.from_objects([manifest(entry) for entry in entries]), mesh or Mesh()).engine


def manifest(entry):
    kind, name, rest = entry.split(" ", 2)
    metadata = dict(zip(("namespace", "name"), name.split("/"), strict=True))
    while rest.startswith("@"):
        word, rest = rest.split(" ", 1)
        key, value = word[1:].split("=")
        if key == "created":
            metadata["creationTimestamp"] = value
        else:
            metadata["annotations"] = {key: value}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": KINDS[kind],
        "metadata": metadata,
        "spec": yaml.safe_load(rest),
    }


def decide(*entries, peer=FRIEND, token=None, now=None, mesh=None, workload=WEB, **request):
    return engine(*entries, mesh=mesh).decide(workload, Request(80, peer=peer, **request), token, now=now)


ALLOW_FRIENDS = "A foo/friends {rules: [{from: [{source: {namespaces: [friends]}}]}]}"
ALLOW_ALL, CLOSED = "A foo/all {rules: [{}]}", "A foo/none {}"
DENY_GET = "A foo/deny {action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}"


class TestOrder:
    def test_no_policy_lets_everything_through(self):
        assert decide().cause is Cause.NO_POLICY

    def test_an_empty_allow_policy_closes_and_another_opens(self):
        assert decide(CLOSED).code == "403"
        assert decide(CLOSED, ALLOW_FRIENDS).code == "200"

    def test_deny_goes_before_allow(self):
        found = decide(ALLOW_ALL, DENY_GET)
        assert (found.code, found.rule.key) == ("403", "ns[foo]-policy[deny]-rule[0]")

    def test_a_lone_deny_policy_leaves_the_rest_open(self):
        assert decide(DENY_GET, method="POST").cause is Cause.NO_POLICY

    def test_audit_decides_nothing_and_is_told(self):
        found = decide("A foo/watch {action: AUDIT, rules: [{}]}")
        assert (found.code, found.audited) == ("200", ("ns[foo]-policy[watch]-rule[0]",))

    @pytest.mark.parametrize(
        ("word", "code"), [("true", "200"), ("T", "200"), ("1", "200"), ("0", "403"), ("false", "403")]
    )
    def test_a_dry_run_allow_policy_does_not_close_its_workload(self, word, code):
        assert decide(f"A foo/dry @istio.io/dry-run={word} {{}}").code == code

    def test_a_dry_run_deny_policy_denies_nothing(self):
        assert decide("A foo/dry @istio.io/dry-run=true {action: DENY, rules: [{}]}").code == "200"

    def test_custom_without_a_usable_provider_denies_what_it_matches(self):
        spec = "A foo/ask {action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {paths: [/a]}}]}]}"
        assert decide(spec, path="/a").cause is Cause.CUSTOM_DENIES
        assert decide(spec, path="/b").code == "200"

    def test_custom_with_one_names_who_is_asked(self):
        provider = {"name": "p", "envoyExtAuthzHttp": {"service": "a.b.svc.cluster.local", "port": 80}}
        spec = "A foo/ask {action: CUSTOM, provider: {name: p}, rules: [{}]}"
        assert decide(spec, mesh=Mesh(providers=(provider,))).asks == ("p",)

    def test_an_http_provider_is_not_asked_about_tcp(self):
        provider = {"name": "p", "envoyExtAuthzHttp": {"service": "a.b.svc.cluster.local", "port": 80}}
        spec = "A foo/ask {action: CUSTOM, provider: {name: p}, rules: [{}]}"
        assert decide(spec, mesh=Mesh(providers=(provider,)), tcp=True).asks == ()


class TestScope:
    def test_root_namespace_policies_apply_everywhere_also_with_a_selector(self):
        assert decide("A istio-system/root {}").code == "403"
        assert decide("A istio-system/root {selector: {matchLabels: {app: web}}}").code == "403"
        assert decide("A istio-system/root {selector: {matchLabels: {app: other}}}").code == "200"

    def test_another_root_namespace_takes_its_place(self):
        assert decide("A istio-system/root {}", mesh=Mesh(root_namespace="mesh")).code == "200"
        assert decide("A mesh/root {}", mesh=Mesh(root_namespace="mesh")).code == "403"

    def test_an_empty_selector_selects_all_and_every_label_must_fit(self):
        assert decide("A foo/p {selector: {}}").code == "403"
        assert decide("A foo/p {selector: {matchLabels: {app: web, version: v1}}}").code == "200"

    def test_a_target_reference_never_takes_a_sidecar(self):
        target = "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]}"
        assert decide(f"A foo/p {target}").code == "200"
        gateway = Workload("gw", "foo", labels={"gateway.networking.k8s.io/gateway-name": "gw"})
        assert decide(f"A foo/p {target}", workload=gateway).code == "403"
        assert decide(f"A istio-system/p {target}", workload=gateway).code == "200"


class TestIdentity:
    @pytest.mark.parametrize(
        ("source", "matches"),
        [
            ("principals: [cluster.local/ns/friends/sa/x]", True),
            ("principals: [cluster.local/ns/friends/sa/y]", False),
            ("principals: ['*']", True),
            ("namespaces: [friends]", True),
            ("namespaces: [friend]", False),
            ("namespaces: ['f*s']", True),
            ("serviceAccounts: [friends/x]", True),
            ("serviceAccounts: [x]", False),
            ("trustDomains: [cluster.local]", True),
            ("trustDomains: ['*.org']", False),
            ("notNamespaces: [friends]", False),
            ("notPrincipals: [cluster.local/ns/other/sa/x]", True),
        ],
    )
    def test_a_peer_is_known_by_its_certificate(self, source, matches):
        found = decide(f"A foo/p {{rules: [{{from: [{{source: {{{source}}}}}]}}]}}")
        assert found.allowed is matches

    @pytest.mark.parametrize("field", ["principals", "namespaces", "serviceAccounts", "trustDomains"])
    def test_plaintext_has_no_identity_so_it_never_matches_and_always_matches_the_negation(self, field):
        value = "x" if field == "serviceAccounts" else "*"
        negation = f"not{field[0].upper()}{field[1:]}"
        rule = "A foo/p {{rules: [{{from: [{{source: {{{}: ['{}']}}}}]}}]}}"
        assert decide(rule.format(field, value), peer=None).code == "403"
        assert decide(rule.format(negation, value), peer=None).code == "200"

    def test_denying_not_any_principal_denies_plaintext_and_nothing_else(self):
        rule = "A foo/p {action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}"
        assert decide(rule, peer=None).code == "403"
        assert decide(rule).code == "200"

    def test_a_peer_of_another_trust_domain_gets_no_connection(self):
        assert decide(peer="spiffe://elsewhere/ns/friends/sa/x").code == "000"
        assert decide(peer="spiffe://old/ns/friends/sa/x", mesh=Mesh(aliases=("old",))).code == "200"

    def test_one_rule_needs_source_operation_and_conditions_together(self):
        rule = """A foo/p {rules: [{from: [{source: {namespaces: [friends]}}, {source: {namespaces: [others]}}],
          to: [{operation: {methods: [GET]}}, {operation: {paths: [/a]}}],
          when: [{key: 'request.headers[X-Tenant]', values: [t]}]}]}"""
        headers = {"x-tenant": "t"}
        assert decide(rule, headers=headers).code == "200"
        assert decide(rule, headers=headers, method="POST").code == "403"
        assert decide(rule, headers=headers, method="POST", path="/a?b").code == "200"
        assert decide(rule).code == "403"
        assert decide(rule, headers=headers, peer="spiffe://cluster.local/ns/nobody/sa/x").code == "403"


class TestRequest:
    @pytest.mark.parametrize(
        ("operation", "request_", "matches"),
        [
            ("hosts: ['*.foo.svc']", {"authority": "A.FOO.SVC"}, True),
            ("hosts: ['*.foo.svc']", {"authority": "a.foo.svc:80"}, False),
            ("methods: [get]", {}, False),
            ("paths: [/a]", {"path": "/a?x=/b"}, True),
            ("paths: [/a]", {"path": "/b/../a"}, True),
            ("paths: ['/a/{*}']", {"path": "/a/b"}, True),
            ("paths: ['/a/{*}']", {"path": "/a/"}, False),
            ("paths: ['/a/{*}']", {"path": "/a/b/c"}, False),
            ("paths: ['/a/{**}']", {"path": "/a/"}, True),
            ("paths: ['/a/{**}']", {"path": "/a"}, False),
            ("paths: ['/{**}/c']", {"path": "/a/b/c"}, True),
            ("paths: ['/store/{**}/cart']", {"path": "/store/cart"}, False),
            ("ports: ['80']", {}, True),
            ("notPorts: ['80']", {}, False),
        ],
    )
    def test_operations_look_at_host_method_path_and_port(self, operation, request_, matches):
        assert decide(f"A foo/p {{rules: [{{to: [{{operation: {{{operation}}}}}]}}]}}", **request_).allowed is matches

    def test_addresses_are_the_connections_and_the_original_clients(self):
        direct = "A foo/p {rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}"
        remote = "A foo/p {rules: [{from: [{source: {remoteIpBlocks: [10.1.2.3]}}]}]}"
        assert decide(direct, source_ip="10.1.2.3", remote_ip="192.0.2.1").code == "200"
        assert decide(direct, source_ip="192.0.2.1", remote_ip="10.1.2.3").code == "403"
        assert decide(remote, source_ip="192.0.2.1", remote_ip="10.1.2.3").code == "200"
        assert decide(direct).code == "403"

    def test_a_path_that_cannot_be_normalized_is_a_bad_request(self):
        assert decide(path="/a%00b").code == "400"


ISSUER = "R foo/jwt {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: i, jwksUri: 'https://i/keys'}]}"
NEEDS_TOKEN = "A foo/needs {action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"


class TestTokens:
    def test_no_token_is_fine_for_a_request_authentication_and_not_for_a_policy_that_wants_one(self):
        assert decide(ISSUER).code == "200"
        assert decide(ISSUER, NEEDS_TOKEN).code == "403"

    def test_a_valid_token_satisfies_the_policy(self):
        assert decide(ISSUER, NEEDS_TOKEN, token={"iss": "i", "sub": "me"}).code == "200"

    @pytest.mark.parametrize("token", ["garbage", {"iss": "other"}, {"iss": "i", "exp": 10}, {"iss": "i", "nbf": 1000}])
    def test_an_invalid_token_is_401_even_before_a_policy_that_denies(self, token):
        assert decide(ISSUER, CLOSED, token=token, now=100).code == "401"

    def test_without_a_request_authentication_a_token_is_nothing(self):
        assert decide(NEEDS_TOKEN, token={"iss": "i", "sub": "me"}).code == "403"
        assert decide(token="garbage").code == "200"

    def test_a_wrong_audience_is_403(self):
        rule = "R foo/jwt {jwtRules: [{issuer: i, jwksUri: 'https://i', audiences: [a]}]}"
        assert decide(rule, token={"iss": "i", "aud": "b"}).code == "403"
        assert decide(rule, token={"iss": "i", "aud": ["b", "a"]}).code == "200"

    def test_scope_and_permission_are_lists_of_words(self):
        rule = "A foo/p {rules: [{when: [{key: 'request.auth.claims[scope]', values: [read]}]}]}"
        assert decide(ISSUER, rule, token={"iss": "i", "scope": "write read"}).code == "200"

    def test_a_token_in_a_header_is_read_and_counts_as_signed(self):
        parts = (json.dumps(each).encode() for each in ({"alg": "ES256"}, {"iss": "i", "sub": "me"}))
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        assert decide(ISSUER, NEEDS_TOKEN, headers={"authorization": f"Bearer {text}.signature"}).code == "200"
        assert decide(ISSUER, NEEDS_TOKEN, headers={"authorization": f"Bearer {text}"}).code == "401"

    def test_a_subject_that_is_missing_is_no_request_principal(self):
        assert decide(ISSUER, NEEDS_TOKEN, token={"iss": "i"}).code == "403"


STRICT, PERMISSIVE, DISABLE = "{mtls: {mode: STRICT}}", "{mtls: {mode: PERMISSIVE}}", "{mtls: {mode: DISABLE}}"


def mode(*entries, port=80, workload=WEB):
    return engine(*entries).enforcement(workload).modes.of(port).mode


class TestModes:
    def test_the_default_is_permissive(self):
        assert mode() is MtlsMode.PERMISSIVE

    def test_the_narrower_scope_wins(self):
        mesh, space = f"P istio-system/default {STRICT}", f"P foo/default {PERMISSIVE}"
        own = "P foo/own {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"
        assert mode(mesh) is MtlsMode.STRICT
        assert mode(mesh, space) is MtlsMode.PERMISSIVE
        assert mode(mesh, space, own) is MtlsMode.DISABLE

    @pytest.mark.parametrize("unset", ["{}", "{mtls: {}}", "{mtls: {mode: UNSET}}"])
    def test_what_is_unset_is_inherited(self, unset):
        assert mode(f"P istio-system/default {STRICT}", f"P foo/default {unset}") is MtlsMode.STRICT

    def test_a_port_may_differ_and_an_unset_one_takes_the_workloads(self):
        ports = "{'8022': {mode: PERMISSIVE}, '80': {mode: UNSET}}"
        own = f"P foo/own {{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {ports}}}"
        assert [mode(own, port=port) for port in (80, 8022, 9000)] == ["STRICT", "PERMISSIVE", "STRICT"]

    def test_a_selector_in_the_root_namespace_is_ignored(self):
        assert (
            mode("P istio-system/own {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}")
            is MtlsMode.PERMISSIVE
        )

    def test_the_oldest_of_one_scope_wins_then_the_first_by_name(self):
        old, new = f"P foo/z @created=2024-01-01T00:00:00Z {STRICT}", f"P foo/a @created=2025-01-01T00:00:00Z {DISABLE}"
        assert mode(new, old) is MtlsMode.STRICT
        assert mode(f"P foo/b {DISABLE}", f"P foo/a {STRICT}") is MtlsMode.STRICT

    def test_what_was_never_applied_will_be_the_newest(self):
        assert mode(f"P foo/z @created=2024-01-01T00:00:00Z {STRICT}", f"P foo/a {DISABLE}") is MtlsMode.STRICT

    def test_plaintext_to_a_strict_port_gets_no_connection(self):
        found = decide(f"P foo/default {STRICT}", peer=None)
        assert (found.code, found.cause) == ("000", Cause.PLAINTEXT)
        assert str(found.mode) == "STRICT by PeerAuthentication foo/default"

    def test_a_gateway_does_not_go_by_peer_authentication(self):
        gateway = Workload("gw", "istio-system", labels={"istio": "ingressgateway"})
        assert mode(f"P istio-system/default {STRICT}", workload=gateway) is MtlsMode.PERMISSIVE
