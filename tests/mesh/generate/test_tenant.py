from pathlib import Path

import pytest
import yaml

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.baseline import baseline
from kntls.mesh.generate.model import Flavour, Generated, Target
from kntls.mesh.generate.tenant import Tenant, tenant

BUNDLES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "mesh-policies.yaml").read_text())["bundles"]


def as_bundle(generated: Generated) -> list[dict]:
    return sorted(
        (
            {"k": o["kind"], "ns": o["metadata"]["namespace"], "n": o["metadata"]["name"], "spec": o["spec"]}
            for o in generated.objects
        ),
        key=lambda entry: (entry["ns"], entry["n"]),
    )


def expected(bundle: str) -> list[dict]:
    return sorted(BUNDLES[bundle], key=lambda entry: (entry["ns"], entry["n"]))


@pytest.mark.parametrize("name", ["team-alpha", "team-bravo"])
def test_a_tenant_gets_exactly_what_the_chart_renders(name):
    made = tenant(Tenant(name, (f"{name}-1",)), Target())
    assert as_bundle(made) == expected(f"chart:{name}")


def test_the_baseline_is_exactly_the_eleven_documented_policies():
    made = baseline(Target())
    assert len(made.objects) == 11
    assert as_bundle(made) == expected("serverless-base")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_tenant_with_n_namespaces_has_2n_plus_9_policies(count):
    names = tuple(f"team-{i}" for i in range(count))
    made = tenant(Tenant("team", names), Target())
    assert len(made.objects) == 2 * count + 9
    into = [o for o in made.objects if o["metadata"]["name"] == "allow-from-knative-and-istio"]
    assert [o["metadata"]["namespace"] for o in into] == list(names)
    assert all(set(names) <= set(o["spec"]["rules"][0]["from"][0]["source"]["namespaces"]) for o in into)


def test_serving_only_leaves_out_every_eventing_policy():
    made = tenant(Tenant("team", ("team-1",), eventing=False), Target())
    assert [o["metadata"]["name"] for o in made.objects] == [
        "allow-from-knative-and-istio",
        "allow-team-to-activator",
        "allow-wait-for-drain",
    ]
    assert all(len(o["spec"]["rules"]) == 1 for o in made.objects)


def test_eventing_only_admits_nobody_but_eventing():
    made = tenant(Tenant("team", ("team-1",), serving=False), Target())
    into = made.objects[0]
    assert [rule["from"][0]["source"]["namespaces"] for rule in into["spec"]["rules"]] == [["knative-eventing"]]
    assert "allow-wait-for-drain" not in {o["metadata"]["name"] for o in made.objects}


def test_both_halves_off_is_refused():
    with pytest.raises(Refused, match="allow nothing"):
        tenant(Tenant("team", ("team-1",), serving=False, eventing=False), Target())


@pytest.mark.parametrize("name", ["svc", "cluster", "local"])
@pytest.mark.parametrize("place", ["namespace", "tenant"])
def test_names_that_would_match_every_host_are_refused(name, place):
    wanted = Tenant("team", ("ok", name)) if place == "namespace" else Tenant(name, ("ok",))
    with pytest.raises(Refused, match=name):
        tenant(wanted, Target())


def test_the_labels_of_another_cluster_domain_are_refused_too():
    with pytest.raises(Refused, match="corp"):
        tenant(Tenant("team", ("corp",)), Target(cluster_domain="k8s.corp"))


@pytest.mark.parametrize("namespace", ["knative-serving", "knative-eventing", "istio-system"])
def test_a_platform_namespace_is_no_tenants(namespace):
    with pytest.raises(Refused, match=namespace):
        tenant(Tenant("team", ("a", namespace)), Target())


@pytest.mark.parametrize(
    "wanted",
    [Tenant("Team", ("a",)), Tenant("team", ()), Tenant("team", ("a", "a")), Tenant("team", ("a.b",))],
)
def test_malformed_tenants_are_usage_errors(wanted):
    with pytest.raises(UsageError):
        tenant(wanted, Target())


def test_the_header_bypass_is_noted_until_hardened():
    soft = tenant(Tenant("team", ("team-1",)), Target())
    hard = tenant(Tenant("team", ("team-1",), harden=True), Target())
    assert any("--harden" in note for note in soft.notes)
    assert not any("--harden" in note for note in hard.notes)
    rules = hard.objects[1]["spec"]["rules"]
    assert [rule["when"] for rule in rules[:2]] == [
        [{"key": "request.headers[Knative-Serving-Namespace]", "values": ["team-1"]}],
        [{"key": "request.headers[Knative-Serving-Namespace]", "notValues": ["*"]}],
    ]


def test_hardening_holds_for_events_on_the_tenants_behalf_as_well():
    rules = tenant(Tenant("team", ("team-1",), harden=True), Target()).objects[1]["spec"]["rules"]
    assert [[condition["key"] for condition in rule["when"]] for rule in rules[2:]] == [
        ["request.headers[Kn-Namespace]", "request.headers[Knative-Serving-Namespace]"]
    ] * 2


@pytest.mark.parametrize(
    ("flavour", "version"), [(Flavour.ISTIO, "v1"), (Flavour.OSSM2, "v1beta1"), (Flavour.OSSM3, "v1")]
)
def test_the_version_follows_the_flavour(flavour, version):
    made = tenant(Tenant("team", ("team-1",)), Target(flavour))
    assert {o["apiVersion"] for o in made.objects} == {f"security.istio.io/{version}"}
