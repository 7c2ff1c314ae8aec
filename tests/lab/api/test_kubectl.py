"""Real kubectl against the lab."""

import json
import socket
import subprocess
import threading

import pytest

from kntls.lab.api.pods import NoRuntime
from kntls.lab.resources import CERTIFICATES, CONFIG_MAPS, DEPLOYMENTS, PODS
from tests.lab.api.conftest import KUBECTL

CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: leaf}
spec:
  secretName: leaf
  dnsNames: [a.example]
  issuerRef: {name: ca}
"""


def test_a_secret_is_created_from_literals_and_read_back(kubectl):
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="


@pytest.mark.parametrize(
    "command",
    [
        ("create", "configmap", "c", "--from-literal=a=b"),
        ("create", "serviceaccount", "robot"),
        ("create", "deployment", "web", "--image=dev.local/web:1", "--port=8080"),
        ("create", "role", "reader", "--verb=get,list", "--resource=configmaps"),
        ("create", "rolebinding", "reader", "--role=reader", "--user=me"),
        ("create", "service", "clusterip", "web", "--tcp=80:8080"),
    ],
    ids=lambda command: command[1],
)
def test_kubectl_create_sends_protobuf_and_is_understood(kubectl, command):
    assert "created" in kubectl(*command)


def test_a_deployment_sent_as_protobuf_keeps_its_template(kubectl, lab, namespace):
    kubectl("create", "deployment", "web", "--image=dev.local/web:1", "--replicas=3", "--port=8080")
    spec = lab.store.get(DEPLOYMENTS, namespace, "web")["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert (spec["replicas"], container["image"]) == (3, "dev.local/web:1")
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


def test_a_zero_that_was_stated_arrives_and_what_json_inlines_is_inlined(kubectl):
    kubectl("create", "deployment", "none", "--image=dev.local/web:1", "--replicas=0")
    assert kubectl.json("get", "deployment", "none")["spec"]["replicas"] == 0
    kubectl("create", "poddisruptionbudget", "any", "--selector=a=b", "--min-available=0")
    assert kubectl.json("get", "pdb", "any")["spec"]["minAvailable"] == 0
    kubectl("create", "ingress", "web", "--rule=web.example/=web:80")
    (rule,) = kubectl.json("get", "ingresses.networking.k8s.io", "web")["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "web", "port": {"number": 80}}


def test_applying_twice_changes_nothing_the_second_time(kubectl):
    assert "created" in kubectl("apply", "-f", "-", text=CERTIFICATE)
    assert "unchanged" in kubectl("apply", "-f", "-", text=CERTIFICATE)
    assert "configured" in kubectl("apply", "-f", "-", text=CERTIFICATE.replace("a.example", "b.example"))


def test_server_side_apply_conflicts_name_the_other_manager_and_the_field(kubectl):
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", text=CERTIFICATE)
    changed = CERTIFICATE.replace("a.example", "b.example")
    refused = kubectl.run("apply", "--server-side", "--field-manager=two", "-f", "-", text=changed)
    assert refused.returncode == 1
    assert 'conflict with "one": .spec.dnsNames' in refused.stderr
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", text=changed)


def test_a_misspelt_field_is_refused(kubectl):
    refused = kubectl.run(
        "apply", "-f", "-", text=CERTIFICATE.replace("secretName: leaf", "secretName: x\n  dnsName: y")
    )
    assert 'unknown field "spec.dnsName"' in refused.stderr


def test_diff_shows_what_would_change_and_changes_nothing(kubectl, lab, namespace):
    kubectl("apply", "-f", "-", text=CERTIFICATE)
    version = lab.store.get(CERTIFICATES, namespace, "leaf")["metadata"]["resourceVersion"]
    done = kubectl.run("diff", "-f", "-", text=CERTIFICATE.replace("a.example", "b.example"))
    assert done.returncode == 1
    assert "+  - b.example" in done.stdout
    assert lab.store.get(CERTIFICATES, namespace, "leaf")["metadata"]["resourceVersion"] == version


def test_wait_returns_once_the_condition_holds(kubectl, lab, namespace):
    kubectl("apply", "-f", "-", text=CERTIFICATE)

    def become_ready():
        ready = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        lab.store.modify(CERTIFICATES, namespace, "leaf", lambda obj: {**obj, "status": ready}, "status")

    threading.Timer(0.5, become_ready).start()
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "certificate/leaf", "--timeout=20s")


def test_rollout_status_follows_a_deployment(kubectl, lab, namespace):
    kubectl("create", "deployment", "web", "--image=dev.local/web:1")
    kubectl("rollout", "restart", "deployment/web")

    def roll_out(obj):
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        return {**obj, "status": {**counts, "observedGeneration": obj["metadata"]["generation"]}}

    threading.Timer(0.3, lambda: lab.store.modify(DEPLOYMENTS, namespace, "web", roll_out, "status")).start()
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")


def test_scale_label_annotate_and_patch(kubectl):
    kubectl("create", "deployment", "web", "--image=dev.local/web:1")
    kubectl("scale", "deployment/web", "--replicas=4")
    kubectl("label", "deployment/web", "team=a")
    kubectl("annotate", "deployment/web", "note=b")
    kubectl("set", "image", "deployment/web", "web=dev.local/web:2")
    kubectl("patch", "deployment/web", "--type=json", "-p", '[{"op":"add","path":"/spec/paused","value":true}]')
    found = kubectl.json("get", "deployment", "web")
    assert (found["spec"]["replicas"], found["spec"]["paused"]) == (4, True)
    assert (found["metadata"]["labels"]["team"], found["metadata"]["annotations"]["note"]) == ("a", "b")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "dev.local/web:2"


def test_edit_writes_what_the_editor_made(kubectl, monkeypatch):
    kubectl("create", "configmap", "c", "--from-literal=a=before")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/before/after/")
    kubectl("edit", "configmap", "c")
    assert kubectl("get", "cm", "c", "-o", "jsonpath={.data.a}") == "after"


def test_custom_columns_come_from_the_definition(kubectl):
    kubectl("apply", "-f", "-", text=CERTIFICATE)
    heading = kubectl("get", "certificates", "-o", "wide").splitlines()[0].split()
    assert heading == ["NAME", "READY", "SECRET", "ISSUER", "STATUS", "AGE"]


def test_get_watch_shows_changes_as_they_happen(kubectl, lab, namespace):
    environment = {"KUBECONFIG": str(kubectl.kubeconfig), "KUBECACHEDIR": str(kubectl.cache)}
    command = [KUBECTL, "-n", namespace, "get", "cm", "-w", "-o", "name", "--field-selector=metadata.name=w"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        lab.store.create(CONFIG_MAPS, {"metadata": {"name": "w", "namespace": namespace}})
        assert watching.stdout.readline() == "configmap/w\n"
        lab.store.patch(CONFIG_MAPS, namespace, "w", {"data": {"a": "b"}})
        assert watching.stdout.readline() == "configmap/w\n"
        watching.kill()


def test_a_watch_of_one_object_is_told_of_no_other(kubectl, namespace):
    for name in ("a", "b"):
        kubectl("create", "configmap", name)
    raw = kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/configmaps/a?watch=true&timeoutSeconds=1")
    assert [json.loads(line)["object"]["metadata"]["name"] for line in raw.splitlines()] == ["a"]


def test_explain_and_api_resources_know_the_custom_types(kubectl):
    assert "secretName" in kubectl("explain", "certificate.spec")
    assert "kcert" in kubectl("api-resources", "--api-group=networking.internal.knative.dev")


def test_a_new_definition_is_served_explained_and_printed(kubectl):
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{**version, "additionalPrinterColumns": [column]}],
        },
    }
    kubectl("apply", "-f", "-", text=json.dumps(definition))
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
    kubectl("apply", "--server-side", "-f", "-", text=json.dumps(widget))
    assert kubectl("get", "widgets").split() == ["NAME", "SIZE", "w", "3"]
    assert "size" in kubectl("explain", "widget.spec")
    kubectl("delete", "crd", "widgets.example.com")


def test_impersonation_meets_rbac(kubectl, namespace):
    refused = kubectl.run("get", "secrets", "--as=stranger")
    assert 'User "stranger" cannot list resource "secrets" in API group "" in the namespace' in refused.stderr
    kubectl("create", "rolebinding", "view", "--clusterrole=view", "--user=stranger")
    assert kubectl("auth", "can-i", "list", "configmaps", "--as=stranger").strip() == "yes"
    assert kubectl.run("auth", "can-i", "list", "secrets", "--as=stranger").stdout.strip() == "no"


def test_a_service_accounts_token_opens_what_its_role_says(kubectl, namespace, lab, tmp_path):
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={namespace}:robot")
    config = tmp_path / "config"
    config.write_text(lab.kubeconfig_text(kubectl("create", "token", "robot").strip()))
    environment = {"KUBECONFIG": str(config), "KUBECACHEDIR": str(kubectl.cache)}

    def robot(*arguments):
        command = [KUBECTL, "-n", namespace, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert robot("get", "configmaps").returncode == 0
    assert f"system:serviceaccount:{namespace}:robot" in robot("get", "secrets").stderr


def test_a_wrong_token_is_not_let_in(kubectl, lab, tmp_path):
    config = tmp_path / "config"
    config.write_text(lab.kubeconfig_text("wrong"))
    kubectl.kubeconfig = config
    assert "Unauthorized" in kubectl.run("get", "cm").stderr


def test_logs_and_exec_of_a_pod_without_a_runtime_answer_plainly(kubectl, lab, namespace):
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    lab.store.create(PODS, pod)
    assert kubectl("logs", "p") == ""
    done = kubectl.run("exec", "p", "--", "ls")
    assert done.returncode == 127
    assert "not found" in done.stderr


class Talkative(NoRuntime):
    """Pods with a log that grows whenever it is read, of which the oldest lines are dropped."""

    def __init__(self):
        self.said = []

    def log(self, pod, container):
        self.said.append(f"line {len(self.said) + 1}\n")
        return "".join(self.said[-2:])


def test_a_followed_log_grows_line_by_line_until_the_pod_is_gone(kubectl, lab, namespace, monkeypatch):
    monkeypatch.setattr(lab.api, "runtime", Talkative())
    monkeypatch.setattr("kntls.lab.api.pods.FOLLOW_SECONDS", 0.01)
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    lab.store.create(PODS, pod)
    environment = {"KUBECONFIG": str(kubectl.kubeconfig), "KUBECACHEDIR": str(kubectl.cache)}
    command = [KUBECTL, "-n", namespace, "logs", "-f", "p"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert [following.stdout.readline() for _ in range(4)] == [f"line {number}\n" for number in (1, 2, 3, 4)]
        lab.store.delete(PODS, namespace, "p")
        assert following.wait(20) == 0


def test_of_several_containers_one_must_be_named(kubectl, lab, namespace):
    containers = [{"name": name, "image": "x"} for name in ("a", "b")]
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": containers}}
    lab.store.create(PODS, pod)
    refused = kubectl.run("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/p/log")
    assert "a container name must be specified for pod p, choose one of: [a b]" in refused.stderr
    assert kubectl("logs", "p", "-c", "b") == ""


def test_the_log_of_an_earlier_run_that_never_was_is_refused(kubectl, lab, namespace):
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    lab.store.create(PODS, pod)
    assert 'previous terminated container "a" in pod "p" not found' in kubectl.run("logs", "--previous", "p").stderr


def test_describe_shows_events(kubectl, lab, namespace):
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    uid = kubectl.json("get", "cm", "c")["metadata"]["uid"]
    event = {
        "metadata": {"name": "c.1"},
        "involvedObject": {"kind": "ConfigMap", "name": "c", "namespace": namespace, "uid": uid, "apiVersion": "v1"},
        "reason": "Seen",
        "message": "it was seen",
        "type": "Normal",
        "source": {"component": "test"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Event", **event}))
    assert "it was seen" in kubectl("describe", "cm", "c")


def test_deleting_a_namespace_takes_all_with_it(kubectl, namespace, lab):
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("delete", "ns", namespace, "--timeout=20s")
    assert lab.store.list(CONFIG_MAPS, namespace)[0] == []


def test_port_forward_carries_many_connections_and_names_a_closed_port(kubectl, lab, namespace):
    pod = {"metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    lab.store.create(PODS, pod)
    running = {"phase": "Running", "podIP": "127.0.0.1"}
    lab.store.modify(PODS, namespace, "p", lambda obj: {**obj, "status": running}, "status")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as closed:
        port, nothing = server.getsockname()[1], closed.getsockname()[1]
        closed.close()
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        environment = {"KUBECONFIG": str(kubectl.kubeconfig), "KUBECACHEDIR": str(kubectl.cache)}
        command = [KUBECTL, "-n", namespace, "port-forward", "p", f":{port}", f":{nothing}"]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environment, **options) as forwarding:
            local = {}
            while len(local) < 2:
                words = forwarding.stdout.readline().split()
                if words[2].startswith("127.0.0.1:"):
                    local[int(words[4])] = int(words[2].rpartition(":")[2])
            for number in range(3):
                with socket.create_connection(("127.0.0.1", local[port])) as connection:
                    text = str(number).encode() * 50_000
                    connection.sendall(text)
                    connection.shutdown(socket.SHUT_WR)
                    assert b"".join(iter(lambda: connection.recv(65536), b"")) == text
            with socket.create_connection(("127.0.0.1", local[nothing])) as connection:
                assert connection.recv(1) == b""
            assert "Connection refused" in forwarding.stderr.readline()
            forwarding.kill()


def echo(server):
    """Send everything back once the other side has finished."""
    while True:
        try:
            connection = server.accept()[0]
        except OSError:
            return
        with connection:
            connection.sendall(b"".join(iter(lambda: connection.recv(65536), b"")))  # noqa: B023 - read at once
