"""The lab answers as the real API server did when the transcripts were recorded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kntls.lab import Lab
from kntls.lab.api.watches import Options
from tests.lab.conformance import replay

COMPONENTS = ("12-", "13-")
"""Scenarios about what controllers do; they run on the whole lab."""
SCENARIOS = replay.scenarios()
DIFFERENCES = yaml.safe_load((replay.HERE / "differences.yaml").read_text())
KNOWN = {(entry["scenario"], entry["say"]): entry["reason"] for entry in DIFFERENCES}
DOCS = Path(__file__).parents[2] / "docs" / "lab.md"


@pytest.fixture(scope="module")
def bare():
    with Lab() as lab, pytest.MonkeyPatch.context() as patch:
        hurry_watches(lab, patch)
        yield replay.Server(lab.kubeconfig)


def hurry_watches(lab, patch):
    """Watches that last a tenth of the seconds they are asked for: a transcript does not say how long they took."""
    whole, changed = Options.of, lab.store.history.changed
    wait = changed.wait
    patch.setattr(Options, "of", lambda request: replace(whole(request), seconds=whole(request).seconds / 10))
    patch.setattr(changed, "wait", lambda seconds: wait(seconds / 20))


@pytest.fixture(scope="module")
def whole():
    with Lab.whole() as lab:
        yield replay.Server(lab.kubeconfig)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_lab_answers_as_the_real_one(request, path):
    server = request.getfixturevalue("whole" if path.name.startswith(COMPONENTS) else "bare")
    recorded = json.loads(replay.transcript(path).read_text())
    answered = replay.Scenario(path, server).run()
    assert [step["say"] for step in answered] == [step["say"] for step in recorded]
    for real, ours in zip(recorded, answered, strict=True):
        if (path.stem, real["say"]) in KNOWN:
            assert ours != real, f"{real['say']}: no difference any more; take it off the list"
        else:
            assert ours == real, real["say"]


def test_a_hundred_and_twenty_interactions_are_recorded():
    assert sum(len(json.loads(replay.transcript(path).read_text())) for path in SCENARIOS) >= 120


def test_the_manual_names_every_difference():
    manual = " ".join(DOCS.read_text().split())
    assert [reason for reason in KNOWN.values() if reason not in manual] == []
