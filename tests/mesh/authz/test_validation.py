"""What Istio's webhook would reject, with the field it stands in."""

import pytest
import yaml

from kntls.errors import InputError
from kntls.mesh import resources
from kntls.mesh.authz import validation


def problems(kind, spec, **annotations):
    (found,) = resources.from_objects(
        [
            {
                "apiVersion": "security.istio.io/v1",
                "kind": kind,
                "metadata": {"name": "p", "namespace": "foo", "annotations": annotations},
                "spec": yaml.safe_load(spec),
            }
        ]
    ).objects
    return list(validation.problems(found))


@pytest.mark.parametrize(
    ("spec", "path", "reason"),
    [
        ("{action: DENY}", "spec.rules", "DENY without rules never triggers"),
        ("{action: DENY, rules: []}", "spec.rules", "DENY without rules never triggers"),
        ("{action: CUSTOM}", "spec.rules", "CUSTOM without rules"),
        ("{action: CUSTOM, rules: [{}]}", "spec.provider.name", "must not be empty"),
        ("{provider: {name: x}}", "spec.provider", "must not be set with ALLOW"),
        ("{selector: {matchLabels: {a: '*'}}}", "spec.selector.matchLabels[a]", "a wildcard"),
        ("{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: s}}", "spec.targetRef", "only one of"),
        ("{selector: {}, targetRefs: [{kind: Service, name: s}]}", "spec.targetRefs", "only one of"),
        ("{targetRefs: [{kind: Service}]}", "spec.targetRefs[0].name", "must be set"),
        ("{targetRefs: [{kind: Service, name: s, namespace: n}]}", "spec.targetRefs[0].namespace", "must not be set"),
        ("{targetRefs: [{kind: Pod, name: s}]}", "spec.targetRefs[0]", "must be a Service"),
        ("{rules: [{from: [{}]}]}", "spec.rules[0].from[0].source", "must be set"),
        ("{rules: [{from: [{source: {}}]}]}", "spec.rules[0].from[0].source", "must not be empty"),
        ("{rules: [{to: [{operation: {hosts: []}}]}]}", "spec.rules[0].to[0].operation", "must not be empty"),
        (
            "{rules: [{from: [{source: {namespaces: ['']}}]}]}",
            "spec.rules[0].from[0].source.namespaces",
            "an empty value",
        ),
        (
            "{rules: [{from: [{source: {ipBlocks: [1.2.3]}}]}]}",
            "spec.rules[0].from[0].source.ipBlocks",
            "bad IP address",
        ),
        (
            "{rules: [{from: [{source: {ipBlocks: [1.2.3.4/33]}}]}]}",
            "spec.rules[0].from[0].source.ipBlocks",
            "bad CIDR",
        ),
        (
            "{rules: [{from: [{source: {ipBlocks: [1.2.3.4/024]}}]}]}",
            "spec.rules[0].from[0].source.ipBlocks",
            "bad CIDR",
        ),
        (
            "{rules: [{from: [{source: {ipBlocks: ['fe80::1%eth0/64']}}]}]}",
            "spec.rules[0].from[0].source.ipBlocks",
            "bad CIDR",
        ),
        (
            "{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}",
            "spec.rules[0].from[0].source.serviceAccounts",
            "cannot be set together with namespaces",
        ),
        (
            "{rules: [{from: [{source: {serviceAccounts: ['a*']}}]}]}",
            "spec.rules[0].from[0].source.serviceAccounts",
            "wildcard not allowed",
        ),
        (
            "{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}",
            "spec.rules[0].from[0].source.serviceAccounts",
            "'a/b/c' is neither",
        ),
        (
            "{rules: [{from: [{source: {trustDomains: ['a*b']}}]}]}",
            "spec.rules[0].from[0].source.trustDomains",
            "a wildcard is only allowed at",
        ),
        (
            "{rules: [{from: [{source: {trustDomains: [a/b]}}]}]}",
            "spec.rules[0].from[0].source.trustDomains",
            "a trust domain must not contain '/'",
        ),
        (
            "{rules: [{to: [{operation: {ports: ['65536']}}]}]}",
            "spec.rules[0].to[0].operation.ports",
            "bad port (65536)",
        ),
        ("{rules: [{to: [{operation: {ports: [http]}}]}]}", "spec.rules[0].to[0].operation.ports", "bad port (http)"),
        (
            "{rules: [{to: [{operation: {paths: ['/a{*}']}}]}]}",
            "spec.rules[0].to[0].operation.paths",
            "unsupported path",
        ),
        (
            "{rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}",
            "spec.rules[0].to[0].operation.paths",
            "unsupported path '/{**}/{*}': {**} is not the last operator",
        ),
        ("{rules: [{when: [{values: [a]}]}]}", "spec.rules[0].when[0].key", "must not be empty"),
        ("{rules: [{when: [{key: source.ip}]}]}", "spec.rules[0].when[0]", "at least one of values or notValues"),
        ("{rules: [{when: [{key: source.port, values: [a]}]}]}", "spec.rules[0].when[0].key", "unknown attribute"),
        ("{rules: [{when: [{key: host, values: [a]}]}]}", "spec.rules[0].when[0].key", "unknown attribute: host"),
        (
            "{rules: [{when: [{key: 'destination.labels[a]', values: [b]}]}]}",
            "spec.rules[0].when[0].key",
            "destination.labels[a] is replaced by the workload selector",
        ),
        ("{rules: [{when: [{key: request.headers, values: [a]}]}]}", "spec.rules[0].when[0].values", "bad key"),
        (
            "{rules: [{when: [{key: source.ip, notValues: [x]}]}]}",
            "spec.rules[0].when[0].notValues",
            "bad IP address (x)",
        ),
        (
            "{action: CUSTOM, provider: {name: x}, rules: [{from: [{source: {principals: [a]}}]}]}",
            "spec.rules[0].from[0].source.principals",
            "is not supported with CUSTOM",
        ),
    ],
)
def test_a_policy_that_istio_rejects_is_named_by_its_field(spec, path, reason):
    found = problems("AuthorizationPolicy", spec)
    assert found
    assert found[0][0] == path
    assert found[0][1].startswith(reason)


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("PeerAuthentication", "{portLevelMtls: {'80': {mode: STRICT}}}", "spec.portLevelMtls"),
        ("PeerAuthentication", "{selector: {matchLabels: {a: b}}, portLevelMtls: {}}", "spec.portLevelMtls"),
        ("PeerAuthentication", "{selector: {matchLabels: {a: b}}, portLevelMtls: {'0': {}}}", "spec.portLevelMtls[0]"),
        ("RequestAuthentication", "{jwtRules: [{}]}", "spec.jwtRules[0].issuer"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwksUri: 'ftp://x'}]}", "spec.jwtRules[0].jwksUri"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwksUri: 'https://[::1'}]}", "spec.jwtRules[0].jwksUri"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwksUri: 'https://a b/c'}]}", "spec.jwtRules[0].jwksUri"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwksUri: 'https://a/%zz'}]}", "spec.jwtRules[0].jwksUri"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwks: keys}]}", "spec.jwtRules[0].jwks"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, jwks: '[]'}]}", "spec.jwtRules[0].jwks"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, audiences: ['']}]}", "spec.jwtRules[0].audiences"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, timeout: soon}]}", "spec.jwtRules[0].timeout"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, timeout: 0s}]}", "spec.jwtRules[0].timeout"),
        ("RequestAuthentication", "{jwtRules: [{issuer: i, fromParams: ['']}]}", "spec.jwtRules[0].fromParams"),
        (
            "RequestAuthentication",
            "{jwtRules: [{issuer: i, fromHeaders: [{prefix: x}]}]}",
            "spec.jwtRules[0].fromHeaders[0].name",
        ),
    ],
)
def test_so_is_an_authentication(kind, spec, path):
    assert [found[0] for found in problems(kind, spec)] == [path]


@pytest.mark.parametrize(
    "spec",
    [
        "{}",
        "{rules: [{}]}",
        "{action: DENY, rules: [{}]}",
        "{rules: [{from: [{source: {namespaces: ['a*b'], ipBlocks: ['2001:db8::/32']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/{*}/a/{**}', '*'], ports: ['0']}}]}]}",
        "{rules: [{when: [{key: 'request.auth.claims[a][b]', values: [c]}, {key: connection.sni, notValues: ['*']}]}]}",
        "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]}",
        "{rules: [{from: [], to: []}]}",
        "{rules: [{when: [{key: 'request.auth.claims[my claim]', values: [c]}]}]}",
    ],
)
def test_what_istio_takes_is_taken(spec):
    assert problems("AuthorizationPolicy", spec) == []


@pytest.mark.parametrize("timeout", ["1ms", "1.5s", "1h2m", "500us501us"])
def test_a_timeout_is_a_duration_as_go_writes_it(timeout):
    spec = f"{{jwtRules: [{{issuer: i, jwks: '{{\"keys\": []}}', timeout: {timeout}}}]}}"
    assert problems("RequestAuthentication", spec) == []


@pytest.mark.parametrize(
    ("spec", "value"), [("{}", "yes"), ("{action: AUDIT, rules: [{}]}", "true"), ("{action: DENY, rules: [{}]}", "")]
)
def test_a_dry_run_is_a_boolean_on_an_allow_or_deny_policy(spec, value):
    ((path, _),) = problems("AuthorizationPolicy", spec, **{"istio.io/dry-run": value})
    assert path == "metadata.annotations[istio.io/dry-run]"


def test_the_first_problem_is_one_line_with_the_object():
    (found,) = resources.read(
        ["-"], stdin="bundles: {b: [{k: AuthorizationPolicy, ns: foo, n: p, spec: {action: DENY}}]}"
    ).bundles["b"]
    with pytest.raises(InputError) as caught:
        validation.check(found)
    place = "standard input bundle b entry 0, AuthorizationPolicy foo/p: spec.rules: "
    assert str(caught.value).startswith(place)
