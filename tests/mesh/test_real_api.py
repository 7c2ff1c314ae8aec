"""Everything `kntls mesh generate` prints, put before a real API server that has Istio's CRDs."""

import base64
import json
import os

import pytest

from kntls.cli.main import run
from tests.e2e.kube import run as kubectl

pytestmark = pytest.mark.cluster

NAMESPACES = ("istio-system", "knative-serving", "knative-eventing", "team-1", "team-2", "web")
ISTIO = ("security.istio.io", "networking.istio.io")
GENERATORS = {
    "tenant": ["tenant", "team", "-n", "team-1", "-n", "team-2"],
    "tenant-hardened": ["tenant", "team", "-n", "team-1", "--harden"],
    "tenant-serving": ["tenant", "team", "-n", "team-1", "--no-eventing"],
    "tenant-eventing": ["tenant", "team", "-n", "team-1", "--no-serving"],
    "baseline": ["baseline"],
    "allow-all": ["policy", "allow-all", "-n", "web"],
    "deny-all": ["policy", "deny-all", "-n", "web"],
    "deny-all-deny": ["policy", "deny-all", "-n", "web", "--action", "DENY"],
    "outside": ["policy", "outside-namespace", "-n", "web", "--action", "DENY"],
    "ingress": ["policy", "ingress", "--ip-block", "203.0.113.0/24"],
    "ingress-remote": ["policy", "ingress", "--ip-block", "203.0.113.7", "--original-address", "--action", "DENY"],
    "caller": [
        "policy",
        "caller",
        "-n",
        "web",
        "-l",
        "app=a",
        "--service-account",
        "team-1/default",
        "--method",
        "GET",
    ],
    "tcp": ["policy", "tcp-ports", "-n", "web", "-l", "app=a", "--port", "9000"],
    "mesh-policy": ["policy", "allow-all"],
    "integration": ["integration", "--domain", "apps.example.com"],
    "integration-issuer": ["integration", "--domain", "apps.example.com", "--issuer", "ca"],
    "mtls-mesh": ["mtls"],
    "mtls-namespace": ["mtls", "-n", "web", "--mode", "PERMISSIVE", "--host", "*.web.svc.cluster.local"],
    "mtls-workload": ["mtls", "-n", "web", "-l", "app=a", "--port", "8022=PERMISSIVE", "--local-gateway"],
    "mtls-prestop": ["mtls", "-n", "web", "--prestop", "shop", "--plaintext-host", "db.web.svc.cluster.local"],
    "control-plane": ["control-plane", "--mtls", "--min-tls", "TLSv1_2", "--curve", "X25519", "--knative"],
    "member-roll": ["member-roll", "-n", "team-1"],
    "jwt": ["jwt", "j", "-n", "web", "--issuer", "https://i", "--jwks-uri", "https://i/k", "--claim", "a=b"],
}


@pytest.fixture(scope="module")
def served():
    """`kind.group` of everything the API server knows."""
    for namespace in NAMESPACES:
        kubectl("create", "namespace", namespace, check=False)
    lines = kubectl("api-resources", "--no-headers").stdout.splitlines()
    columns = [line.split() for line in lines]
    found = {f"{row[-1]}.{row[-3].rpartition('/')[0]}" for row in columns}
    assert {f"AuthorizationPolicy.{ISTIO[0]}", f"Gateway.{ISTIO[1]}"} <= found, "the cluster lacks Istio's CRDs"
    return found


def kind_of(obj):
    return f"{obj['kind']}.{obj['apiVersion'].rpartition('/')[0]}"


@pytest.mark.parametrize("flavour", ["istio", "ossm2", "ossm3"])
@pytest.mark.parametrize("name", GENERATORS)
def test_the_api_server_accepts_what_generate_prints(name, flavour, served, capsys):
    version = ["--mesh-version", "v1.30.3"] if (name, flavour) == ("control-plane", "ossm3") else []
    assert run(["mesh", "generate", *GENERATORS[name], *version, "--flavour", flavour, "-o", "json"]) == 0
    objects = json.loads(capsys.readouterr().out)["items"]
    known = [obj for obj in objects if kind_of(obj) in served]
    foreign = {kind_of(obj) for obj in objects} - served
    assert not {kind for kind in foreign if kind.endswith(ISTIO)}
    if not known:
        pytest.xfail(f"not served here: {', '.join(sorted(foreign))}")
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": known})
    answer = kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=items, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "unknown field" not in answer.stderr


def test_apply_writes_them_once_and_finds_them_done_the_second_time(served, capsys):
    kubeconfig = ["--kubeconfig", os.environ["KNTLS_E2E_KUBECONFIG"]]
    command = ["mesh", "generate", "tenant", "team", "-n", "team-1", "--apply", "--yes", *kubeconfig]
    try:
        assert run([*command, "--dry-run"]) == 0
        assert "AuthorizationPolicy" in capsys.readouterr().out
        assert not kubectl("get", "authorizationpolicies", "-A", "-o", "name").stdout
        assert run(command) == 0
        assert len(kubectl("get", "authorizationpolicies", "-A", "-o", "name").stdout.splitlines()) == 11
        capsys.readouterr()
        assert run(command) == 0
        assert capsys.readouterr().err.count("already so") == 11
    finally:
        kubectl("delete", "authorizationpolicies", "--all", "-A", check=False)


@pytest.mark.parametrize(
    "spec",
    [
        {"rules": [{"from": [{"source": {"namespaces": ["a"], "serviceAccounts": ["a/b"]}}]}]},
        {"selector": {"matchLabels": {"app": "*"}}},
        {"action": "PERHAPS"},
    ],
)
def test_the_api_server_does_refuse_what_is_wrong(spec, served):
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "wrong", "namespace": "web"},
        "spec": spec,
    }
    answer = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(policy), check=False)
    assert answer.returncode != 0


def test_verify_makes_its_workloads_measures_and_leaves_nothing_behind(served, capsys):
    if "Service.serving.knative.dev" not in served:
        pytest.xfail("no Knative Serving here")
    kubeconfig = ["--kubeconfig", os.environ["KNTLS_E2E_KUBECONFIG"], "--timeout", "90s"]
    images = ["--image", "dev.local/hello", "--curl-image", "dev.local/curl"]
    tenants = ["--tenant", "one=team-1", "--tenant", "two=team-2"]
    code = run(["mesh", "verify", "--deploy", *tenants, *images, *kubeconfig, "-o", "json"])
    captured = capsys.readouterr()
    assert code in (0, 1), captured.err
    requests = {each["id"]: each for each in json.loads(captured.out)["requests"]}
    assert requests["one → one, direct"]["measured"] == "200"
    assert requests["one → two, activator"]["measured"] == "200"
    assert captured.err.count("made ") == captured.err.count("removed ") == 10
    left = kubectl("get", "deployments,ksvc", "-A", "-l", "app.kubernetes.io/part-of=kntls-verify", "-o", "name")
    assert not left.stdout


def secret_file(name):
    path = "{.data." + name.replace(".", "\\.") + "}"
    answer = kubectl("get", "secret", "cacerts", "-n", "istio-system", "-o", f"jsonpath={path}")
    return base64.b64decode(answer.stdout).decode()


@pytest.fixture
def istiod(served):
    labels = {"app": "istiod"}
    container = {"name": "d", "image": "dev.local/x", "env": [{"name": "ISTIO_MULTIROOT_MESH", "value": "true"}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-system", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    yield
    kubectl("delete", "deployment", "istiod", "-n", "istio-system", "--ignore-not-found")
    kubectl("delete", "secret", "cacerts", "-n", "istio-system", "--ignore-not-found")


def test_a_plug_in_ca_is_installed_rotated_and_removed(istiod, tmp_path, capsys):
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    for place, name in ((old, "old"), (new, "new")):
        names = ["--root-name", f"root {name}", "--ca-name", f"ca {name}"]
        assert run(["mesh", "cacerts", "create", place, *names]) == 0
    flags = ["--yes", "--timeout", "90s", "--kubeconfig", os.environ["KNTLS_E2E_KUBECONFIG"]]
    assert run(["mesh", "cacerts", "install", old, *flags]) == 0
    assert secret_file("ca-key.pem") == (tmp_path / "old" / "ca-key.pem").read_text()
    assert run(["mesh", "cacerts", "install", new, *flags]) == 4, "replacing a CA in use is a rotation"
    steps = []
    for _ in range(4):
        assert run(["mesh", "cacerts", "next", new, "--apply", *flags]) == 0
        steps.append(capsys.readouterr().out.rpartition("next: ")[2].split()[0])
        assert secret_file("root-cert.pem")
    assert steps == ["trust", "sign", "retire", "done"]
    for name in ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"):
        assert secret_file(name) == (tmp_path / "new" / name).read_text()
    assert run(["mesh", "cacerts", "validate", *flags[3:]]) == 0
    assert run(["mesh", "cacerts", "diff", new, *flags[3:]]) == 0
    assert run(["mesh", "cacerts", "remove", *flags]) == 0
    assert kubectl("get", "secret", "cacerts", "-n", "istio-system", check=False).returncode != 0
    captured = capsys.readouterr()
    assert "PRIVATE KEY" not in captured.out + captured.err
