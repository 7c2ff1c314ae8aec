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
        (
            'apiVersion: security.istio.io/v1\nkind: "A\\nB"\nmetadata: {name: p}',
            "standard input, A B default/p: kind: security",
        ),
        (HEAD + "spec: []", PLACE + "spec: must be a mapping"),
        (HEAD + "spec: {action: DENY, action: ALLOW}", "standard input line 4: 'action' is given twice"),
        ('{"kind": "Pod", "kind": "Pod"}', "standard input: 'kind' is given twice in one object"),
        ("a: {b: 1, b: 2}", "standard input line 1: 'b' is given twice"),
        (HEAD.replace("p,", "7,"), "standard input, AuthorizationPolicy foo/7: metadata.name: must be a string"),
        ("{apiVersion: v1, kind: List}", "standard input: List: items: must be a list"),
        ("", "standard input: holds no Kubernetes object"),
        ("# nothing\n---\n", "standard input: holds no Kubernetes object"),
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


def thing(api_version, kind, rest, namespace="foo"):
    metadata = f"metadata: {{name: x, namespace: {namespace}}}"
    return f"apiVersion: {api_version}\nkind: {kind}\n{metadata}\n{rest}\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, labels: [a]}",
            "metadata.labels: must be a mapping, not a list",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x, labels: {app: 1}}",
            "metadata.labels[app]: must be a string, not an integer",
        ),
        (thing("v1", "Pod", "spec: {containers: [null]}"), "spec.containers[0]: must be a mapping, not null"),
        (
            thing("v1", "Service", "spec: {ports: [{port: http}]}"),
            "spec.ports[0].port: must be an integer, not a string",
        ),
        (
            thing("v1", "Service", "spec: {ports: [{port: 80, targetPort: 1.5}]}"),
            "spec.ports[0].targetPort: must be an integer or a string, not a number",
        ),
        (thing("v1", "Secret", "data: [a]"), "data: must be a mapping, not a list"),
        (thing("apps/v1", "Deployment", "spec: {template: []}"), "spec.template: must be a mapping, not a list"),
        (
            thing("networking.istio.io/v1", "Gateway", "spec: {servers: all}"),
            "spec.servers: must be a list, not a string",
        ),
        (
            thing("maistra.io/v2", "ServiceMeshControlPlane", "spec: {security: {dataPlane: {mtls: 'yes'}}}"),
            "spec.security.dataPlane.mtls: must be a boolean, not a string",
        ),
        (
            thing("maistra.io/v1", "ServiceMeshMemberRoll", "spec: {members: a}"),
            "spec.members: must be a list, not a string",
        ),
        (
            thing("sailoperator.io/v1", "Istio", "spec: {values: {meshConfig: {trustDomainAliases: a}}}"),
            "spec.values.meshConfig.trustDomainAliases: must be a list, not a string",
        ),
    ],
)
def test_what_is_read_of_other_kinds_has_its_type(text, what):
    with pytest.raises(InputError) as caught:
        read(text)
    assert str(caught.value).endswith(what)


def test_fields_of_other_kinds_that_are_not_looked_at_may_be_anything():
    assert len(read(thing("v1", "Pod", "spec: {containers: [{name: a, image: [x]}], new: 1}")).objects) == 1


def test_dates_are_text_as_kubernetes_reads_them():
    policy = "spec: {rules: [{from: [{source: {namespaces: [2024-01-01]}}]}]}"
    assert read(HEAD + policy).objects[0].spec["rules"][0]["from"][0]["source"]["namespaces"] == ["2024-01-01"]
    made = HEAD.replace("p,", "p, creationTimestamp: 2024-01-01T00:00:00Z,")
    assert read(made + "spec: {}").objects[0].created == "2024-01-01T00:00:00Z"


def test_json_may_be_indented_with_tabs_and_objects_may_follow_each_other():
    pod = '{\n\t"apiVersion": "v1",\n\t"kind": "Pod",\n\t"metadata": {"name": "NAME"}\n}\n'
    found = read(pod.replace("NAME", "a") + pod.replace("NAME", "b"))
    assert [(each.name, each.location) for each in found.objects] == [
        ("a", "standard input document 1"),
        ("b", "standard input document 2"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "p.yaml").write_text(POLICY, encoding="utf-8-sig")
    assert len(resources.read([str(tmp_path)]).objects) == 1


def test_an_empty_list_is_an_answer():
    assert read("{apiVersion: v1, kind: List, items: []}").objects == ()
