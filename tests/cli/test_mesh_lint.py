import json
import xml.etree.ElementTree as ET

import pytest
import yaml

from kntls.cli.main import run

LOOSE = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "p", "namespace": "foo"},
    "spec": {"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]},
}


@pytest.fixture
def policy(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(LOOSE))
    return str(file)


def test_a_warning_is_shown_and_does_not_fail_unless_asked(policy, capsys):
    assert run(["mesh", "lint", "-f", policy]) == 0
    text = capsys.readouterr().out
    assert "MESH-AUTHZ-003" in text
    assert text.endswith("1 warning\n")
    assert all(len(line) <= 80 or policy in line for line in text.splitlines())
    assert run(["mesh", "lint", "-f", policy, "--fail-on", "warning"]) == 1


def test_every_output_names_rule_and_object(policy, capsys):
    for output in ("table", "short", "junit", "sarif", "json", "yaml"):
        run(["mesh", "lint", "-f", policy, "-o", output])
        text = capsys.readouterr().out
        assert "MESH-AUTHZ-003" in text
        assert "AuthorizationPolicy foo/p" in text


def test_sarif_has_every_rule_and_the_result_with_its_file(policy, capsys):
    run(["mesh", "lint", "-f", policy, "-o", "sarif"])
    (made,) = json.loads(capsys.readouterr().out)["runs"]
    (result,) = made["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == policy
    assert result["ruleId"] in {rule["id"] for rule in made["tool"]["driver"]["rules"]}


def test_junit_has_one_case_a_rule_and_counts_failures(policy, capsys):
    run(["mesh", "lint", "-f", policy, "-o", "junit"])
    suite = ET.fromstring(capsys.readouterr().out).find("testsuite")
    assert int(suite.get("tests")) == len(suite.findall("testcase"))
    assert [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None] == [
        "MESH-AUTHZ-003"
    ]


@pytest.mark.parametrize("extra", [["--rule", "MESH-NO-1"], ["--fail-on", "fatal"], ["-o", "html"], ["-f", "/nowhere"]])
def test_bad_input_is_one_line(policy, extra, capsys):
    arguments = ["mesh", "lint", *(extra if "-f" in extra else ["-f", policy, *extra])]
    assert run(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_rule_can_be_asked_for(policy, capsys):
    assert run(["mesh", "lint", "-f", policy, "--rule", "mesh-mtls-004"]) == 0
    assert capsys.readouterr().out == "nothing found\n"
