"""Check reports in every format: nothing looks more harmless, or more looked at, than it is."""

from __future__ import annotations

import json
from urllib.parse import urlsplit
from xml.etree import ElementTree

from kntls.checks import CHECKS
from kntls.checks.run import Report, run, select
from kntls.model import kinds as k
from kntls.model.observation import Unread
from kntls.report import check_junit, checks, sarif
from kntls.report.text import Paint
from tests.world import World, condition, healthy


def untrusting() -> Report:
    """A warning (no bundle) that explains an error (nothing is trusted)."""
    world = healthy()
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)
    del world.get(k.SECRET, "routing-serving-certs", world.serving)["data"]["ca.crt"]
    return run(world.observation(), CHECKS.values())


def unpermitted() -> Report:
    """Nothing could be read."""
    world = World()
    world.unread = tuple(Unread(kind.resource, "forbidden") for kind in (k.CONFIG_MAP, k.DEPLOYMENT, k.CRD))
    return run(world.observation(), select([]))


def test_a_warning_that_explains_an_error_is_marked_like_the_error() -> None:
    text = checks.render(untrusting(), Paint(False), 80, short=True)
    (line,) = [line for line in text.splitlines() if "KN-TRUST-001 " in line]
    assert line.startswith("×")


def test_sarif_names_every_check_that_was_not_looked_at() -> None:
    report = unpermitted()
    (ran,) = json.loads(sarif.render(report))["runs"]
    (invocation,) = ran["invocations"]
    told = {note.get("associatedRule", {}).get("id") for note in invocation["toolExecutionNotifications"]}
    assert {"KN-CONFIG-001", "KN-LEAF-002", "KN-CM-004"} <= told
    assert invocation["executionSuccessful"] is False


def test_sarif_locations_are_addresses_without_spaces() -> None:
    (ran,) = json.loads(sarif.render(unpermitted()))["runs"]
    addresses = [entry["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for entry in ran["results"]]
    assert addresses
    assert all(" " not in address and urlsplit(address).path == address for address in addresses)


def test_a_message_with_control_characters_is_still_xml() -> None:
    world = healthy()
    status = world.get(k.CERTIFICATE, "serving-certs", "team-a")["status"]
    status["conditions"] = [condition("Ready", "False", "Failed", message="bell\x07 and escape\x1b[31m")]
    text = check_junit.render(run(world.observation(), select(["KN-KCERT-004"])))
    assert "bell?" in ElementTree.fromstring(text).findall(".//failure")[0].attrib["message"]
