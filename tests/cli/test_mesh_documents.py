"""Every JSON and YAML answer of the mesh commands is the document its schema says."""

import json

import jsonschema
import pytest
import yaml

from kntls.cli.main import run
from kntls.report.schemas import schema
from tests.mesh.verify.verify_world import OBJECTS


@pytest.fixture
def place(tmp_path, capsys):
    (tmp_path / "mesh.yaml").write_text(yaml.safe_dump_all(OBJECTS))
    for name in ("one", "two"):
        run(["mesh", "cacerts", "create", str(tmp_path / name), "--root-name", f"root {name}"])
    capsys.readouterr()
    return tmp_path


COMMANDS = {
    "MeshLintReport": ["lint", "-f", "mesh.yaml"],
    "MeshStatus": ["status", "-f", "mesh.yaml"],
    "MeshVerification": ["verify", "-f", "mesh.yaml"],
    "MeshCaReport": ["cacerts", "validate", "one"],
    "MeshCaDiff": ["cacerts", "diff", "one", "two"],
    "MeshCaStep": ["cacerts", "next", "two", "--current", "one"],
    "MeshChainReport": ["cacerts", "check", "one", "--chain", "two/cert-chain.pem"],
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_mesh_answer_fits_its_schema(kind, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    for output, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert run(["mesh", *COMMANDS[kind], "-o", output]) in (0, 1)
        document = load(capsys.readouterr().out)
        jsonschema.validate(document, schema(kind))
        assert document["kind"] == kind
