"""Requests that make no sense get an answer that says so."""

import json
from urllib.parse import parse_qs

import pytest

from kntls.lab.api.api import PANIC
from kntls.lab.api.messages import Request
from kntls.lab.resources import CONFIG_MAPS, NAMESPACES

NONSENSE = (None, True, 1, "x", ["x"], [None], {"a": 1}, [{}])
POD = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A"}]}]}
OBJECTS = {
    "/api/v1/namespaces/{}/configmaps": {
        "metadata": {"name": "a", "labels": {"a": "b"}, "finalizers": ["a/b"], "ownerReferences": [{"name": "x"}]},
        "data": {"k": "v"},
        "binaryData": {"b": "YQ=="},
    },
    "/api/v1/namespaces/{}/secrets": {"metadata": {"name": "a"}, "data": {"k": "dg=="}, "stringData": {"s": "t"}},
    "/api/v1/namespaces/{}/services": {
        "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 80, "targetPort": 80}], "selector": {"a": "b"}},
    },
    "/apis/apps/v1/namespaces/{}/deployments": {
        "metadata": {"name": "a"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD},
        },
    },
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings": {
        "metadata": {"name": "a"},
        "roleRef": {"kind": "Role", "name": "a"},
        "subjects": [{"kind": "User", "name": "x"}],
    },
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
        "metadata": {"name": "ws.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "ws", "kind": "W"},
            "versions": [{"name": "v1", "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    },
    "/apis/cert-manager.io/v1/namespaces/{}/certificates": {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "a"},
        "spec": {"secretName": "s", "dnsNames": ["a"], "issuerRef": {"name": "x"}, "privateKey": {"size": 2048}},
    },
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {
        "spec": {"resourceAttributes": {"verb": "get", "resource": "x"}}
    },
    "/apis/authentication.k8s.io/v1/tokenreviews": {"spec": {"token": "x", "audiences": ["x"]}},
    "/api/v1/namespaces/{}/serviceaccounts/default/token": {"spec": {"expirationSeconds": 700, "audiences": ["x"]}},
}
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")


@pytest.fixture
def ask(lab, namespace):
    """Sends one request past the network: method, path and query, body, content type → code and answer."""

    def ask(method, where, body=None, kind="json"):
        path, _, query = where.format(namespace).partition("?")
        headers = {"authorization": f"Bearer {lab.token}", "content-type": f"application/{kind}"}
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = lab.api.answer(Request(method, path, parse_qs(query), headers, b"" if body is None else text))
        return answer.code, answer.body

    return ask


def paths(value, before=()):
    """The path of every value in an object."""
    yield before
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*before, key))


def altered(obj, path, value):
    """The object with another value at a path."""
    if not path:
        return value
    copy = json.loads(json.dumps(obj))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("where", OBJECTS)
def test_no_value_in_the_wrong_place_makes_the_server_fail(ask, where):
    whole = OBJECTS[where]
    ask("POST", where, whole)
    for path in paths(whole):
        for value in NONSENSE:
            body = altered(whole, path, value)
            assert PANIC not in str(ask("POST", f"{where}?dryRun=All", body)), (path, value)
            assert PANIC not in str(ask("PUT", f"{where}/a?dryRun=All", body)), (path, value)
            for kind in PATCHES:
                answer = ask("PATCH", f"{where}/a?dryRun=All&fieldManager=x", body, kind)
                assert PANIC not in str(answer), (path, value, kind)


CONFIG = "/api/v1/namespaces/{}/configmaps"


@pytest.mark.parametrize(
    ("method", "where", "body", "code", "why"),
    [
        ("POST", CONFIG, {"metadata": 1}, 400, "cannot unmarshal number"),
        ("POST", CONFIG, {"metadata": {"name": "a"}, "kind": 1}, 400, "couldn't get version/kind"),
        ("POST", f"{CONFIG}?dryRun=Sure", {"metadata": {"name": "a"}}, 422, "dryRun: Unsupported value"),
        ("POST", f"{CONFIG}?fieldValidation=No", {"metadata": {"name": "a"}}, 422, 'Unsupported value: "No"'),
        ("POST", f"{CONFIG}?fieldManager={'x' * 129}", {"metadata": {"name": "a"}}, 422, "more than 128 bytes"),
        ("POST", CONFIG, {"metadata": {"name": "a", "resourceVersion": "1"}}, 500, "should not be set on objects"),
        ("PATCH", f"{CONFIG}/kube-root-ca.crt?force=true", {"data": {}}, 422, "non-apply patch"),
        ("DELETE", f"{CONFIG}/kube-root-ca.crt?gracePeriodSeconds=soon", None, 400, 'parsing "soon"'),
        ("DELETE", f"{CONFIG}/kube-root-ca.crt", {"gracePeriodSeconds": "x"}, 400, "cannot unmarshal string"),
        ("DELETE", f"{CONFIG}/kube-root-ca.crt", {"propagationPolicy": "x"}, 422, "propagationPolicy"),
        ("DELETE", f"{CONFIG}/kube-root-ca.crt", {"dryRun": ["x"]}, 422, "dryRun"),
        ("DELETE", f"{CONFIG}/kube-root-ca.crt", ["x"], 400, "DeleteOptions"),
        ("GET", f"{CONFIG}?resourceVersion=x", None, 400, "invalid resource version"),
        ("GET", f"{CONFIG}?resourceVersion=99999999", None, 504, "Too large resource version: 99999999"),
        ("GET", f"{CONFIG}/kube-root-ca.crt?resourceVersion=99999999", None, 504, "Too large resource version"),
        ("GET", f"{CONFIG}?resourceVersionMatch=Exact", None, 422, "forbidden unless resourceVersion"),
        ("GET", f"{CONFIG}?resourceVersion=1&resourceVersionMatch=x", None, 422, 'Unsupported value: "x"'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(ask, method, where, body, code, why):
    answer = ask(method, where, body, "merge-patch+json" if method == "PATCH" else "json")
    assert (answer[0], why in answer[1]["message"]) == (code, True), answer


@pytest.mark.parametrize(
    "patch", [[1], [{"op": "remove", "path": ""}], [{"op": "add", "path": "", "value": 1}], [{"op": "add", "path": 1}]]
)
def test_a_json_patch_that_leaves_no_object_is_refused(ask, patch):
    code, answer = ask("PATCH", f"{CONFIG}/kube-root-ca.crt?dryRun=All", patch, "json-patch+json")
    assert code in (400, 422), answer


def test_a_mistyped_apply_names_the_field_and_the_type_it_has(ask):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": True}}
    code, answer = ask("PATCH", f"{CONFIG}/a?fieldManager=x", body, "apply-patch+yaml")
    assert code == 500
    assert answer["message"].endswith("/a; /v1, Kind=ConfigMap): .data.k: expected string, got &{true}")


def test_a_failure_of_the_lab_itself_is_an_answer_and_a_line_in_its_log(lab, ask, caplog):
    def stumble(admission):
        raise KeyError("a mistake in the lab")

    lab.store.hooks.append(stumble)
    try:
        assert ask("POST", CONFIG, {"metadata": {"name": "a"}})[0] == 500
    finally:
        lab.store.hooks.remove(stumble)
    assert "a mistake in the lab" in caplog.text


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"labels": {"not valid": "a"}}, "name part must consist of"),
        ({"labels": {"NOT_VALID/a": "a"}}, "prefix part"),
        ({"annotations": {"not valid": "a"}}, "metadata.annotations: Invalid value"),
        ({"annotations": {"a": "x" * 262_144}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
        ({"finalizers": ["mine"]}, "neither a standard finalizer name nor is it fully qualified"),
        ({"ownerReferences": [{"name": "a"}]}, "metadata.ownerReferences.uid"),
    ],
)
def test_metadata_keeps_the_rules_of_all_types(ask, metadata, why):
    code, answer = ask("POST", CONFIG, {"metadata": {"name": "a", **metadata}})
    assert (code, why in answer["message"]) == (422, True), answer


@pytest.mark.parametrize(
    ("where", "body", "why"),
    [
        (CONFIG, {"data": {"a": "x" * 1_048_577}}, "Too long: may not be more than 1048576 bytes"),
        (CONFIG, {"data": {"a": "b"}, "binaryData": {"a": "YQ=="}}, "duplicate of key present in binaryData"),
        ("/api/v1/namespaces/{}/secrets", {"data": {"a": "eHh4" * 349_526}}, "data: Too long"),
        ("/api/v1/namespaces/{}/services", {"spec": {}}, "spec.ports: Required value"),
        ("/api/v1/namespaces/{}/services", {"spec": {"ports": [{"port": 1}, {"port": 2}]}}, "spec.ports[1].name"),
        ("/api/v1/namespaces/{}/services", {"spec": {"ports": [{"port": 65536}]}}, "must be between 1 and 65535"),
        ("/api/v1/namespaces/{}/pods", {"spec": {}}, "spec.containers: Required value"),
        ("/api/v1/namespaces/{}/pods", {"spec": {"containers": [{"name": "A", "image": "x"}]}}, "containers[0].name"),
        ("/api/v1/namespaces/{}/pods", {"spec": {"containers": [{"name": "a"}]}}, "containers[0].image: Required"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"rules": [{"verbs": ["get"]}]}, "at least one resource"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {}, "roleRef.name: Required value"),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"spec": {}}, "spec.names.plural: Required value"),
    ],
)
def test_built_in_types_keep_their_own_rules(ask, where, body, why):
    code, answer = ask("POST", where, {"metadata": {"name": "a"}, **body})
    assert (code, why in answer["message"]) == (422, True), answer


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_namespaces_every_cluster_needs_cannot_be_deleted(ask, lab, name):
    code, answer = ask("DELETE", f"/api/v1/namespaces/{name}")
    assert (code, answer["message"]) == (403, f'namespaces "{name}" is forbidden: this namespace may not be deleted')
    assert lab.store.find(NAMESPACES, "", name)


def test_a_field_that_pods_are_not_selected_by_is_called_so(ask):
    code, answer = ask("GET", "/api/v1/pods?fieldSelector=spec.colour%3Dred")
    assert (code, "field label not supported: spec.colour" in answer["message"]) == (400, True)


def test_a_broken_continue_token_is_named_as_such(ask):
    code, answer = ask("GET", f"{CONFIG}?limit=1&continue=nonsense!")
    assert (code, answer["message"]) == (400, "continue key is not valid: illegal base64 data")


def test_numbers_in_labels_can_be_compared(ask, lab, namespace):
    for size in ("1", "20", "big"):
        metadata = {"name": f"s{size}", "namespace": namespace, "labels": {"size": size}}
        lab.store.create(CONFIG_MAPS, {"metadata": metadata})
    found = {item["metadata"]["name"] for item in ask("GET", f"{CONFIG}?labelSelector=size%3E2")[1]["items"]}
    assert found == {"s20"}
    found = {item["metadata"]["name"] for item in ask("GET", f"{CONFIG}?labelSelector=size%3C2")[1]["items"]}
    assert found == {"s1"}
