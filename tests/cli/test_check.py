"""`kntls check` and `kntls cert` as people run them: exit codes, outputs, files, and the lab."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from xml.etree import ElementTree

import jsonschema
import pytest
import typer

from kntls.checks import CHECKS
from kntls.checks.run import run as judge
from kntls.cli.main import app
from kntls.lab import Lab
from kntls.lab.client import RESOURCES
from kntls.model import kinds as k
from kntls.report import certificates, checks
from kntls.report.document import document
from kntls.report.schemas import schema
from tests.checks.breakages import BREAKAGES
from tests.files import write
from tests.lab.small import until
from tests.terminal import say
from tests.world import World, healthy

CONFIG_MAPS = RESOURCES["configmaps"]
NAMESPACES, KSERVICES = RESOURCES["namespaces"], RESOURCES["services.serving.knative.dev"]


@pytest.fixture
def misspelt(tmp_path: Path) -> str:
    """Files of a world with a flag that is not one."""
    world = healthy()
    world.config()["cluster-local-domains-tls"] = "Enabled"
    return str(write(world, tmp_path))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A cluster with Knative and cert-manager, nothing encrypted."""
    with Lab.whole("upstream", speed=60) as running:
        yield running


# ------------------------------------------------------------------ files


def test_a_warning_alone_does_not_fail_unless_asked(misspelt: str) -> None:
    assert say("check", "-f", misspelt, "configuration")[0] == 0
    assert say("check", "-f", misspelt, "configuration", "--fail-on", "warning")[0] == 1


def test_an_error_makes_the_exit_code_1_and_names_object_reason_fix_and_page(tmp_path: Path) -> None:
    world = healthy()
    world.config()["external-domain-tls"] = "true"
    code, out, _ = say("check", "-f", str(write(world, tmp_path)), "configuration")
    assert code == 1
    assert "× KN-CONFIG-004" in out
    assert "external-domain-tls is 'true', which means Disabled" in " ".join(out.split())
    assert "fix: kubectl patch configmaps/config-network -n knative-serving" in out
    assert "docs/checks.md#kn-config-004" in out


def test_short_shows_only_what_is_wrong(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt, "configuration", "-o", "short")
    assert "KN-CONFIG-007" in out
    assert "√ KN-CONFIG" not in out


def test_names_are_those_of_what_is_wrong_as_kubectl_takes_them(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt, "configuration", "-o", "name")
    assert out == "configmaps/config-network -n knative-serving\n"


def test_wide_shows_what_does_not_apply_and_why(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt, "KN-CONFIG-017", "-o", "wide")
    assert "only where external-domain encryption is on" in out


def test_files_say_which_checks_need_a_cluster(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt)
    assert "Not looked at" in out
    assert re.search(r"handshakes: offline \(.*KN-SERVE", " ".join(out.split()))


def test_text_fits_eighty_columns_but_for_commands_and_addresses(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt)
    too_long = [line for line in out.splitlines() if len(line) > 80 and not re.match(r" +(fix|see)[: ]", line)]
    assert [line for line in too_long if "file" not in line] == []


def test_junit_has_a_case_for_each_check(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt, "configuration", "-o", "junit")
    root = ElementTree.fromstring(out)
    cases = root.findall("testsuite/testcase")
    assert len(cases) == sum(id.startswith("KN-CONFIG") for id in CHECKS)
    assert not root.findall(".//failure")
    _, strict, _ = say("check", "-f", misspelt, "configuration", "-o", "junit", "--fail-on", "warning")
    assert len(ElementTree.fromstring(strict).findall(".//failure")) == 1


def test_sarif_points_each_finding_to_its_rule(misspelt: str) -> None:
    _, out, _ = say("check", "-f", misspelt, "configuration", "-o", "sarif")
    (found,) = json.loads(out)["runs"]
    rules = {rule["id"] for rule in found["tool"]["driver"]["rules"]}
    (result,) = found["results"]
    assert result["ruleId"] == "KN-CONFIG-007"
    assert result["ruleId"] in rules
    assert result["level"] == "warning"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fix"],
        ["--smoke"],
        ["--wait", "1s"],
        ["nonsense"],
        ["--fail-on", "info"],
        ["-o", "html"],
        ["--smoke", "--fix"],
        ["--smoke", "--dry-run"],
        ["--smoke", "-o", "junit"],
        ["--image", "x"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(misspelt: str, arguments: list[str]) -> None:
    code, _, err = say("check", "-f", misspelt, *arguments)
    assert code == 2
    assert err.startswith("kntls: ")
    assert len(err.splitlines()) == 1


def _reports() -> list[World]:
    broken = healthy()
    broken.sign("serving-certs", "team-a", names=("kn-user-team-a",))
    blind = healthy()
    blind.forget(k.SECRET)
    blind.live = False
    return [healthy(), broken, blind]


@pytest.mark.parametrize("world", _reports(), ids=["healthy", "broken", "blind"])
def test_documents_fit_their_schemas(world: World) -> None:
    observation = world.observation()
    report = document("CheckReport", checks.body(judge(observation, CHECKS.values())))
    jsonschema.validate(report, schema("CheckReport"))
    from kntls.checks.facts import Facts
    from kntls.checks.verification import verifications

    found = certificates.body(verifications(Facts(observation)), observation.source, observation.unread)
    jsonschema.validate(document("CertificateReport", found), schema("CertificateReport"))


def test_cert_verify_exits_1_when_a_leaf_does_not_hold(tmp_path: Path) -> None:
    code, out, _ = say("cert", "verify", "-f", str(write(healthy(), tmp_path)), "team-a/serving-certs")
    assert code == 1, "its time is over by now"
    assert "× time: expired" in out


def test_cert_verify_names_what_is_not_right(tmp_path: Path) -> None:
    code, out, _ = say("cert", "verify", "-f", str(write(healthy(), tmp_path)), "-o", "name")
    assert code == 1
    assert "team-a/serving-certs" in out.splitlines()


def test_a_certificate_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    assert say("cert", "verify", "-f", str(write(healthy(), tmp_path)), "nope")[0] == 3


# ------------------------------------------------------------------ the lab


def live(lab: Lab, *arguments: str) -> tuple[int, str, str]:
    """The same against the lab."""
    return say(arguments[0], "--kubeconfig", str(lab.kubeconfig), *arguments[1:])


def test_a_cluster_without_encryption_is_fine(lab: Lab) -> None:
    code, out, _ = live(lab, "check")
    assert code == 0
    assert "Status check results are √" in out


def test_pre_asks_for_permissions_before_anything_is_on(lab: Lab) -> None:
    code, out, _ = live(lab, "check", "--pre", "-o", "json")
    assert code == 0
    found = {entry["id"]: entry["result"] for group in json.loads(out)["categories"] for entry in group["checks"]}
    assert found["KN-API-002"] == found["KN-API-003"] == "success"
    assert "KN-LEAF-002" not in found


def test_requests_are_shown_wherever_the_flag_stands(lab: Lab) -> None:
    words = ["KN-CONFIG-001", "--kubeconfig", str(lab.kubeconfig)]
    for command in (["-v", "check", *words], ["check", "-v", *words]):
        done = subprocess.run([sys.executable, "-m", "kntls", *command], capture_output=True, text=True, check=True)
        assert "kntls: GET /version 200" in done.stderr


def test_wait_looks_again_until_it_is_right(lab: Lab) -> None:
    code, _, _ = live(lab, "check", "--wait", "2s")
    assert code == 0


def test_wait_waits_for_whatever_would_make_it_fail(lab: Lab) -> None:
    before = lab.store.get(CONFIG_MAPS, "knative-serving", "config-network")
    typo = {**before, "data": {**before["data"], "cluster-local-domains-tls": "Enabled"}}
    mended = Timer(1.5, lambda: lab.store.update(CONFIG_MAPS, _newer(lab, before)))
    lab.store.update(CONFIG_MAPS, typo)
    mended.start()
    strict = ["KN-CONFIG-007", "--fail-on", "warning"]
    assert live(lab, "check", *strict)[0] == 1
    code, _, _ = live(lab, "check", *strict, "--wait", "10s")
    mended.join()
    assert code == 0


def _newer(lab: Lab, before: dict) -> dict:
    """The former content under the present version."""
    present = lab.store.get(CONFIG_MAPS, "knative-serving", "config-network")
    return {**before, "metadata": present["metadata"]}


def test_the_smoke_test_leaves_nothing_behind(lab: Lab) -> None:
    code, out, _ = live(lab, "check", "--smoke", "--image", "dev.local/hello", "-n", "default", "-o", "json")
    report = json.loads(out)
    jsonschema.validate(report, schema("SmokeReport"))
    assert code == 0
    assert report["steps"][0]["description"].startswith("Service default/kntls-smoke-")
    _, listed, _ = live(lab, "check", "--smoke", "--image", "dev.local/hello", "-n", "default")
    assert "the Service is removed again" in listed


def interrupted(lab: Lab, space: str, stop: signal.Signals, *, pause: float | None = None) -> int:
    """The exit code of a smoke test that is stopped once its Service is made; with `pause`, stopped twice."""
    lab.store.create(NAMESPACES, {"metadata": {"name": space}})
    flags = ["--kubeconfig", str(lab.kubeconfig), "-n", space, "--image", "dev.local/hello"]
    program = [sys.executable, "-m", "kntls", "check", "--smoke", *flags]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: lab.store.list(KSERVICES, space)[0], "the Service is made")
        process.send_signal(stop)
        if pause is not None:
            time.sleep(pause)
            process.send_signal(stop)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "the Service is removed again" in said
    return process.returncode


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_smoke_test_removes_its_service(lab: Lab, stop: signal.Signals) -> None:
    space = stop.name.lower()
    assert interrupted(lab, space, stop) == 130
    assert lab.store.list(KSERVICES, space)[0] == []


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.05])
def test_a_second_interrupt_does_not_keep_the_service(lab: Lab, pause: float) -> None:
    space = f"twice-{int(pause * 1000)}"
    assert interrupted(lab, space, signal.SIGINT, pause=pause) == 130
    assert lab.store.list(KSERVICES, space)[0] == []


def test_a_terminal_that_goes_away_does_not_leave_the_service(lab: Lab) -> None:
    assert interrupted(lab, "hangup", signal.SIGHUP) == 130
    assert lab.store.list(KSERVICES, "hangup")[0] == []


def test_a_service_that_does_not_become_ready_is_a_finding_and_removed(lab: Lab) -> None:
    with_fault = ["--image", "dev.local/nothing", "-n", "default", "--timeout", "0.1s", "-o", "json"]
    code, out, _ = live(lab, "check", "--smoke", *with_fault)
    report = json.loads(out)
    jsonschema.validate(report, schema("SmokeReport"))
    assert (code, report["success"]) == (1, False)
    assert "waited 0 s" in report["steps"][0]["detail"]
    assert lab.store.list(KSERVICES, "default")[0] == []


@pytest.mark.parametrize(
    "flags", [["--pre"], ["--fix"], ["--wait", "1s"], ["KN-API-001"], ["-o", "junit"]], ids=" ".join
)
def test_the_smoke_test_goes_by_itself(lab: Lab, flags: list[str]) -> None:
    code, _, err = live(lab, "check", "--smoke", *flags)
    assert (code, "--smoke" in err or "smoke test" in err) == (2, True)


def test_an_image_without_a_smoke_test_makes_no_sense(lab: Lab) -> None:
    assert live(lab, "check", "--image", "dev.local/hello")[0] == 2


def test_where_nothing_is_wrong_there_is_nothing_to_mend(lab: Lab) -> None:
    code, _, err = live(lab, "check", "--fix")
    assert (code, err) == (0, "There is nothing to mend.\n")


def test_no_image_to_test_with_is_a_usage_error(lab: Lab) -> None:
    code, _, err = live(lab, "check", "--smoke", "-n", "default")
    assert (code, "--image" in err) in ((2, True), (0, False))


# ------------------------------------------------------------------ commands in findings


def _kntls_commands() -> set[str]:
    """Every kntls command that some finding tells people to run."""
    found = set()
    for breakage in BREAKAGES:
        world = breakage.base()
        breakage.apply(world)
        for result in judge(world.observation(), [CHECKS[breakage.id]]).results:
            for entry in result.found:
                text = entry.problem.fix.partition("  #")[0]
                found |= {part.strip() for part in re.split(r"[;|]", text) if part.strip().startswith("kntls ")}
    return found


def test_every_kntls_command_in_a_finding_exists_with_its_flags() -> None:
    for line in sorted(_kntls_commands()):
        command = typer.main.get_command(app)
        _, *words = line.split()
        while words and hasattr(command, "get_command") and not words[0].startswith("-"):
            found = command.get_command(None, words[0])
            if found is None:
                break
            command, words = found, words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        flags = {word for word in words if word.startswith("-") and word != "-"}
        assert flags <= known, line
