"""explain and matrix: the routes of a request, its verdict, what turns it round; tenants against each other."""

from dataclasses import replace

import pytest
import yaml

from kntls.errors import NotFound, UsageError
from kntls.mesh import resources
from kntls.mesh.control import with_implied
from kntls.mesh.explain import Question, agreed, explain
from kntls.mesh.matrix import matrix
from kntls.mesh.topology import find_source, find_target, topology
from kntls.mesh.world import build
from kntls.report import verdicts

TENANTS = """
{apiVersion: v1, kind: Namespace, metadata: {name: tenant-1, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: tenant-2, labels: {istio-injection: enabled}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: scaled, namespace: tenant-1}
spec:
  template:
    metadata:
      annotations: {autoscaling.knative.dev/min-scale: "1", autoscaling.knative.dev/target-burst-capacity: "0"}
    spec: {serviceAccountName: runner, containers: [{image: i}]}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: buffered, namespace: tenant-1}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/target-burst-capacity: "-1"}}
    spec: {containers: [{image: i}]}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: web, namespace: tenant-2},
 spec: {template: {spec: {containers: [{image: i}]}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: curl, namespace: tenant-2}
spec:
  template:
    metadata: {labels: {app: curl}}
    spec: {serviceAccountName: caller, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: curl, namespace: tenant-2}
spec: {selector: {app: curl}, ports: [{name: http, port: 8000, targetPort: 80}, {name: tcp-echo, port: 9000}]}
---
"""


def policy(kind, namespace, name, spec):
    head = f"apiVersion: security.istio.io/v1\nkind: {kind}\n"
    return f"{head}metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"


def tenant(name):
    activator = "selector: {matchLabels: {app: activator}}"
    source = f"from: [{{source: {{namespaces: [{name}]}}}}]"
    hosts = f"to: [{{operation: {{hosts: ['*.{name}.svc.cluster.local']}}}}]"
    own = f"{{rules: [{{from: [{{source: {{namespaces: [{name}, knative-serving, istio-system]}}}}]}}]}}"
    return (
        policy(
            "AuthorizationPolicy",
            "knative-serving",
            f"allow-{name}",
            f"{{{activator}, rules: [{{{source}, {hosts}}}]}}",
        )
        + policy("AuthorizationPolicy", name, "own", own)
        + policy("PeerAuthentication", name, "default", "{mtls: {mode: STRICT}}")
    )


ISOLATED = TENANTS + tenant("tenant-1") + tenant("tenant-2")


def setting(text):
    found = with_implied(resources.from_objects([item for item in yaml.safe_load_all(text) if item], "t.yaml"))
    world = build(found)
    return world, topology(found, world.engine.mesh)


def ask(text, source, target, *, sidecar=None, **details):
    world, scene = setting(text)
    question = Question(find_source(scene, source, sidecar=sidecar), find_target(scene, target), **details)
    return explain(world, scene, question)


def routes(found):
    return {each.route.names: each.verdict.code for each in found}


CURL, ACTIVATOR = "tenant-2/curl", "knative-serving/activator"


class TestRoutes:
    def test_a_service_that_is_always_scaled_is_reached_directly(self):
        assert routes(ask(ISOLATED, CURL, "tenant-1/scaled:80")) == {(CURL, "tenant-1/scaled"): "403"}

    def test_one_that_is_always_buffered_by_the_activator(self):
        found = ask(ISOLATED, CURL, "tenant-1/buffered:80")
        assert routes(found) == {(CURL, ACTIVATOR, "tenant-1/buffered"): "403"}
        assert found[0].verdict.denied_at.name == ACTIVATOR

    def test_one_of_which_that_is_unknown_on_both_ways(self):
        found = ask(ISOLATED, CURL, "tenant-2/web:80")
        assert routes(found) == {(CURL, "tenant-2/web"): "200", (CURL, ACTIVATOR, "tenant-2/web"): "200"}
        assert agreed(found) == "200"

    def test_an_outside_name_enters_at_the_gateway_which_every_tenant_lets_in(self):
        found = ask(ISOLATED, CURL, "tenant-1/scaled:80", host="scaled-tenant-1.apps.example.com")
        assert routes(found) == {("istio-system/istio-ingressgateway", "tenant-1/scaled"): "200"}

    def test_the_private_service_and_an_address_lead_straight_to_the_pod(self):
        direct = {(CURL, "tenant-1/buffered"): "403"}
        assert routes(ask(ISOLATED, CURL, "tenant-1/buffered-00001-private:80")) == direct
        assert routes(ask(ISOLATED, CURL, "tenant-1/buffered:80", host="10.0.0.1")) == direct

    def test_without_a_sidecar_the_local_gateway_is_a_way_around_the_policies(self):
        found = ask(ISOLATED, CURL, "tenant-1/scaled:80", sidecar=False)
        assert routes(found) == {
            (CURL, "istio-system/istio-ingressgateway", "tenant-1/scaled"): "200",
            (CURL, "tenant-1/scaled"): "000",
        }
        assert agreed(found) == ""

    def test_which_a_gateway_that_demands_mtls_closes(self):
        gateway = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: knative-local-gateway, namespace: knative-serving}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8081, name: https, protocol: HTTPS}, tls: {mode: ISTIO_MUTUAL}, hosts: ['*']}]
"""
        found = ask(ISOLATED + gateway, CURL, "tenant-1/scaled:80", sidecar=False)
        assert set(routes(found).values()) == {"000"}

    def test_a_host_of_the_own_namespace_with_headers_of_another_passes_the_activator_even_if_nothing_else_does(self):
        found = ask(
            ISOLATED,
            CURL,
            "tenant-1/scaled:80",
            host="web-00001.tenant-2.svc.cluster.local",
            headers={"Knative-Serving-Namespace": "tenant-1"},
        )
        assert routes(found) == {(CURL, ACTIVATOR, "tenant-1/scaled"): "200"}


class TestNames:
    def test_a_caller_is_a_workload_a_pod_alone_or_a_service_account(self):
        _, scene = setting(ISOLATED)
        for text in ("tenant-2/curl", "curl", "tenant-2/caller"):
            assert find_source(scene, text).name == CURL
        assert find_source(scene, "elsewhere/robot").principal("td") == "spiffe://td/ns/elsewhere/sa/robot"

    def test_a_services_port_leads_to_the_containers(self):
        _, scene = setting(ISOLATED)
        found = find_target(scene, "tenant-2/curl:8000")
        assert (found.port, found.tcp, found.service_port) == (80, False, 8000)
        assert find_target(scene, "tenant-2/curl:9000").tcp

    def test_a_knative_service_is_its_queue_proxy(self):
        _, scene = setting(ISOLATED)
        found = find_target(scene, "tenant-1/scaled:80")
        assert (found.port, found.workload.service_account, found.activated) == (8012, "runner", False)
        assert find_target(scene, "tenant-1/scaled:8022").port == 8022

    @pytest.mark.parametrize("text", ["web", "/web:80", "tenant-2/web:http", "tenant-2/:80"])
    def test_a_target_is_a_namespace_a_name_and_a_number(self, text):
        with pytest.raises(UsageError, match="write NAMESPACE/SERVICE:PORT"):
            find_target(setting(ISOLATED)[1], text)

    def test_a_target_of_which_the_files_hold_policies_only_is_assumed(self):
        world, scene = setting(tenant("tenant-1"))
        lacking = replace(scene, complete=False)
        found = find_target(lacking, "tenant-1/web:80")
        assert (found.port, found.workload.labels["serving.knative.dev/service"]) == (8012, "web")
        assert found.assumed.startswith("tenant-1/web is not in the input: it is assumed to be a Knative Service")
        assert find_target(lacking, "elsewhere/db:5432").workload.labels == {"app": "db"}
        asked = explain(world, lacking, Question(find_source(lacking, "tenant-2/default"), found))
        assert set(routes(asked).values()) == {"403"}
        with pytest.raises(NotFound):
            find_target(scene, "tenant-1/web:80")

    def test_what_is_not_there_is_said(self):
        with pytest.raises(NotFound, match="no Service or workload tenant-2/nobody"):
            find_target(setting(ISOLATED)[1], "tenant-2/nobody:80")
        with pytest.raises(NotFound, match="no workload 'nobody'"):
            find_source(setting(ISOLATED)[1], "nobody")


PODS = """
apiVersion: v1
kind: Pod
metadata: {name: curl-7f-abc, namespace: tenant-2, labels: {app: curl, pod-template-hash: 7f}}
spec: {serviceAccountName: caller, containers: [{name: c}, {name: istio-proxy}]}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: aside, namespace: tenant-2, labels: {app: aside}}
spec: {serviceAccountName: caller, containers: [{name: c}]}
status: {phase: Running}
---
"""


def test_a_gateway_that_is_called_itself_is_called_at_its_own_port():
    gateway = """
{apiVersion: apps/v1, kind: Deployment, metadata: {name: gw, namespace: istio-system},
 spec: {template: {metadata: {labels: {istio: ingressgateway}}, spec: {containers: [{name: istio-proxy, image: i}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: gw, namespace: istio-system},
 spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}]}}
---
"""
    open_port = "{rules: [{to: [{operation: {ports: ['8080']}}]}]}"
    text = gateway + policy("AuthorizationPolicy", "istio-system", "p", open_port)
    world, scene = setting(text)
    question = Question(find_source(scene, "internet/me", sidecar=False), find_target(scene, "istio-system/gw:80"))
    found = explain(world, scene, question)
    assert set(routes(found).values()) == {"200"}
    assert "knative-local-gateway" not in "\n".join(verdicts.text(question, scene, found))


def test_a_rule_that_is_wider_on_tcp_names_its_field_as_it_is_written():
    deny = "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"
    (found,) = ask(TENANTS + policy("AuthorizationPolicy", "tenant-2", "d", deny), CURL, "tenant-2/curl:9000")
    assert any("from[0].source.notRequestPrincipals is HTTP only" in remark for remark in found.remarks)


class TestNamesAmongPods:
    def test_a_deployments_name_stands_for_its_pods(self):
        _, scene = setting(ISOLATED + PODS)
        assert find_source(scene, "tenant-2/curl").name == "tenant-2/curl-7f-abc"
        assert find_source(scene, "curl").service_account == "caller"
        assert find_target(scene, "tenant-2/curl:80").workload.name == "tenant-2/curl-7f-abc"

    def test_a_service_account_stands_for_a_pod_with_a_sidecar_and_the_other_is_noted(self):
        world, scene = setting(ISOLATED + PODS.replace("curl-7f-abc", "zoom"))
        source = find_source(scene, "tenant-2/caller")
        assert (source.name, source.mesh) == ("tenant-2/zoom", True)
        question = Question(source, find_target(scene, "tenant-1/scaled:80"))
        told = "\n".join(verdicts.text(question, scene, explain(world, scene, question)))
        assert "tenant-2/aside has the same service account and no sidecar" in told

    def test_a_number_that_is_no_port_of_the_service_or_its_pods_is_refused(self):
        _, scene = setting(ISOLATED)
        assert find_target(scene, "tenant-2/curl:80").port == 80
        with pytest.raises(UsageError, match=r"Service tenant-2/curl has no port 81 \(fix: it has 8000, 9000\)"):
            find_target(scene, "tenant-2/curl:81")
        for number in ("0", "65536"):
            with pytest.raises(UsageError, match=f"no port: {number}"):
                find_target(scene, f"tenant-2/curl:{number}")

    def test_what_files_do_not_hold_is_a_mistake_of_the_callers(self):
        files = replace(setting(ISOLATED)[1], complete=False)
        for wrong in (lambda: find_source(files, "nobody"), lambda: find_target(files, "tenant-2/nobody:80")):
            with pytest.raises(UsageError):
                wrong()


CONTROL_PLANE = """
apiVersion: maistra.io/v2
kind: ServiceMeshControlPlane
metadata: {name: basic, namespace: istio-system}
spec: {security: {dataPlane: {mtls: true}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web, namespace: a}
spec: {template: {metadata: {annotations: {sidecar.istio.io/inject: "true"}}, spec: {containers: [{image: i}]}}}
---
"""
ROLL = """
apiVersion: maistra.io/v1
kind: ServiceMeshMemberRoll
metadata: {name: default, namespace: istio-system}
spec: {members: [MEMBER]}
---
"""


@pytest.mark.parametrize(
    ("roll", "codes", "noted"),
    [("", {"200"}, True), (ROLL.replace("MEMBER", "a"), {"200"}, False), (ROLL.replace("MEMBER", "b"), {"503"}, False)],
)
def test_without_a_member_roll_in_the_input_it_is_unknown_who_has_a_sidecar(roll, codes, noted):
    world, scene = setting(CONTROL_PLANE + roll)
    question = Question(find_source(scene, "b/c"), find_target(scene, "a/web:80"))
    found = explain(world, scene, question)
    assert set(routes(found).values()) == codes
    assert ("does not say whether a/web has a sidecar" in "\n".join(verdicts.text(question, scene, found))) is noted


def change(text, target="tenant-1/scaled:80", source=CURL, **details):
    (found,) = ask(text, source, target, **details)
    return [each.text for each in found.changes]


class TestChanges:
    def test_the_value_that_is_missing_from_the_nearest_rule(self):
        assert change(ISOLATED) == [
            "in AuthorizationPolicy tenant-1/own rule 0 add 'tenant-2' to from[0].source.namespaces"
        ]

    def test_every_refusing_hop_has_its_own(self):
        text = ISOLATED.replace("[tenant-1, knative-serving, istio-system]", "[tenant-1]")
        assert change(text, "tenant-1/buffered:80") == [
            "in AuthorizationPolicy knative-serving/allow-tenant-1 rule 0 add 'tenant-2' to from[0].source.namespaces",
            "in AuthorizationPolicy tenant-1/own rule 0 add 'knative-serving' to from[0].source.namespaces",
        ]

    def test_an_exception_to_the_rule_that_denies(self):
        text = TENANTS + policy(
            "AuthorizationPolicy",
            "tenant-1",
            "d",
            "{action: DENY, rules: [{from: [{source: {notNamespaces: [tenant-1]}}]}]}",
        )
        assert change(text) == [
            "in AuthorizationPolicy tenant-1/d rule 0 add 'tenant-2' to from[0].source.notNamespaces"
        ]

    def test_an_exception_that_another_rule_undoes_is_not_told(self):
        outside = "{action: DENY, rules: [{from: [{source: {notNamespaces: [tenant-1]}}]}]}"
        text = TENANTS + "".join(policy("AuthorizationPolicy", "tenant-1", name, outside) for name in ("d", "e"))
        assert change(text) == ["delete AuthorizationPolicy tenant-1/d and AuthorizationPolicy tenant-1/e"]

    def test_the_deletion_of_a_rule_that_has_no_exception(self):
        text = TENANTS + policy("AuthorizationPolicy", "tenant-1", "d", "{action: DENY, rules: [{}]}")
        assert change(text) == ["delete AuthorizationPolicy tenant-1/d"]

    def test_what_closes_a_workload_that_nothing_closes(self):
        assert change(TENANTS) == [
            "add an AuthorizationPolicy with an empty spec to namespace tenant-1: it closes what nothing allows"
        ]

    def test_the_value_by_which_the_only_rule_lets_in(self):
        assert change(ISOLATED, "tenant-2/curl:8000") == [
            "in AuthorizationPolicy tenant-2/own rule 0 remove 'tenant-2' from from[0].source.namespaces"
        ]

    def test_a_deny_policy_where_several_rules_let_in(self):
        text = ISOLATED + policy("AuthorizationPolicy", "tenant-2", "all", "{rules: [{}]}")
        (only,) = change(text, "tenant-2/curl:8000")
        assert only.startswith(
            "add to namespace tenant-2 an AuthorizationPolicy with action DENY for app=curl from namespace"
        )

    def test_a_sidecar_or_a_permissive_port_and_then_a_rule_for_callers_without_identity(self):
        first, second = change(ISOLATED, "tenant-2/curl:8000", sidecar=False)
        assert first.startswith("give tenant-2/curl a sidecar, or let port 80 of tenant-2/curl take plaintext")
        assert "from anybody" in second

    def test_a_policy_where_none_is_near(self):
        text = TENANTS + policy("AuthorizationPolicy", "tenant-1", "closed", "{}")
        (only,) = change(text)
        assert only.startswith("add to namespace tenant-1 an AuthorizationPolicy with action ALLOW")


class TestAdvice:
    def test_what_the_caller_could_send(self):
        text = TENANTS + policy(
            "AuthorizationPolicy", "tenant-1", "p", "{rules: [{to: [{operation: {methods: [POST]}}]}]}"
        )
        assert ask(text, CURL, "tenant-1/scaled:80")[0].advice == "send what fits to[0].operation.methods [POST]"

    def test_a_token_of_an_issuer_that_is_known(self):
        text = TENANTS + policy("RequestAuthentication", "tenant-1", "r", "{jwtRules: [{issuer: i}]}")
        assert ask(text, CURL, "tenant-1/scaled:80", token={"iss": "x"})[0].advice == "send a valid token of i, or none"


class TestMatrix:
    def test_tenants_with_the_policies_reach_themselves_and_nobody_else(self):
        found = matrix(*setting(ISOLATED), {})
        assert len(found.cells) == 2 * 2 * 4
        assert found.isolated
        assert {cell.codes for cell in found.cells if cell.source == cell.target} == {("200",)}
        denied = {(cell.path, cell.denied_at) for cell in found.cells if cell.source == "tenant-2" != cell.target}
        assert denied == {
            ("direct", "tenant-1/scaled"),
            ("gateway", "tenant-1/scaled"),
            ("activator", ACTIVATOR),
            ("gateway+activator", ACTIVATOR),
        }

    def test_without_policies_everything_leaks(self):
        found = matrix(*setting(TENANTS), {})
        assert {cell.mark for cell in found.cells if cell.source != cell.target} == {"LEAK"}

    def test_a_missing_policy_at_the_activator_blocks_the_tenant_itself(self):
        text = ISOLATED.replace("name: allow-tenant-1", "name: allow-tenant-2-again").replace(
            "[tenant-1]}}", "[nobody]}}"
        )
        marks = {
            (cell.path, cell.mark)
            for cell in matrix(*setting(text), {}).cells
            if cell.target == "tenant-1" == cell.source
        }
        assert ("activator", "BLOCKED") in marks
        assert ("direct", "ok") in marks

    def test_callers_without_sidecar_leak_by_the_local_gateway_only(self):
        found = matrix(*setting(ISOLATED), {}, sidecar=False)
        assert {cell.path for cell in found.cells if cell.mark == "LEAK"} == {"gateway"}

    def test_a_tenant_may_have_several_namespaces(self):
        found = matrix(*setting(ISOLATED), {"both": ("tenant-1", "tenant-2")})
        assert len(found.cells) == 4

    def test_no_tenant_is_said(self):
        with pytest.raises(NotFound, match="no tenant"):
            matrix(*setting(""), {})
        world, scene = setting("")
        with pytest.raises(UsageError, match="no tenant"):
            matrix(world, replace(scene, complete=False), {})

    def test_without_services_the_namespaces_with_policies_are_the_tenants(self):
        found = matrix(*setting(tenant("tenant-1") + tenant("tenant-2")), {})
        assert {cell.source for cell in found.cells} == {"tenant-1", "tenant-2"}
        assert found.isolated
