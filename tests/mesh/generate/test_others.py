import json

import pytest

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.integration import Integration, integration
from kntls.mesh.generate.jwt import Jwt, jwt
from kntls.mesh.generate.member_roll import Members, member_roll
from kntls.mesh.generate.model import Flavour, Target

OSSM2 = Target(Flavour.OSSM2)


def of_kind(generated, kind):
    return [o for o in generated.objects if o["kind"] == kind]


def test_the_roll_is_named_default_and_holds_knatives_own_namespaces_once():
    (roll,) = member_roll(Members(("team-1", "knative-serving")), OSSM2).objects
    assert roll["metadata"] == {"name": "default", "namespace": "istio-system"}
    assert roll["spec"]["members"] == ["knative-serving", "knative-eventing", "team-1"]


def test_elsewhere_members_are_labelled_namespaces():
    made = member_roll(Members(("team-1",), static=False), Target())
    assert [(o["kind"], o["metadata"]["labels"]) for o in made.objects] == [
        ("Namespace", {"istio-injection": "enabled"})
    ]
    revised = member_roll(Members(("team-1",), revision="1-26", static=False), Target(Flavour.OSSM3))
    assert revised.objects[0]["metadata"]["labels"] == {"istio.io/rev": "1-26"}


def test_the_control_planes_namespace_is_no_member():
    with pytest.raises(Refused, match="istio-system"):
        member_roll(Members(("istio-system",)), OSSM2)


def test_integration_has_the_serving_both_gateways_and_the_service():
    made = integration(Integration("apps.example.com"), OSSM2)
    assert [o["kind"] for o in made.objects] == ["KnativeServing", "Gateway", "Gateway", "Service"]
    (service,) = of_kind(made, "Service")
    local = of_kind(made, "Gateway")[1]
    assert service["spec"]["ports"][0]["targetPort"] == local["spec"]["servers"][0]["port"]["number"]
    assert service["spec"]["selector"] == local["spec"]["selector"] == {"knative": "ingressgateway"}


def test_activator_and_autoscaler_get_sidecars():
    (serving,) = of_kind(integration(Integration("apps.example.com"), OSSM2), "KnativeServing")
    assert {part["name"] for part in serving["spec"]["deployments"]} == {"activator", "autoscaler"}
    for part in serving["spec"]["deployments"]:
        assert part["annotations"]["sidecar.istio.io/inject"] == "true"
        assert part["annotations"]["sidecar.istio.io/rewriteAppHTTPProbers"] == "true"


def test_no_private_key_is_ever_read_or_written(tmp_path):
    key = tmp_path / "tls.key"
    made = integration(Integration("apps.example.com", certificate_file="tls.crt", key_file=str(key)), Target())
    assert not of_kind(made, "Secret")
    assert made.secret_files == {"istio-system/wildcard-certs": ("tls.crt=tls.crt", f"tls.key={key}")}


def test_an_issuer_may_sign_the_wildcard_certificate():
    (certificate,) = of_kind(integration(Integration("apps.example.com", issuer="ca"), Target()), "Certificate")
    assert certificate["spec"]["dnsNames"] == ["*.apps.example.com"]
    assert certificate["metadata"]["namespace"] == "istio-system"


def test_another_root_namespace_is_told_to_net_istio():
    (serving,) = of_kind(integration(Integration("a.b"), Target(root_namespace="mesh")), "KnativeServing")
    assert "knative-local-gateway.mesh.svc.cluster.local" in serving["spec"]["config"]["istio"].values()


@pytest.mark.parametrize("wanted", [Integration("*.a.b"), Integration("a.b", key_file="k")])
def test_a_domain_is_given_without_its_star_and_files_in_pairs(wanted):
    with pytest.raises(UsageError):
        integration(wanted, Target())


def token(**changes):
    fields = {"name": "jwt", "namespace": "bookinfo", "issuer": "https://issuer", "jwks_uri": "https://issuer/keys"}
    return Jwt(**{**fields, **changes})


def test_a_token_is_checked_and_required():
    authentication, required = jwt(token(labels={"app": "httpbin"}), Target()).objects
    assert authentication["spec"]["jwtRules"] == [{"issuer": "https://issuer", "jwksUri": "https://issuer/keys"}]
    assert required["spec"]["action"] == "DENY"
    assert required["spec"]["rules"] == [{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}]
    assert authentication["spec"]["selector"] == required["spec"]["selector"]


def test_claims_of_one_name_are_alternatives_and_of_different_names_conditions():
    claims = jwt(token(claims=("group=a", "group=b", "tier=gold"), ports=("8080",)), Target()).objects[2]
    (rule,) = claims["spec"]["rules"]
    assert rule["when"] == [
        {"key": "request.auth.claims[group]", "values": ["a", "b"]},
        {"key": "request.auth.claims[tier]", "values": ["gold"]},
    ]
    assert rule["from"] == [{"source": {"requestPrincipals": ["https://issuer/*"]}}]


def test_the_tcp_trap_of_required_tokens_is_noted_unless_ports_are_given():
    assert any("TCP" in note for note in jwt(token(), Target()).notes)
    assert not any("TCP" in note for note in jwt(token(ports=("80",)), Target()).notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks_uri": ""},
        {"jwks_uri": "ftp://x/keys"},
        {"jwks": '{"keys": []}'},
        {"jwks_uri": "", "jwks": "nonsense"},
        {"jwks_uri": "", "jwks": json.dumps({"keys": [{"kty": "RSA", "d": "secret"}]})},
        {"claims": ("group",)},
        {"issuer": ""},
    ],
)
def test_malformed_token_settings_are_usage_errors_that_show_no_key(changes):
    with pytest.raises(UsageError) as caught:
        jwt(token(**changes), Target())
    assert "secret" not in str(caught.value)


def test_a_member_roll_knows_no_revisions():
    with pytest.raises(UsageError, match="no revisions"):
        member_roll(Members(("team-1",), revision="1-26"), OSSM2)


def test_a_certificate_is_made_or_brought():
    with pytest.raises(UsageError, match="leave one of them out"):
        integration(Integration("a.b", certificate_file="c", key_file="k", issuer="i"), Target())
    with pytest.raises(UsageError, match="'A b' is no valid Secret name"):
        integration(Integration("a.b", "A b"), Target())


TOKENS = {"issuer": "https://i", "jwks_uri": "https://i/keys"}


def test_a_claim_within_a_claim_is_written_in_brackets():
    claims = ("realm_access[roles]=admin", "a.b=c")
    policy = jwt(Jwt("j", "web", **TOKENS, claims=claims), Target()).objects[2]
    keys = [each["key"] for each in policy["spec"]["rules"][0]["when"]]
    assert keys == ["request.auth.claims[realm_access][roles]", "request.auth.claims[a.b]"]
    for wrong in ("[a]=b", "a[b=c"):
        with pytest.raises(UsageError, match=r"OUTER\[INNER\]"):
            jwt(Jwt("j", "web", **TOKENS, claims=(wrong,)), Target())


@pytest.mark.parametrize("uri", ["https://[::1", "ftp://i/keys", "keys", "https:///keys"])
def test_keys_are_at_a_url(uri):
    with pytest.raises(UsageError, match="no http or https URL"):
        jwt(Jwt("j", "web", "https://i", jwks_uri=uri), Target())


def test_a_port_of_a_token_policy_is_one():
    with pytest.raises(UsageError, match="'http' is no port"):
        jwt(Jwt("j", "web", **TOKENS, ports=("http",)), Target())


def test_asking_the_whole_mesh_for_a_token_is_refused():
    with pytest.raises(Refused, match="root namespace"):
        jwt(Jwt("j", "istio-system", **TOKENS), Target())
    assert jwt(Jwt("j", "istio-system", **TOKENS, labels={"istio": "ingressgateway"}), Target()).objects
