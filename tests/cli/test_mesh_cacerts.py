import json

import pytest
import yaml

from kntls.cli.main import run


@pytest.fixture
def made(tmp_path, capsys):
    for name in ("one", "two"):
        names = ["--root-name", f"root {name}", "--ca-name", f"ca {name}"]
        assert run(["mesh", "cacerts", "create", str(tmp_path / name), *names]) == 0
    capsys.readouterr()
    return tmp_path


def test_create_keeps_the_roots_key_out_of_the_directory(made):
    assert sorted(p.name for p in (made / "one").iterdir()) == [
        "ca-cert.pem",
        "ca-key.pem",
        "cert-chain.pem",
        "root-cert.pem",
    ]
    assert sorted(p.name for p in (made / "one-root").iterdir()) == ["root-cert.pem", "root-key.pem"]


def test_an_existing_root_can_sign(made, capsys):
    root = made / "one-root"
    given = ["--root-cert", str(root / "root-cert.pem"), "--root-key", str(root / "root-key.pem")]
    assert run(["mesh", "cacerts", "create", str(made / "next"), "--ca-name", "ca next", *given]) == 0
    assert (made / "next" / "root-cert.pem").read_text() == (root / "root-cert.pem").read_text()
    assert not (made / "next-root").exists()
    capsys.readouterr()
    wrong = ["--root-cert", str(root / "root-cert.pem"), "--root-key", str(made / "two-root" / "root-key.pem")]
    assert run(["mesh", "cacerts", "create", str(made / "bad"), *wrong]) == 4


def test_where_one_file_is_in_the_way_none_is_written(made, capsys):
    (made / "three-root").mkdir()
    (made / "three-root" / "root-key.pem").write_text("kept")
    assert run(["mesh", "cacerts", "create", str(made / "three")]) == 4
    assert not (made / "three").exists()


def test_a_ca_has_a_name_and_a_lifetime(made, capsys):
    for wrong in (["--root-name", ""], ["--ca-name", " "], ["--lifetime", "0d"]):
        assert run(["mesh", "cacerts", "create", str(made / "bad"), *wrong]) == 2
    assert not (made / "bad").exists()


def test_a_finding_on_a_directory_names_the_directory(made, capsys):
    (made / "one" / "ca-key.pem").unlink()
    assert run(["mesh", "cacerts", "validate", str(made / "one")]) == 1
    out = capsys.readouterr().out
    assert f"{made / 'one'}: ca-key.pem missing" in " ".join(out.split())
    assert "None" not in out


def test_a_difference_names_each_certificate_once(made, capsys):
    assert run(["mesh", "cacerts", "diff", str(made / "one"), str(made / "two")]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "CN=ca one" in line)
    assert line.count("(") == 1


def test_validate_answers_with_findings(made, capsys):
    assert run(["mesh", "cacerts", "validate", str(made / "one")]) == 0
    assert capsys.readouterr().out.endswith("nothing found\n")
    (made / "one" / "ca-key.pem").write_bytes((made / "two" / "ca-key.pem").read_bytes())
    assert run(["mesh", "cacerts", "validate", str(made / "one"), "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in report["findings"]] == ["MESH-CA-004"]


def test_a_secret_in_a_manifest_is_judged_too(made, capsys):
    files = {p.name: p.read_text() for p in (made / "one").iterdir()}
    metadata = {"name": "cacert", "namespace": "istio-system"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files}
    (made / "secret.yaml").write_text(yaml.safe_dump(secret))
    assert run(["mesh", "cacerts", "validate", "-f", str(made / "secret.yaml")]) == 1
    text = capsys.readouterr().out
    assert "MESH-CA-019" in text
    assert "PRIVATE KEY" not in text


def test_diff_ends_with_one_if_anything_differs(made, capsys):
    assert run(["mesh", "cacerts", "diff", str(made / "one"), str(made / "one")]) == 0
    assert run(["mesh", "cacerts", "diff", str(made / "one"), str(made / "two")]) == 1
    assert "4 of 4 files differ" in capsys.readouterr().out


def test_next_names_the_step(made, capsys):
    assert run(["mesh", "cacerts", "next", str(made / "two"), "--current", str(made / "one")]) == 0
    assert capsys.readouterr().out.startswith("next: trust\n")
    assert run(["mesh", "cacerts", "next", str(made / "one"), "--current", str(made / "one"), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == "done"


def test_a_captured_chain_is_judged(made, capsys):
    chain = made / "chain.txt"
    chain.write_text((made / "two" / "cert-chain.pem").read_text())
    assert run(["mesh", "cacerts", "check", str(made / "one"), "--chain", str(chain)]) == 1
    assert "0 of 1 chains" in capsys.readouterr().out


@pytest.mark.parametrize("flavour", ["istio", "ossm2", "ossm3"])
def test_istio_csr_prints_objects_and_values(flavour, capsys):
    assert run(["mesh", "cacerts", "istio-csr", "--flavour", flavour]) == 0
    text = capsys.readouterr().out
    assert "kind: Certificate" in text
    assert "certificateDNSNames" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "/nowhere"], 2),
        (["install", "/nowhere"], 2),
        (["diff", "/nowhere", "/nowhere"], 2),
        (["istio-csr", "--flavour", "ossm2", "--mesh-version", "2.3"], 4),
        (["istio-csr", "--flavour", "linkerd"], 2),
        (["create", "x", "--root-cert", "only.pem"], 2),
        (["create", "x", "--key-type", "dsa"], 2),
        (["create", "x", "--lifetime", "11y"], 2),
    ],
)
def test_what_is_refused_says_why_in_one_line(arguments, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["mesh", "cacerts", *arguments]) == code
    assert capsys.readouterr().err.count("\n") == 1
