"""How peers connect, and what a request becomes along its hops."""

import pytest
import yaml

from kntls.mesh import resources
from kntls.mesh.authz import Cause, Workload
from kntls.mesh.walk import Call
from kntls.mesh.world import build

CLIENT, SERVER = Workload("client", "a"), Workload("server", "b", labels={"app": "server"})
BARE = Workload("bare", "a", mesh=False)
HOST = "server.b.svc.cluster.local"


def world(text=""):
    documents = [document for document in yaml.safe_load_all(text) if document]
    return build(resources.from_objects(documents))


def security(kind, namespace, spec):
    head = f"apiVersion: security.istio.io/v1\nkind: {kind}\n"
    return f"{head}metadata: {{name: p, namespace: {namespace}}}\nspec: {spec}\n---\n"


def rule(mode, host=HOST, namespace="a", extra=""):
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: r, namespace: {namespace}}}
spec: {{host: '{host}', trafficPolicy: {{tls: {{mode: {mode}}}{extra}}}}}
---
"""


def peer(mode, namespace="b", extra=""):
    return f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: p{len(extra)}, namespace: {namespace}}}
spec: {{mtls: {{mode: {mode}}}{extra}}}
---
"""


def hop(text="", client=CLIENT, server=SERVER, **call):
    return world(text).walk((client, server), Call(80, host=HOST, **call)).last


OWN = ", selector: {matchLabels: {app: server}}"


@pytest.mark.parametrize(
    ("text", "wire", "code"),
    [
        ("", "mTLS", "200"),
        (peer("STRICT"), "mTLS", "200"),
        (peer("DISABLE"), "plaintext", "200"),
        (peer("DISABLE", extra=OWN), "plaintext", "200"),
        # the trap: auto-mTLS goes by the namespace, and the workload wants more
        (peer("DISABLE") + peer("STRICT", extra=OWN), "plaintext", "503"),
        (rule("DISABLE"), "plaintext", "200"),
        (rule("DISABLE") + peer("STRICT"), "plaintext", "503"),
        (rule("ISTIO_MUTUAL") + peer("DISABLE"), "mTLS", "503"),
        (rule("ISTIO_MUTUAL") + peer("STRICT"), "mTLS", "200"),
        (rule("SIMPLE"), "TLS without a client certificate", "503"),
        (rule("DISABLE", host="*.b.svc.cluster.local") + peer("STRICT"), "plaintext", "503"),
        (rule("DISABLE", host="other.b.svc.cluster.local") + peer("STRICT"), "mTLS", "200"),
        (rule("DISABLE", namespace="c") + peer("STRICT"), "mTLS", "200"),
        (rule("DISABLE", host="server", namespace="b") + peer("STRICT"), "plaintext", "503"),
    ],
)
def test_the_clients_sidecar_follows_destination_rules_then_auto_mtls(text, wire, code):
    found = hop(text)
    assert (str(found.connection.wire), found.decision.code) == (wire, code)


def test_the_clients_own_destination_rule_goes_before_the_services():
    assert hop(rule("ISTIO_MUTUAL") + rule("DISABLE", namespace="b")).connection.wire == "mTLS"


def test_a_port_level_setting_goes_before_the_rules_own():
    extra = ", portLevelSettings: [{port: {number: 8000}, tls: {mode: DISABLE}}]"
    assert hop(rule("ISTIO_MUTUAL", extra=extra), service_port=8000).connection.wire == "plaintext"
    assert hop(rule("ISTIO_MUTUAL", extra=extra), service_port=8001).connection.wire == "mTLS"


def test_a_caller_without_sidecar_sees_the_reset_and_one_with_sidecar_a_503():
    assert hop(peer("STRICT"), client=BARE).decision.code == "000"
    assert hop(peer("STRICT") + rule("DISABLE")).decision.code == "503"
    assert hop(peer("STRICT"), plaintext=True).decision.code == "000"


def test_a_workload_without_sidecar_enforces_nothing():
    closed = (
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: b}, spec: {}}"
    )
    outside = Workload("server", "b", labels={"app": "server"}, mesh=False)
    found = hop(closed, server=outside)
    assert (found.decision.code, found.decision.cause) == ("200", Cause.NO_SIDECAR)
    assert hop(rule("ISTIO_MUTUAL"), server=outside).decision.code == "503"


CONTROL_PLANE = """
apiVersion: maistra.io/v2
kind: ServiceMeshControlPlane
metadata: {name: basic, namespace: istio-system}
spec: {security: {dataPlane: {mtls: true}}}
---
"""


def test_mtls_in_a_control_plane_is_strict_everywhere_and_breaks_calls_out_of_the_mesh():
    assert hop(CONTROL_PLANE, client=BARE).decision.code == "000"
    outside = Workload("server", "b", mesh=False)
    found = hop(CONTROL_PLANE, server=outside)
    assert found.decision.code == "503"
    assert found.connection.reason == (
        "DestinationRule istio-system/default (implied by ServiceMeshControlPlane istio-system/basic) says ISTIO_MUTUAL"
    )
    assert hop(CONTROL_PLANE + rule("DISABLE"), server=outside).decision.code == "200"


def test_every_hop_has_the_one_before_it_as_its_peer_and_the_first_refusal_ends_it():
    policy = """
    {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: b},
     spec: {rules: [{from: [{source: {namespaces: [m]}}]}]}}
    """
    middle, last = Workload("middle", "m"), Workload("last", "z")
    made = world(policy)
    through = made.walk((CLIENT, middle, SERVER, last), Call(80))
    assert [(each.request.peer, each.decision.code) for each in through.hops] == [
        ("spiffe://cluster.local/ns/a/sa/default", "200"),
        ("spiffe://cluster.local/ns/m/sa/default", "200"),
        ("spiffe://cluster.local/ns/b/sa/default", "200"),
    ]
    direct = made.walk((CLIENT, SERVER, last), Call(80))
    assert (len(direct.hops), direct.code, direct.denied_at) == (1, "403", SERVER)


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ("{issuer: i, forwardOriginalToken: true}", "200"),
        ("{issuer: i}", "403"),
        ("{issuer: i}, {issuer: other, forwardOriginalToken: true}", "403"),
    ],
)
def test_the_rule_that_verifies_a_token_takes_it_away_unless_told_to_forward_it(rules, code):
    jwt = f"{{jwtRules: [{rules}]}}"
    text = security("RequestAuthentication", "m", jwt) + security("RequestAuthentication", "b", jwt)
    needs = security("AuthorizationPolicy", "b", "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}")
    made = world(text + needs)
    assert made.walk((CLIENT, Workload("m", "m"), SERVER), Call(80, token={"iss": "i", "sub": "s"})).code == code


@pytest.mark.parametrize(("labels", "wire"), [({"app": "client"}, "plaintext"), ({}, "mTLS")])
def test_a_rule_for_some_clients_binds_no_others(labels, wire):
    text = rule("DISABLE").replace("spec: {", "spec: {workloadSelector: {matchLabels: {app: client}}, ")
    assert hop(text, client=Workload("client", "a", labels=labels)).connection.wire == wire
    elsewhere = text.replace("namespace: a", "namespace: b")
    assert hop(elsewhere, client=Workload("client", "a", labels=labels)).connection.wire == "mTLS"
