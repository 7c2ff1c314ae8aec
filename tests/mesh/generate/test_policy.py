from pathlib import Path

import pytest
import yaml

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.model import Target, parse_labels
from kntls.mesh.generate.policy import TEMPLATES, Request, policy

BUNDLES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "mesh-policies.yaml").read_text())["bundles"]

DOCUMENTED = {
    "s002-deny-outside": Request(
        "outside-namespace", "DENY", "bookinfo", {"app": "httpbin", "version": "v1"}, "httpbin-deny"
    ),
    "s002-allow-all": Request("allow-all", namespace="bookinfo"),
    "s002-deny-all": Request("deny-all", namespace="bookinfo"),
    "s002-ingress-ip": Request("ingress", name="ingress-policy", ip_blocks=("1.2.3.4", "5.6.7.0/24")),
    "details-viewer": Request(
        "caller",
        namespace="default",
        labels={"app": "details"},
        name="details-viewer",
        service_accounts=("default/bookinfo-productpage",),
        methods=("GET",),
    ),
    "tcp-allow-ports": Request(
        "tcp-ports", namespace="foo", labels={"app": "tcp-echo"}, name="tcp-policy", ports=("9000", "9001")
    ),
}


@pytest.mark.parametrize("bundle", DOCUMENTED)
def test_the_documented_policies_come_out_as_documented(bundle):
    (made,) = policy(DOCUMENTED[bundle], Target()).objects
    (wanted,) = BUNDLES[bundle]
    assert made["metadata"] == {"name": wanted["n"], "namespace": wanted["ns"]}
    assert made["spec"] == wanted["spec"]


VALID = {
    "allow-all": {},
    "deny-all": {},
    "outside-namespace": {"source_namespaces": ("a",)},
    "ingress": {"ip_blocks": ("10.0.0.0/8",)},
    "caller": {"service_accounts": ("a/b",)},
    "tcp-ports": {"ports": ("9000",)},
}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize(("namespace", "labels"), [("", {}), ("web", {}), ("web", {"app": "x"}), ("", {"app": "x"})])
def test_every_template_works_at_every_scope(template, namespace, labels):
    made = policy(Request(template, namespace=namespace, labels=labels, **VALID[template]), Target()).objects[0]
    assert made["metadata"]["namespace"] == (namespace or "istio-system")
    if labels:
        assert made["spec"]["selector"] == {"matchLabels": labels}


@pytest.mark.parametrize("template", ["outside-namespace", "ingress", "caller", "tcp-ports"])
def test_deny_is_the_same_rule_with_the_other_action(template):
    allow = policy(Request(template, "ALLOW", "web", **VALID[template]), Target()).objects[0]
    deny = policy(Request(template, "DENY", "web", **VALID[template]), Target()).objects[0]
    assert (allow["spec"].pop("action"), deny["spec"].pop("action")) == ("ALLOW", "DENY")
    assert allow["spec"] == deny["spec"]


def test_deny_all_with_deny_cannot_be_opened_again():
    made = policy(Request("deny-all", "DENY", "web"), Target())
    assert made.objects[0]["spec"] == {"action": "DENY", "rules": [{}]}


def test_stopping_the_whole_mesh_is_refused():
    with pytest.raises(Refused, match="ingress gateways included"):
        policy(Request("deny-all", "DENY"), Target())


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (Request("open-sesame"), "open-sesame"),
        (Request("allow-all", "BLOCK"), "BLOCK"),
        (Request("allow-all", "DENY", "web"), "deny-all"),
        (Request("ingress"), "address"),
        (Request("ingress", ip_blocks=("10.0.0.300",)), "10.0.0.300"),
        (Request("caller", namespace="web"), "service account"),
        (Request("caller", namespace="web", service_accounts=("b",)), "NAMESPACE/NAME"),
        (Request("caller", namespace="web", service_accounts=("a/b/c",)), "b/c"),
        (Request("caller", namespace="web", service_accounts=("a/b",), methods=("get",)), "get"),
        (Request("tcp-ports", namespace="web", ports=("70000",)), "70000"),
        (Request("tcp-ports", namespace="web"), "port"),
        (Request("tcp-ports", namespace="web", ports=("1",), methods=("GET",)), "--method"),
        (Request("outside-namespace"), "which namespace"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_that_names_it(request_, what):
    with pytest.raises(UsageError, match=what):
        policy(request_, Target())


def test_methods_without_ports_are_noted_as_a_tcp_trap():
    made = policy(Request("caller", "DENY", "web", service_accounts=("a/b",), methods=("GET",)), Target())
    assert any("TCP" in note for note in made.notes)


@pytest.mark.parametrize("text", ["app", "app=", "=x", "app=a*", "a b=c"])
def test_selectors_are_key_value_pairs_without_wildcards(text):
    if text == "app=":
        assert parse_labels(text) == {"app": ""}
    else:
        with pytest.raises(UsageError):
            parse_labels(text)
