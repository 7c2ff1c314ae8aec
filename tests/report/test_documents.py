"""Every JSON and YAML answer is the document its schema says."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import jsonschema
import pytest
import yaml

import kntls
from kntls.cli.main import run
from kntls.report.schemas import kinds, schema
from tests.files import write
from tests.world import OPENSHIFT, UPSTREAM, healthy

COMMANDS = {
    "Version": ["version"],
    "Status": ["status"],
    "TrustBundleList": ["trust", "list"],
    "TrustReport": ["trust", "show"],
    "RotationStatus": ["rotate-ca", "status"],
    "Plan": ["rotate-ca", "--new-secret", "ca2", "--dry-run"],
}


def answer(arguments: list[str]) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        assert run(arguments) == 0
    return out.getvalue()


@pytest.mark.parametrize("kind", sorted(COMMANDS))
@pytest.mark.parametrize("flavour", [UPSTREAM, OPENSHIFT])
def test_an_answer_fits_its_schema_in_json_and_yaml(kind, flavour, tmp_path):
    source = ["-f", str(write(healthy(flavour), tmp_path))] if kind != "Version" else []
    as_json = json.loads(answer([*COMMANDS[kind], *source, "-o", "json"]))
    as_yaml = yaml.safe_load(answer([*COMMANDS[kind], *source, "-o", "yaml"]))
    for document in (as_json, as_yaml):
        jsonschema.validate(document, schema(kind))
        assert document["kind"] == kind


def test_every_kind_that_is_printed_has_a_schema():
    sources = "".join(path.read_text() for path in Path(kntls.__file__).parent.rglob("*.py"))
    printed = set(re.findall(r'\b(?:emit|render)\("([A-Z]\w+)"', sources))
    assert {"Status", "LabStatus", "MeshLintReport"} <= printed
    assert printed == set(kinds())


def test_every_schema_is_itself_valid_and_closed():
    for kind in kinds():
        found = schema(kind)
        jsonschema.Draft202012Validator.check_schema(found)
        assert found["properties"]["kind"] == {"const": kind}
        assert found["additionalProperties"] is False
