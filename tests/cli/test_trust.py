"""`kntls trust` on the command line: one refusal, said once; what is not installed; documents."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from kntls.cli.carry import carry_out
from kntls.cli.main import run
from kntls.cli.options import Common
from kntls.cli.session import Offline
from kntls.errors import NotFound, NotInstalled, Refused
from kntls.knative.installation import detect
from kntls.model import kinds as k
from kntls.model.plan import Plan
from kntls.trust.plans import remove_plan
from kntls.trust.publish import publish_plan
from tests.files import write
from tests.terminal import say
from tests.world import ca, healthy


def removal(*, accept_impact: bool = False) -> Plan:
    """The plan that takes away the CA that everybody needs."""
    seen = healthy(tenants=("team-a", "team-b", "team-c")).observation()
    return remove_plan(seen, detect(seen), ca().certificate, (), accept_impact=accept_impact)


def refusal(plan: Plan) -> Refused:
    with pytest.raises(Refused) as caught:
        carry_out(plan, Offline(healthy().observation()), Common(dry_run=True), namespace="knative-serving")
    return caught.value


def test_a_ca_in_use_is_refused_in_one_line_with_a_short_list() -> None:
    found = refusal(removal())
    assert str(found).count("\n") == 0
    assert "kntls rotate-ca" in found.fix
    assert len(found.details) == 6
    assert found.details[0].startswith("activator in knative-serving would refuse Certificate ")
    assert found.details[-1].startswith("and ")


def test_a_refusal_is_said_once_and_the_plan_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kntls.trust.plans.remove_plan", lambda *_, **__: removal())
    code, out, err = say(
        "trust", "remove", ca().certificate.fingerprint, "--dry-run", "-f", str(write(healthy(), tmp_path))
    )
    assert (code, out) == (4, "")
    lines = err.splitlines()
    assert len(lines) == 7
    assert len(set(lines)) == 7
    assert lines[0].startswith("kntls: Remove ca1 (")
    assert all(line.startswith("  - ") for line in lines[1:])


def test_a_single_reason_is_the_refusal_itself() -> None:
    found = refusal(Plan("Do it", (), refusals=("it is not ours",)))
    assert (str(found), found.details) == ("it is not ours", ())


def test_a_removal_that_is_wanted_all_the_same_says_who_will_refuse_what() -> None:
    plan = removal(accept_impact=True)
    assert plan.refusals == ()
    assert any("would refuse" in line for line in plan.interruptions)


def test_publishing_needs_what_it_publishes_with() -> None:
    seen = healthy().observation()
    anchors = (ca().certificate,)
    with pytest.raises(NotInstalled, match="trust-manager"):
        publish_plan(seen, ("team-a",), anchors, kind="bundle", name="x", eventing=False)
    with pytest.raises(NotFound, match="no such namespace"):
        publish_plan(seen, (), anchors, kind="configmap", name="x", eventing=True)
    world = healthy()
    world.put(k.CRD, k.BUNDLE.resource)
    plan = publish_plan(world.observation(), ("team-a",), anchors, kind="bundle", name="x", eventing=False)
    assert plan.refusals == ()


def test_a_name_no_object_can_have_is_a_usage_error(tmp_path: Path) -> None:
    files = str(write(healthy(), tmp_path))
    code, _, err = say("trust", "publish", "-n", "team-a", "--name", "Bad Name", "--dry-run", "-f", files)
    assert code == 2
    assert err.startswith("kntls: --name: no name for an object: 'Bad Name'")


def test_a_plan_against_files_is_a_document_too(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text(ca("another").certificate.pem())
    (tmp_path / "files").mkdir()
    files = str(write(healthy(), tmp_path / "files"))
    code, out, _ = say("trust", "add", "--ca", str(pem), "-f", files, "--dry-run", "-o", "json")
    assert code == 0
    assert json.loads(out)["actions"][0]["changes"][0]["object"] == "ConfigMap knative-serving/knative-ca-bundle"


def test_files_cannot_be_changed(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text(ca("another").certificate.pem())
    (tmp_path / "files").mkdir()
    said = io.StringIO()
    with redirect_stderr(said):
        code = run(["trust", "add", "--ca", str(pem), "-f", str(write(healthy(), tmp_path / "files")), "--yes"])
    assert code == 2
    assert said.getvalue() == "kntls: -f: files cannot be changed, only planned against (fix: add --dry-run)\n"


def test_nothing_to_do_is_a_document_too(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text(ca().certificate.pem())
    (tmp_path / "files").mkdir()
    files = str(write(healthy(), tmp_path / "files"))
    code, out, err = say("trust", "add", "--ca", str(pem), "-f", files, "-o", "json")
    assert code == 0
    assert json.loads(out)["kind"] == "Plan"
    assert err.startswith("Nothing to do")
