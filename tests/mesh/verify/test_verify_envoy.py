import json

import pytest
import yaml
from verify_world import NAMES, OBJECTS, POLICIES, setting

from kntls.cli.main import run as command
from kntls.mesh.resources import from_objects
from kntls.mesh.verify.envoy import run


@pytest.fixture(scope="module")
def outcomes():
    world, _, found, _ = setting()
    return list(run(world, from_objects(OBJECTS), found))


def test_real_envoys_with_spiffe_mtls_answer_as_the_policies_say(outcomes):
    assert len(outcomes) >= 20
    assert [(each.probe.id, each.difference) for each in outcomes if not each.right] == []


def test_tenants_are_isolated_on_every_path_but_the_public_one(outcomes):
    for each in outcomes:
        one, _, rest = each.probe.id.partition(" → ")
        other, _, path = rest.partition(", ")
        assert each.measured.code == ("200" if one == other or path == "external" else "403"), each.probe.id


def test_the_refusing_proxy_is_the_one_on_the_path(outcomes):
    refused = {each.probe.id.partition(", ")[2]: each.denied_at for each in outcomes if each.measured.code == "403"}
    assert refused["activator"] == ("knative-serving/activator-1",)
    assert set(refused["direct"]) <= {f"{name}/scaled-1" for name in NAMES}


def test_the_command_needs_files_only_and_reports_every_request(tmp_path, capsys):
    file = tmp_path / "mesh.yaml"
    file.write_text(yaml.safe_dump_all(OBJECTS))
    assert command(["mesh", "verify", "-f", str(file), "-o", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "MeshVerification"
    assert all(each["right"] for each in report["requests"])


def test_policies_alone_are_enough_with_the_test_services_assumed(tmp_path, capsys):
    file = tmp_path / "policies.yaml"
    file.write_text(yaml.safe_dump_all(POLICIES))
    assert command(["mesh", "verify", "-f", str(file), "-o", "json"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["requests"]) == 16
    assert "no Knative service in team-1, team-2" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--deploy"],
        ["--on", "moon"],
        ["--tenant", "nobody", "--on", "envoy", "-f", "FILE"],
        ["--on", "cluster", "-f", "FILE"],
    ],
)
def test_what_makes_no_sense_is_one_line(arguments, tmp_path, capsys):
    file = tmp_path / "mesh.yaml"
    file.write_text(yaml.safe_dump_all(OBJECTS))
    assert command(["mesh", "verify", *[str(file) if each == "FILE" else each for each in arguments]]) == 2
    assert capsys.readouterr().err.count("\n") == 1
