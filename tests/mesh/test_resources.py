"""Reading manifests and bundles: what is accepted, and the one line for what is not."""

import pytest

from kntls.errors import InputError
from kntls.mesh import resources

POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow, namespace: foo}
spec: {rules: [{}]}
"""


def read(text):
    return resources.read(["-"], stdin=text)


def test_documents_lists_and_typed_lists_are_read_as_objects():
    found = read(
        POLICY
        + "---\n---\n"
        + "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}}]}\n---\n"
        + "{apiVersion: v1, kind: PodList, items: [{metadata: {name: q, namespace: bar}}]}\n"
    )
    assert [(item.kind, item.namespace, item.name) for item in found.objects] == [
        ("AuthorizationPolicy", "foo", "allow"),
        ("Pod", "default", "p"),
        ("Pod", "bar", "q"),
    ]
    assert found.objects[0].location == "standard input document 1"


def test_directories_are_read_in_order_and_only_their_manifests(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.yaml").write_text(POLICY)
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo"}}')
    (tmp_path / "notes.txt").write_text("not: [yaml")
    assert [item.kind for item in resources.read([str(tmp_path)]).objects] == ["Namespace", "AuthorizationPolicy"]


def test_a_bundle_is_picked_by_name_and_adds_to_what_is_there():
    found = read("bundles:\n  one:\n    - {k: PeerAuthentication, ns: foo, n: default, spec: {mtls: {mode: STRICT}}}\n")
    assert found.objects == ()
    picked = found.with_bundles(["one"])
    assert [(item.kind, item.where) for item in picked.objects] == [
        ("PeerAuthentication", "standard input bundle one entry 0, PeerAuthentication foo/default")
    ]


HEAD = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: foo}\n"
PLACE = "standard input, AuthorizationPolicy foo/p: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "standard input line 2: not YAML: "),
        ("- a\n", "standard input: is not a Kubernetes object"),
        ("kind: Pod\n", "standard input: apiVersion: missing"),
        ("apiVersion: v1\nkind: Pod\n", "standard input: Pod: metadata.name: missing"),
        (HEAD + "spec: {rule: []}", PLACE + "spec.rule: unknown field 'rule'; known here: selector, "),
        (HEAD + "specs: {}", PLACE + "specs: unknown field"),
        (
            HEAD + "spec: {rules: [{from: [{source: {namespace: [a]}}]}]}",
            PLACE + "spec.rules[0].from[0].source.namespace: unknown field 'namespace'; known here: principals",
        ),
        (HEAD + "spec: {action: REFUSE}", PLACE + "spec.action: 'REFUSE' is not one of ALLOW, DENY, AUDIT, CUSTOM"),
        (
            HEAD + "spec: {rules: [{to: [{operation: {ports: [80]}}]}]}",
            PLACE + "spec.rules[0].to[0].operation.ports[0]: must be a string, not an integer",
        ),
        (HEAD + "spec: {rules: {}}", PLACE + "spec.rules: must be a list, not a mapping"),
        (
            HEAD.replace("AuthorizationPolicy", "AuthPolicy"),
            "standard input, AuthPolicy foo/p: kind: security.istio.io has",
        ),
        (HEAD.replace("security.istio.io", "rbac.istio.io"), PLACE + "apiVersion: 'rbac.istio.io/v1' has no"),
        ("bundles: {one: [{k: Policy, ns: a, n: b}]}", "standard input bundle one entry 0: k: unknown kind 'Policy'"),
        ("bundles: {one: [{kind: Policy}]}", "standard input bundle one entry 0: unknown field 'kind'; known here: "),
    ],
)
def test_what_is_wrong_is_named_by_file_document_and_field(text, message):
    with pytest.raises(InputError) as caught:
        read(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match=r"/nowhere\.yaml: no such file or directory"):
        resources.read(["/nowhere.yaml"])
