"""The lab in the background: `kntls lab up`, `down`, `status`, `run`, and what can be wrong with them."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import pytest

from kntls.lab import state as background
from kntls.report.schemas import schema


def program(home):
    """`kntls lab`, with its state in that directory."""
    environment = {**os.environ, "KNTLS_LAB_HOME": str(home), "PATH": "/usr/bin:/bin"}

    def run(*arguments, stdin=None, **more):
        command = [sys.executable, "-m", "kntls", "lab", *arguments]
        options = {"capture_output": True, "text": True, "check": False, "input": stdin}
        return subprocess.run(command, env={**environment, **more}, **options)

    return run


@pytest.fixture
def kntls(tmp_path):
    run = program(tmp_path / "lab")
    yield run
    if (tmp_path / "lab" / "state.json").exists():
        run("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The same where a lab runs, which nobody may list Secrets of."""
    run = program(tmp_path_factory.mktemp("running"))
    run("up", "--fault", "error=418@list:secrets")
    yield run
    run("down")


def one_line(done):
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_up_prints_a_kubeconfig_that_works_and_down_ends_it(kntls, tmp_path):
    up = kntls("up")
    assert (up.returncode, up.stdout) == (0, f"{tmp_path}/lab/kubeconfig\n")
    assert "kntls rotate-ca waits in real time: --soak 2s --grace 3s will do" in up.stderr
    status = json.loads(kntls("status", "-o", "json").stdout)
    jsonschema.validate(status, schema("LabStatus"))
    assert (status["kind"], status["running"], status["kubeconfig"]) == ("LabStatus", True, up.stdout.strip())
    ran = kntls("run", "--", "kubectl", "get", "ns", "default", "-o", "name")
    assert (ran.returncode, ran.stdout) == (0, "namespace/default\n")
    assert kntls("down").returncode == 0
    assert kntls("status").returncode == 3


def test_run_ends_with_the_commands_own_exit_code(running):
    assert running("run", "--", "sh", "-c", "exit 7").returncode == 7


def test_run_without_a_lab_says_how_to_get_one(kntls):
    done = kntls("run", "--", "kubectl", "get", "ns")
    assert done.returncode == 3
    assert one_line(done) == "kntls: no lab is running (fix: kntls lab up)"


def test_a_program_that_is_not_there_is_named(running):
    done = running("run", "--", "no-such-program")
    assert done.returncode == 3
    assert "no such program: no-such-program" in one_line(done)


def test_a_second_lab_is_refused_and_the_first_left_alone(running):
    before = running("status", "-o", "json").stdout
    done = running("up")
    assert done.returncode == 4
    assert "running already" in one_line(done)
    assert running("status", "-o", "json").stdout == before


def test_a_port_in_use_is_named(kntls):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = kntls("up", "--port", port)
    assert done.returncode == 3
    assert f"port {port} of 127.0.0.1 cannot be used" in one_line(done)
    assert kntls("status").returncode == 3


def test_a_killed_lab_is_not_taken_for_a_running_one(kntls, tmp_path):
    kntls("up")
    pid = json.loads((tmp_path / "lab" / "state.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    done = kntls("status")
    assert done.returncode == 3
    assert f"the lab (process {pid}) is gone" in one_line(done)
    assert kntls("up").returncode == 0


def test_a_state_directory_of_another_version_is_left_alone(kntls, tmp_path):
    state = tmp_path / "lab" / "state.json"
    state.parent.mkdir()
    state.write_text('{"format": 0, "pid": 1}')
    for command in ("up", "status", "down"):
        done = kntls(command)
        assert done.returncode == 2
        assert "is of another version of the lab (format 0, this is 1)" in one_line(done)
    assert state.read_text() == '{"format": 0, "pid": 1}'


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "pid": "x", "faults": 3}'])
def test_a_broken_state_file_is_named(kntls, tmp_path, content):
    state = tmp_path / "lab" / "state.json"
    state.parent.mkdir()
    state.write_text(content)
    done = kntls("status")
    assert done.returncode == 2
    assert str(state) in one_line(done)


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_state_directory_that_cannot_be_made_is_named_and_never_to_be_removed(kntls, command):
    done = kntls(command, KNTLS_LAB_HOME="/dev/null/lab")
    assert done.returncode == 2
    assert "cannot be used: Not a directory (fix: another KNTLS_LAB_HOME)" in one_line(done)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("earthquake", "no such fault: earthquake"),
        ("reset@get:certificates", "certificates.cert-manager.io or certificates.networking.internal.knative.dev"),
        ("conflict@update:secret", "no such resource: secret (fix: secrets)"),
    ],
)
def test_a_fault_that_could_never_happen_is_a_usage_error(kntls, spec, problem):
    done = kntls("up", "--fault", spec)
    assert done.returncode == 2
    assert problem in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--from", "x.yaml", "--layout", "openshift"), "the copy is laid out as its original"),
        (("--from", "/nowhere"), "/nowhere: cannot be read"),
    ],
)
def test_a_copy_of_nothing_is_refused(kntls, arguments, problem):
    done = kntls("up", *arguments)
    assert done.returncode == 2
    assert problem in one_line(done)


def test_a_copy_says_what_it_dropped_and_is_laid_out_as_its_original(kntls, tmp_path):
    serving = {"metadata": {"name": "knative-serving", "namespace": "knative-serving"}, "spec": {}}
    operated = {"apiVersion": "operator.knative.dev/v1beta1", "kind": "KnativeServing", **serving}
    key = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "team"}}
    key["data"] = {"key": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"}
    text = json.dumps({"kind": "List", "items": [operated, key]})
    up = kntls("up", "--from", "-", stdin=text)
    assert up.returncode == 0, up.stderr
    assert "1 private key in the input: used for nothing, not copied" in up.stderr
    assert json.loads(kntls("status", "-o", "json").stdout)["layout"] == "operator"
    assert sorted(os.listdir(tmp_path / "lab")) == ["kubeconfig", "lock", "log", "state.json"]


def test_faults_given_to_up_happen(running):
    done = running("run", "--", "kubectl", "get", "secrets")
    assert done.returncode == 1
    assert "asked to fail" in done.stderr


def test_the_state_directory_follows_xdg(kntls, tmp_path):
    done = kntls("up", KNTLS_LAB_HOME="", XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.stdout == f"{tmp_path}/state/kntls/lab/kubeconfig\n"
    kntls("down", KNTLS_LAB_HOME="", XDG_STATE_HOME=str(tmp_path / "state"))


def test_an_interrupt_while_it_starts_starts_nothing(monkeypatch, tmp_path):
    class Starting(io.StringIO):
        def readline(self):
            raise KeyboardInterrupt

    ended = []
    process = SimpleNamespace(stdout=Starting(), terminate=lambda: ended.append(True))
    monkeypatch.setenv("KNTLS_LAB_HOME", str(tmp_path))
    monkeypatch.setattr(background.subprocess, "Popen", lambda *_, **__: process)
    with pytest.raises(KeyboardInterrupt):
        background.up(background.Settings())
    assert ended
