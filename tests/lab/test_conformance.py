"""The lab answers as the real API server did when the transcripts were recorded."""

import json

import pytest

from kntls.lab import Lab
from tests.lab.conformance import replay

NEEDS_COMPONENTS = ("12-", "13-")
"""Scenarios about what controllers do; they run on the whole lab."""


@pytest.fixture(scope="module")
def server():
    with Lab() as lab:
        yield replay.Server(lab.kubeconfig)


API = [path for path in replay.scenarios() if not path.name.startswith(NEEDS_COMPONENTS)]


@pytest.mark.parametrize("path", API, ids=lambda path: path.stem)
def test_the_lab_answers_as_the_real_one(server, path):
    recorded = json.loads(replay.transcript(path).read_text())
    assert replay.Scenario(path, server).run() == recorded


def test_a_hundred_and_twenty_interactions_are_recorded():
    assert sum(len(json.loads(replay.transcript(path).read_text())) for path in replay.scenarios()) >= 120
