"""Policies as Envoy's filters, field for field, on HTTP and on TCP ports."""

from typing import ClassVar

import pytest
import yaml

from kntls.mesh import resources
from kntls.mesh.authz import Mesh, Workload
from kntls.mesh.world import build

WEB = Workload("web", "foo", labels={"app": "web"})


def policy(spec, name="p", namespace="foo", **metadata):
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": yaml.safe_load(spec),
    }


def filters(*policies, mesh=None, tcp=False, workload=WEB):
    return build(resources.from_objects(policies), mesh or Mesh()).engine.filters(workload, tcp=tcp)


def rules(*policies, **options):
    """The policies of the one filter there is."""
    (only,) = filters(*policies, **options)
    return only["typedConfig"]["rules"].get("policies", {})


def one(spec, **options):
    """The permissions and principals of the one rule there is."""
    (only,) = rules(policy(spec), **options).values()
    return only["permissions"], only["principals"]


def leaves(spec, side, **options):
    """The conditions of the one conjunction of a side."""
    permissions, principals = one(spec, **options)
    (conjunction,) = permissions if side == "permissions" else principals
    return conjunction["andRules"]["rules"] if side == "permissions" else conjunction["andIds"]["ids"]


ANYBODY, ANYTHING = [{"andIds": {"ids": [{"any": True}]}}], [{"andRules": {"rules": [{"any": True}]}}]


def test_a_filter_has_istios_names_and_types():
    assert filters(policy("{rules: [{}]}")) == [
        {
            "name": "envoy.filters.http.rbac",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                "rules": {"policies": {"ns[foo]-policy[p]-rule[0]": {"permissions": ANYTHING, "principals": ANYBODY}}},
                "shadowRulesStatPrefix": "istio_dry_run_allow_",
            },
        }
    ]
    (tcp,) = filters(policy("{rules: [{}]}"), tcp=True)
    assert tcp["name"] == "envoy.filters.network.rbac"
    assert tcp["typedConfig"]["statPrefix"] == "tcp."


def test_a_policy_without_rules_is_a_rule_that_never_matches():
    assert rules(policy("{}")) == {
        "ns[foo]-policy[p]-rule[0]": {
            "permissions": [{"notRule": {"any": True}}],
            "principals": [{"notId": {"any": True}}],
        }
    }


def test_the_actions_come_in_the_order_audit_deny_allow():
    found = filters(
        policy("{rules: [{}]}", "a"),
        policy("{action: DENY, rules: [{}]}", "d"),
        policy("{action: AUDIT, rules: [{}]}", "u"),
    )
    assert [item["typedConfig"]["rules"].get("action", "ALLOW") for item in found] == ["LOG", "DENY", "ALLOW"]


def test_a_dry_run_goes_to_the_shadow_rules_and_leaves_no_enforced_ones():
    (only,) = filters(policy("{rules: [{}]}", annotations={"istio.io/dry-run": "true"}))
    assert "rules" not in only["typedConfig"]
    assert only["typedConfig"]["shadowRulesStatPrefix"] == "istio_dry_run_allow_"
    (deny,) = filters(policy("{action: DENY, rules: [{}]}", annotations={"istio.io/dry-run": "1"}))
    assert deny["typedConfig"]["shadowRules"]["action"] == "DENY"
    assert deny["typedConfig"]["shadowRulesStatPrefix"] == "istio_dry_run_deny_"


def test_no_policy_is_no_filter():
    assert filters(policy("{rules: [{}]}", namespace="bar")) == []


@pytest.mark.parametrize(
    ("value", "matcher"),
    [
        ("cluster.local/ns/a/sa/b", {"exact": "spiffe://cluster.local/ns/a/sa/b"}),
        ("cluster.local/*", {"prefix": "spiffe://cluster.local/"}),
        ("*/sa/b.c", {"safeRegex": {"regex": r"spiffe://.*/sa/b\.c"}}),
        ("*", {"safeRegex": {"regex": ".+"}}),
    ],
)
def test_a_principal_is_a_spiffe_uri(value, matcher):
    (found,) = leaves(f"{{rules: [{{from: [{{source: {{principals: ['{value}']}}}}]}}]}}", "principals")
    assert found == {"orIds": {"ids": [{"authenticated": {"principalName": matcher}}]}}


@pytest.mark.parametrize(
    ("field", "value", "regex"),
    [
        ("namespaces", "a.b", r".*/ns/a\.b/.*"),
        ("namespaces", "a*-b", ".*/ns/a.*-b/.*"),
        ("serviceAccounts", "x", "spiffe://.+/ns/foo/(.+/|)sa/x(/.+)?"),
        ("serviceAccounts", "bar/x", "spiffe://.+/ns/bar/(.+/|)sa/x(/.+)?"),
        ("trustDomains", "*.org", r"spiffe://[^/]*\.org/.*"),
    ],
)
def test_namespaces_accounts_and_trust_domains_are_patterns_of_the_identity(field, value, regex):
    (found,) = leaves(f"{{rules: [{{from: [{{source: {{{field}: ['{value}']}}}}]}}]}}", "principals")
    assert found["orIds"]["ids"] == [{"authenticated": {"principalName": {"safeRegex": {"regex": regex}}}}]


def test_a_negated_field_is_a_clause_of_its_own_behind_the_plain_one():
    spec = "{rules: [{to: [{operation: {methods: [GET], notMethods: [POST, 'PUT*']}}]}]}"
    assert leaves(spec, "permissions") == [
        {"orRules": {"rules": [{"header": {"name": ":method", "stringMatch": {"exact": "GET"}}}]}},
        {
            "notRule": {
                "orRules": {
                    "rules": [
                        {"header": {"name": ":method", "stringMatch": {"exact": "POST"}}},
                        {"header": {"name": ":method", "stringMatch": {"prefix": "PUT"}}},
                    ]
                }
            }
        },
    ]


def test_fields_come_in_istios_order_whatever_the_manifest_says():
    spec = "{rules: [{to: [{operation: {ports: ['80'], paths: [/a], methods: [GET], hosts: [h]}}]}]}"
    kinds = [next(iter(item["orRules"]["rules"][0].items())) for item in leaves(spec, "permissions")]
    assert [kind if kind != "header" else value["name"] for kind, value in kinds] == [
        ":authority",
        ":method",
        "urlPath",
        "destinationPort",
    ]
    source = "{ipBlocks: [10.0.0.1], remoteIpBlocks: [10.0.0.2], namespaces: [n], trustDomains: [t], principals: [p]}"
    found = leaves(f"{{rules: [{{from: [{{source: {source}}}]}}]}}", "principals")
    assert [next(iter(item["orIds"]["ids"][0])) for item in found] == [
        *["authenticated"] * 3,
        "remoteIp",
        "directRemoteIp",
    ]


def test_hosts_ignore_case_and_a_star_asks_for_presence():
    spec = "{rules: [{to: [{operation: {hosts: ['*.svc', '*']}}]}]}"
    assert leaves(spec, "permissions")[0]["orRules"]["rules"] == [
        {"header": {"name": ":authority", "stringMatch": {"suffix": ".svc", "ignoreCase": True}}},
        {"header": {"name": ":authority", "presentMatch": True}},
    ]


def test_a_path_template_is_an_extension_with_envoys_operators():
    spec = "{rules: [{to: [{operation: {paths: ['/a/{*}/b/{**}']}}]}]}"
    (found,) = leaves(spec, "permissions")[0]["orRules"]["rules"]
    assert found["uriTemplate"] == {
        "name": "uri-template",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "pathTemplate": "/a/*/b/**",
        },
    }


def claim(name, value):
    path = [{"key": "payload"}, {"key": name}]
    return {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": {"stringMatch": value}}}


ANY_TEXT = {"safeRegex": {"regex": ".+"}}


@pytest.mark.parametrize(
    ("value", "issuer", "subject"),
    [
        ("https://i/r/me", {"exact": "https://i/r"}, {"exact": "me"}),
        ("https://i/r/*", {"exact": "https://i/r"}, ANY_TEXT),
        ("https://i/m*", {"exact": "https://i"}, {"prefix": "m"}),
        ("*/me", ANY_TEXT, {"exact": "me"}),
        ("*r/me", {"suffix": "r"}, {"exact": "me"}),
        ("*me", ANY_TEXT, {"suffix": "me"}),
        ("i*", {"prefix": "i"}, ANY_TEXT),
        ("issuer", {"exact": "issuer"}, {"exact": ""}),
        ("*", ANY_TEXT, ANY_TEXT),
    ],
)
def test_a_request_principal_is_issuer_and_subject_split_at_the_last_slash(value, issuer, subject):
    (found,) = leaves(f"{{rules: [{{from: [{{source: {{requestPrincipals: ['{value}']}}}}]}}]}}", "principals")
    assert found == {"andIds": {"ids": [claim("iss", issuer), claim("sub", subject)]}}


def test_a_claim_may_be_the_value_or_a_list_that_holds_it():
    (found,) = leaves("{rules: [{when: [{key: 'request.auth.claims[a][b]', values: [x]}]}]}", "principals")
    value = {"stringMatch": {"exact": "x"}}
    assert found["metadata"] == {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "a"}, {"key": "b"}],
        "value": {"orMatch": {"valueMatchers": [{"listMatch": {"oneOf": value}}, value]}},
    }


def test_conditions_on_the_destination_are_permissions_and_the_others_principals():
    spec = """
    rules:
    - when:
      - {key: destination.port, values: ['80']}
      - {key: connection.sni, values: ['*.example.com']}
      - {key: destination.ip, notValues: [10.0.0.0/8]}
      - {key: source.ip, values: [10.1.2.3]}
      - {key: 'request.headers[X-A]', values: [b]}
    """
    assert leaves(spec, "permissions") == [
        {"orRules": {"rules": [{"destinationPort": 80}]}},
        {"orRules": {"rules": [{"requestedServerName": {"suffix": ".example.com"}}]}},
        {"notRule": {"orRules": {"rules": [{"destinationIp": {"addressPrefix": "10.0.0.0", "prefixLen": 8}}]}}},
    ]
    assert leaves(spec, "principals") == [
        {"orIds": {"ids": [{"directRemoteIp": {"addressPrefix": "10.1.2.3", "prefixLen": 32}}]}},
        {"orIds": {"ids": [{"header": {"name": "X-A", "stringMatch": {"exact": "b"}}}]}},
    ]


@pytest.mark.parametrize(
    ("value", "prefix", "length"),
    [
        ("fe80::1%eth0", "fe80::1", 128),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4", 128),
        ("2001:DB8:0::/32", "2001:db8::", 32),
        ("1.2.3.4/24", "1.2.3.4", 24),
    ],
)
def test_an_address_is_written_as_go_writes_it(value, prefix, length):
    (found,) = leaves(f"{{rules: [{{from: [{{source: {{ipBlocks: ['{value}']}}}}]}}]}}", "principals")
    assert found["orIds"]["ids"] == [{"directRemoteIp": {"addressPrefix": prefix, "prefixLen": length}}]


def test_an_empty_list_of_sources_is_none_at_all():
    assert one("{rules: [{from: [], to: []}]}") == (ANYTHING, ANYBODY)


ALIASES = Mesh(trust_domain="new.org", aliases=("old.org",))


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("new.org/ns/a/sa/b", ["new.org/ns/a/sa/b", "old.org/ns/a/sa/b"]),
        ("cluster.local/ns/a/sa/b", ["new.org/ns/a/sa/b", "old.org/ns/a/sa/b"]),
        ("foreign.org/ns/a/sa/b", ["foreign.org/ns/a/sa/b"]),
        ("new.org/ns/a", ["new.org/ns/a"]),
    ],
)
def test_a_principal_of_our_trust_domain_stands_for_every_alias(value, expanded):
    spec = f"{{rules: [{{from: [{{source: {{principals: ['{value}']}}}}]}}]}}"
    (found,) = leaves(spec, "principals", mesh=ALIASES)
    names = [item["authenticated"]["principalName"]["exact"] for item in found["orIds"]["ids"]]
    assert names == [f"spiffe://{name}" for name in expanded]


def test_a_wildcard_trust_domain_is_left_alone_where_it_fits_and_replaced_where_not():
    spec = "{rules: [{from: [{source: {principals: ['*.org/ns/a/sa/b']}}]}]}"
    (found,) = leaves(spec, "principals", mesh=Mesh(trust_domain="new.org", aliases=("td2",)))
    assert [item["authenticated"]["principalName"] for item in found["orIds"]["ids"]] == [
        {"safeRegex": {"regex": r"spiffe://.*\.org/ns/a/sa/b"}},
        {"exact": "spiffe://td2/ns/a/sa/b"},
    ]


def test_shared_conditions_are_expanded_once_for_each_source_as_istio_does():
    spec = """
    rules:
    - from: [{source: {namespaces: [a]}}, {source: {namespaces: [b]}}]
      when: [{key: source.principal, values: [new.org/ns/a/sa/b]}]
    """
    _, principals = one(spec, mesh=ALIASES)
    assert [len(item["andIds"]["ids"][1]["orIds"]["ids"]) for item in principals] == [4, 4]


class TestOnTcp:
    def test_an_allow_rule_with_an_http_field_is_dropped_whole(self):
        mixed = "{to: [{operation: {ports: ['80']}}, {operation: {methods: [GET]}}]}"
        spec = f"{{rules: [{mixed}, {{to: [{{operation: {{ports: ['90']}}}}]}}]}}"
        assert list(rules(policy(spec), tcp=True)) == ["ns[foo]-policy[p]-rule[1]"]

    def test_an_allow_policy_with_only_http_rules_is_an_empty_rule_set_and_closes_the_port(self):
        (only,) = filters(policy("{rules: [{to: [{operation: {methods: [GET]}}]}]}"), tcp=True)
        assert only["typedConfig"]["rules"] == {}

    def test_a_deny_rule_loses_the_http_field_and_keeps_the_rest(self):
        spec = "{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}"
        assert leaves(spec, "permissions", tcp=True) == [{"orRules": {"rules": [{"destinationPort": 80}]}}]

    @pytest.mark.parametrize(
        "rule",
        [
            "{to: [{operation: {methods: [GET]}}]}",
            "{from: [{source: {notRequestPrincipals: ['*']}}]}",
            "{when: [{key: 'request.headers[a]', values: [b]}]}",
        ],
    )
    def test_a_deny_rule_of_http_fields_alone_takes_every_connection(self, rule):
        permissions, principals = one(f"{{action: DENY, rules: [{rule}]}}", tcp=True)
        assert (permissions, principals) == (ANYTHING, ANYBODY)


class TestCustom:
    SPEC = "{action: CUSTOM, provider: {name: authz}, rules: [{to: [{operation: {paths: [/a]}}]}]}"
    PROVIDER: ClassVar = {
        "name": "authz",
        "envoyExtAuthzGrpc": {"service": "authz.foo.svc.cluster.local", "port": 9000},
    }

    def test_an_unknown_provider_denies(self):
        (only,) = filters(policy(self.SPEC))
        assert list(only["typedConfig"]["rules"]["policies"]) == [
            "istio-ext-authz-authz-ns[foo]-policy[p]-rule[0]-deny-due-to-bad-CUSTOM-action"
        ]

    def test_a_known_one_is_asked_when_the_observing_filter_names_a_rule_of_it(self):
        observing, asking = filters(policy(self.SPEC), mesh=Mesh(providers=(self.PROVIDER,)))
        assert observing["typedConfig"]["shadowRulesStatPrefix"] == "istio_ext_authz_"
        assert "rules" not in observing["typedConfig"]
        assert asking["name"] == "envoy.filters.http.ext_authz"
        assert asking["typedConfig"]["grpcService"] == {
            "envoyGrpc": {
                "clusterName": "outbound|9000||authz.foo.svc.cluster.local",
                "authority": "authz.foo.svc.cluster.local",
            },
            "timeout": "600s",
        }
        assert asking["typedConfig"]["filterEnabledMetadata"]["value"] == {
            "stringMatch": {"prefix": "istio-ext-authz-authz"}
        }

    def test_two_providers_at_one_workload_deny(self):
        other = self.SPEC.replace("name: authz", "name: other")
        found = filters(policy(self.SPEC), policy(other, "q"), mesh=Mesh(providers=(self.PROVIDER,)))
        assert ["rules" in item["typedConfig"] for item in found] == [True, True]

    def test_an_http_provider_has_no_place_on_tcp(self):
        provider = {"name": "authz", "envoyExtAuthzHttp": {"service": "authz.foo.svc.cluster.local", "port": 9000}}
        assert filters(policy(self.SPEC), mesh=Mesh(providers=(provider,)), tcp=True) == []

    def asking(self, **config):
        """The ext_authz filter for an HTTP provider with these settings; None where the provider cannot be used."""
        service = {"service": "authz.foo.svc.cluster.local", "port": 9000, **config}
        found = filters(policy(self.SPEC), mesh=Mesh(providers=({"name": "authz", "envoyExtAuthzHttp": service},)))
        return found[1]["typedConfig"] if len(found) > 1 else None

    @pytest.mark.parametrize(
        ("status", "name"), [("403", "Forbidden"), ("200", "OK"), ("413", "PayloadTooLarge"), ("100", "Continue")]
    )
    def test_a_status_is_called_as_envoy_calls_it(self, status, name):
        assert self.asking(statusOnError=status)["statusOnError"] == {"code": name}

    @pytest.mark.parametrize(
        "config",
        [{"statusOnError": "418"}, {"headersToUpstreamOnAllow": ["*"]}, {"pathPrefix": "check"}, {"port": 0}],
    )
    def test_a_provider_istio_cannot_use_denies(self, config):
        assert self.asking(**config) is None

    def test_a_request_body_is_asked_for_even_without_settings(self):
        assert self.asking(includeRequestBodyInCheck={})["withRequestBody"] == {}

    @pytest.mark.parametrize(("text", "written"), [("2s", "2s"), ("0.5s", "0.500s"), ("1.50s", "1.500s")])
    def test_a_timeout_is_written_as_protobuf_does(self, text, written):
        assert self.asking(timeout=text)["httpService"]["serverUri"]["timeout"] == written
