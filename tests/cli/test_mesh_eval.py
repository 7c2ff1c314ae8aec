"""mesh test, compile, explain and matrix as commands: output, exit codes, one-line errors."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

import kntls as kntls_package

HERE = Path(__file__).parents[1] / "mesh" / "cases"
CASES, POLICIES = str(HERE / "mesh-cases.json"), str(HERE / "mesh-policies.yaml")
CLOSED = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed, namespace: foo}
spec: {}
"""
SETTING = f"""
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: foo}},
 spec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, image: i}}]}}}}}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: foo}},
 spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}}}
---
{CLOSED}
"""


def kntls(*arguments, stdin=None):
    command = [sys.executable, "-m", "kntls", "mesh", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture
def one_wrong(tmp_path):
    table = json.loads(Path(CASES).read_text())
    table["cases"] = [case for case in table["cases"] if case["id"] in ("001-07", "001-08")]
    table["cases"][0]["expect"] = 200
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(table))
    return str(path)


class TestTest:
    @pytest.mark.parametrize(("extra", "where"), [([], "offline"), (["--on", "envoy"], "on Envoy")])
    def test_a_table_that_holds_ends_with_one_line(self, extra, where):
        done = kntls("test", CASES, "-f", POLICIES, *extra)
        assert (done.returncode, done.stdout) == (0, f"114 cases {where}: 114 passed, 0 failed\n")

    def test_a_mismatch_names_hop_policy_and_rule(self, one_wrong):
        done = kntls("test", one_wrong, "-f", POLICIES)
        assert done.returncode == 1
        assert done.stdout.splitlines() == [
            "FAIL 001-07: expected 200, got 403",
            "     t2-curl → activator:8012  mTLS; "
            "denied: ALLOW policies select the workload and no rule of them matches",
            "     nearest: ns[knative-serving]-policy[allow-tenant-1-to-activator]-rule[0] fails at "
            "from[0].source.namespaces [tenant-1]",
            "2 cases offline: 1 passed, 1 failed",
        ]

    def test_short_output_is_one_line_a_mismatch(self, one_wrong):
        lines = kntls("test", one_wrong, "-f", POLICIES, "-o", "short").stdout.splitlines()
        assert lines == ["FAIL 001-07: expected 200, got 403", "2 cases offline: 1 passed, 1 failed"]

    def test_json_names_what_decided_each_case(self, one_wrong):
        document = json.loads(kntls("test", one_wrong, "-f", POLICIES, "-o", "json").stdout)
        assert (document["kind"], document["summary"]) == ("MeshTestReport", {"passed": 1, "failed": 1, "skipped": 0})
        failed, passed = document["cases"]
        assert (failed["outcome"], failed["deniedAt"], failed["got"]) == ("failed", "activator", "403")
        assert passed["decidedBy"] == "ns[tenant-1]-policy[allow-traffic-to-tenant-1]-rule[0]"

    def test_junit_counts_cases_and_failures(self, one_wrong):
        suite = ElementTree.fromstring(kntls("test", one_wrong, "-f", POLICIES, "-o", "junit").stdout).find("testsuite")
        assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
        assert suite.find("testcase/failure").get("message") == "expected 200, got 403"

    def test_sarif_has_a_result_for_each_mismatch(self, one_wrong):
        (run,) = json.loads(kntls("test", one_wrong, "-f", POLICIES, "-o", "sarif").stdout)["runs"]
        (result,) = run["results"]
        assert (result["ruleId"], result["level"]) == ("001-07", "error")
        assert result["message"]["text"].startswith("expected 200, got 403")
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == one_wrong

    def test_a_request_this_machine_cannot_make_is_skipped_and_counted(self, tmp_path):
        table = json.loads(Path(CASES).read_text())
        case = next(case for case in table["cases"] if case["id"] == "004-h01") | {"ip": "192.0.2.1"}
        path = tmp_path / "cases.json"
        path.write_text(json.dumps({**table, "cases": [case]}))
        done = kntls("test", str(path), "-f", POLICIES, "--on", "envoy")
        assert done.returncode == 0
        assert done.stdout.splitlines()[-1] == "1 cases on Envoy: 0 passed, 0 failed, 1 skipped"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                [CASES, "-f", POLICIES, "--on", "istio"],
                "kntls: --on: no such engine: 'istio'",
            ),
            ([CASES, "-f", POLICIES, "-o", "xml"], "kntls: -o: no such output: 'xml'"),
            (["/none.json", "-f", POLICIES], "kntls: /none.json: cannot be read: No such file or directory"),
            (
                [CASES, "-f", str(HERE / "common-policies.yaml")],
                f"kntls: {CASES} case 000-1a: setup: unknown bundle 'serverless-base' (there is ",
            ),
            (["-", "-f", "-"], "kntls: standard input cannot be both the cases and the policies"),
        ],
    )
    def test_bad_input_is_one_line_and_exit_code_2(self, arguments, message):
        done = kntls("test", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1

    def test_the_cases_may_come_by_standard_input(self, one_wrong):
        done = kntls("test", "-", "-f", POLICIES, "-o", "short", stdin=Path(one_wrong).read_text())
        assert done.stdout.splitlines()[-1] == "2 cases offline: 1 passed, 1 failed"

    def test_without_files_the_cluster_is_asked_for_its_policies(self, tmp_path):
        done = kntls("test", CASES, "--kubeconfig", str(tmp_path / "none"))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "kubeconfig" in done.stderr or str(tmp_path) in done.stderr

    def test_so_is_one_in_a_bundle_that_no_case_picks(self):
        bundle = "bundles: {unused: [{k: AuthorizationPolicy, ns: foo, n: p, spec: {action: DENY}}]}"
        done = kntls("test", CASES, "-f", POLICIES, "-f", "-", stdin=bundle)
        assert done.returncode == 2
        assert done.stderr.startswith(
            "kntls: standard input bundle unused entry 0, AuthorizationPolicy foo/p: spec.rules:"
        )

    def test_a_policy_istio_would_reject_is_refused(self):
        done = kntls("test", CASES, "-f", POLICIES, "-f", "-", stdin=CLOSED.replace("{}", "{action: DENY}"))
        assert done.returncode == 2
        assert done.stderr.startswith(
            "kntls: standard input, AuthorizationPolicy foo/closed: spec.rules: DENY without rules"
        )


class TestCompile:
    def test_yaml_is_the_list_of_filters(self):
        done = kntls("compile", "-f", "-", "--workload", "foo/app=web", stdin=CLOSED)
        (found,) = yaml.safe_load(done.stdout)
        assert (done.returncode, found["name"]) == (0, "envoy.filters.http.rbac")
        assert list(found["typedConfig"]["rules"]["policies"]) == ["ns[foo]-policy[closed]-rule[0]"]

    def test_json_and_tcp(self):
        done = kntls("compile", "-f", "-", "--workload", "foo", "--tcp", "-o", "json", stdin=CLOSED)
        assert json.loads(done.stdout)[0]["name"] == "envoy.filters.network.rbac"

    def test_the_root_namespace_and_trust_domains_can_be_given(self):
        policy = CLOSED.replace("spec: {}", "spec: {rules: [{from: [{source: {principals: [a/ns/b/sa/c]}}]}]}")
        options = ["--root-namespace", "foo", "--trust-domain", "a", "--trust-domain-alias", "z"]
        done = kntls("compile", "-f", "-", "--workload", "bar", *options, stdin=policy)
        assert "spiffe://z/ns/b/sa/c" in done.stdout

    def test_no_policy_is_an_empty_list(self):
        assert yaml.safe_load(kntls("compile", "-f", "-", "--workload", "bar", stdin=CLOSED).stdout) == []

    def test_a_workload_that_is_none_is_refused(self):
        done = kntls("compile", "-f", "-", "--workload", "foo/app", stdin=CLOSED)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


class TestExplain:
    def test_the_verdict_comes_first_and_every_line_fits_a_terminal(self):
        done = kntls("explain", "-f", "-", "--from", "bar/default", "--to", "foo/web:80", stdin=SETTING)
        lines = done.stdout.splitlines()
        assert (done.returncode, lines[0]) == (0, "403 denied  bar/default → foo/web")
        assert any(line.startswith("  to turn it round: add to namespace foo an AuthorizationPolicy") for line in lines)
        assert max(map(len, lines)) <= 80

    def test_names_without_a_namespace_are_of_the_one_given(self):
        done = kntls("explain", "-f", "-", "-n", "foo", "--from", "default", "--to", "web:80", stdin=SETTING)
        assert done.stdout.splitlines()[0] == "403 denied  foo/web → foo/web"

    def test_json_has_the_hops(self):
        arguments = ["--from", "bar/default", "--no-sidecar", "--to", "foo/web:80", "-o", "json"]
        document = json.loads(kntls("explain", "-f", "-", *arguments, stdin=SETTING).stdout)
        assert (document["kind"], document["verdict"]) == ("MeshExplanation", "403")
        (hop,) = document["routes"][0]["hops"]
        assert (hop["to"], hop["port"], hop["wire"], hop["code"]) == ("foo/web", 8080, "plaintext", "403")

    @pytest.mark.parametrize(
        "extra", [["--header", "x"], ["--jwt-claim", "x"], ["--ip", "x"], ["--remote-ip", "10"], ["-o", "junit"]]
    )
    def test_a_flag_that_makes_no_sense_is_refused(self, extra):
        done = kntls("explain", "-f", "-", "--from", "a/b", "--to", "foo/web:80", *extra, stdin=SETTING)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)

    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ("nobody", "foo/web:80"),
            ("a/b/c", "foo/web:80"),
            ("a/b", "web"),
            ("a/b", "foo/none:80"),
            ("a/b", "foo/web:9"),
        ],
    )
    def test_a_reference_to_nothing_in_the_files_is_refused(self, source, target):
        done = kntls("explain", "-f", "-", "--from", source, "--to", target, stdin=SETTING)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)

    @pytest.mark.parametrize("command", [["lint"], ["compile", "--workload", "foo"], ["matrix"], ["status"]])
    def test_files_with_nothing_in_them_are_refused(self, command):
        done = kntls(*command, "-f", "-", stdin="---\n")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "kntls: standard input: holds no Kubernetes object\n"


class TestMatrix:
    SERVICES = "\n---\n".join(
        f"{{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {{name: web, namespace: {namespace}}},"
        " spec: {template: {spec: {containers: [{image: i}]}}}}"
        for namespace in ("one", "two")
    )

    def test_a_leak_is_a_finding(self):
        done = kntls("matrix", "-f", "-", stdin=self.SERVICES)
        assert done.returncode == 1
        assert ["one", "two", "direct", "200", "LEAK"] in [line.split() for line in done.stdout.splitlines()]
        assert done.stdout.splitlines()[-1] == "16 cells: 8 as isolation demands, 8 not"

    @pytest.mark.parametrize(
        "tenants", [["one"], ["one="], ["=one"], ["a=one,"], ["a=one", "a=two"], ["a=one", "b=one"], ["a=one,one"]]
    )
    @pytest.mark.parametrize("command", ["matrix", "verify"])
    def test_a_tenant_is_a_name_and_its_own_namespaces(self, command, tenants):
        flags = [word for text in tenants for word in ("--tenant", text)]
        done = kntls(command, "-f", "-", *flags, stdin=self.SERVICES)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)

    def test_a_namespace_of_which_there_is_nothing_is_noted(self):
        done = kntls("matrix", "-f", "-", "--tenant", "a=one", "--tenant", "b=tow", stdin=self.SERVICES)
        assert done.stderr == "note: nothing in the input is in namespace tow\n"

    def test_html_is_one_page_with_every_cell(self):
        done = kntls("matrix", "-f", "-", "-o", "html", stdin=self.SERVICES)
        page = ElementTree.fromstring(done.stdout.split("\n", 1)[1].replace('<meta charset="utf-8">', ""))
        assert [cell.get("class") for cell in page.iter("td") if cell.get("class")].count("wrong") == 8


SCHEMAS = Path(kntls_package.__file__).parent / "report" / "schemas"


@pytest.mark.parametrize(
    ("kind", "arguments", "stdin"),
    [
        ("MeshTestReport", ["test", CASES, "-f", POLICIES], None),
        ("MeshExplanation", ["explain", "-f", "-", "--from", "bar/default", "--to", "foo/web:80"], SETTING),
        ("MeshExplanation", ["explain", "-f", "-", "--from", "a/b", "--to", "foo/web:80", "--no-sidecar"], SETTING),
        ("MeshMatrix", ["matrix", "-f", "-"], TestMatrix.SERVICES),
    ],
)
def test_json_is_as_its_schema_says(kind, arguments, stdin):
    document = json.loads(kntls(*arguments, "-o", "json", stdin=stdin).stdout)
    assert document["kind"] == kind
    jsonschema.validate(document, json.loads((SCHEMAS / f"{kind}.json").read_text()))


@pytest.mark.parametrize("command", [[], ["explain"], ["matrix"], ["test"], ["compile"]], ids=" ".join)
def test_help_imports_nothing_heavy(command):
    program = (
        "import sys; from kntls.cli.main import run; run(sys.argv[1:]);"
        "print([m for m in ('kubernetes', 'cryptography', 'yaml', 'rich', 'kntls.mesh.authz') if m in sys.modules])"
    )
    arguments = [sys.executable, "-c", program, "mesh", *command, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
