import json
import subprocess
import sys

import pytest
import yaml

from kntls.cli.main import run
from tests.e2e.kube import kubectl

COMMANDS = {
    "tenant": ["tenant", "team", "--namespace", "team-1", "-n", "team-2"],
    "baseline": ["baseline"],
    "policy": ["policy", "caller", "-n", "web", "--service-account", "a/b", "--method", "GET", "--port", "80"],
    "integration": ["integration", "--domain", "apps.example.com"],
    "mtls": ["mtls", "--namespace", "a", "--namespace", "b"],
    "control-plane": ["control-plane", "--mtls", "--min-tls", "TLSv1_2", "--knative"],
    "member-roll": ["member-roll", "-n", "team-1"],
    "jwt": ["jwt", "j", "-n", "web", "--issuer", "https://i", "--jwks-uri", "https://i/keys"],
}


@pytest.mark.parametrize("flavour", ["istio", "ossm2", "ossm3"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_generator_prints_objects_for_every_flavour(name, flavour, capsys):
    assert run(["mesh", "generate", *COMMANDS[name], "--flavour", flavour]) == 0
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    assert objects
    assert all(o["metadata"]["name"] for o in objects)


def test_a_policys_namespace_is_its_scope(capsys):
    assert run(["mesh", "generate", "policy", "allow-all", "--namespace", "web"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["metadata"]["namespace"] == "web"


def test_notes_go_to_standard_error(capsys):
    run(["mesh", "generate", *COMMANDS["tenant"], "-o", "json"])
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["items"]) == 13
    assert "note: " in captured.err
    assert all(len(line) > 0 for line in captured.err.splitlines())


def test_a_kustomization_is_what_kubectl_kustomize_builds(tmp_path, capsys):
    assert run(["mesh", "generate", *COMMANDS["tenant"], "--kustomize", str(tmp_path)]) == 0
    built = subprocess.run([kubectl(), "kustomize", str(tmp_path)], capture_output=True, text=True, check=True)
    assert len(list(yaml.safe_load_all(built.stdout))) == 13


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["tenant", "team", "-n", "local"], 4),
        (["tenant", "team", "-n", "a", "--no-serving", "--no-eventing"], 4),
        (["tenant", "team"], 2),
        (["tenant", "team", "-n", "a", "--directory", "x", "--kustomize", "y"], 2),
        (["tenant", "team", "-n", "a", "--directory", "x", "--apply"], 2),
        (["policy", "caller", "-n", "web"], 2),
        (["control-plane", "--min-tls", "TLSv1_3", "--max-tls", "TLSv1_2"], 4),
        (["control-plane", "--jwks-ca", "/nowhere/ca.pem"], 2),
        (["mtls", "--mode", "LAX"], 2),
        (["baseline", "-o", "junit"], 2),
        (["baseline", "--flavour", "linkerd"], 2),
    ],
)
def test_what_is_refused_says_why_in_one_line(arguments, code, capsys):
    assert run(["mesh", "generate", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_the_common_namespace_flag_gives_way_to_a_repeatable_one():
    text = subprocess.run(
        [sys.executable, "-m", "kntls", "mesh", "generate", "tenant", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert text.count("--namespace") == 1
    assert "repeat for more" in text


def test_going_strict_lists_who_would_break_and_refuses_until_they_are_named(tmp_path, capsys):
    pods = [
        {"metadata": {"name": name, "namespace": "shop", "labels": {"app": name}}, "spec": {"containers": containers}}
        for name, containers in (("web", [{"name": "a"}, {"name": "istio-proxy"}]), ("cron", [{"name": "a"}]))
    ]
    objects = [{"apiVersion": "v1", "kind": "Pod", "status": {}, **each} for each in pods]
    for each in objects:
        each["status"] = {"phase": "Running"}
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    strict = ["mesh", "generate", "mtls", "-n", "shop", "-f", str(file)]
    assert run(strict) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "would break: caller shop/cron" in captured.err
    assert run([*strict, "--outside", "shop/cron"]) == 0
    assert "kind: PeerAuthentication" in capsys.readouterr().out
    assert run([*strict, "--mode", "PERMISSIVE"]) == 0


def test_without_anything_read_strict_says_that_it_does_not_know(capsys):
    assert run(["mesh", "generate", "mtls"]) == 0
    assert "who would break under STRICT is unknown" in capsys.readouterr().err


def test_helm_values_cannot_be_applied(capsys):
    assert run(["mesh", "generate", "control-plane", "--min-tls", "TLSv1_2", "--apply", "--yes"]) == 2
    assert "helm" in capsys.readouterr().err


def test_help_loads_neither_yaml_nor_cryptography():
    script = (
        "import sys; from kntls.cli.main import run; run(['mesh', 'generate', 'tenant', '--help']);"
        "assert not {'yaml', 'cryptography', 'kubernetes', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("flag", ["--root-namespace", "--cluster-domain"])
def test_names_of_the_mesh_are_names(flag, capsys):
    assert run(["mesh", "generate", "tenant", "t", "-n", "t-1", flag, "A b"]) == 2
    assert "'A b' is no valid" in capsys.readouterr().err
