"""Observations from files: what kubectl prints, directories, and what is wrong with them in one line."""

from __future__ import annotations

import json

import pytest
import yaml

from kntls.errors import InputError
from kntls.model.kinds import CONFIG_MAP, KCERT, KSERVICE, SECRET, SERVICE
from kntls.observe.files import from_files
from tests.world import AT

BUNDLE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x"}, "data": {"k": "v"}}


def test_a_list_as_kubectl_prints_it_is_read_item_by_item(tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [BUNDLE]}))
    seen = from_files([str(file)], AT)
    assert seen.get(CONFIG_MAP, "a", "x")["data"] == {"k": "v"}
    assert not seen.live
    assert [entry.what for entry in seen.unread] == ["handshakes"]


def test_kinds_of_the_same_name_in_different_groups_are_told_apart(tmp_path):
    documents = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"}},
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "k", "namespace": "x"}},
        {
            "apiVersion": "networking.internal.knative.dev/v1alpha1",
            "kind": "Certificate",
            "metadata": {"name": "c", "namespace": "x"},
        },
        {"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "u"}},
    ]
    (tmp_path / "more.json").write_text(json.dumps(documents[0]))
    (tmp_path / "rest.yaml").write_text(yaml.safe_dump_all(documents[1:]))
    seen = from_files([str(tmp_path)], AT)
    assert seen.get(SERVICE, "s", "x")
    assert seen.get(KSERVICE, "k", "x")
    assert seen.get(KCERT, "c", "x")


def test_a_private_key_in_a_file_is_dropped(tmp_path):
    file = tmp_path / "secret.yaml"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x"}, "stringData": {}}
    body["stringData"]["tls.key"] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
    file.write_text(yaml.safe_dump(body))
    seen = from_files([str(file)], AT)
    assert "MC4CAQ" not in repr(seen.get(SECRET, "s", "x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("- 1\n- 2\n", "not a Kubernetes object"),
        ("kind: ConfigMap\napiVersion: v1\n", "a ConfigMap without metadata"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        from_files([str(file)], AT)
    assert "bad.yaml" in str(raised.value)


def test_a_file_that_does_not_exist_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        from_files([str(tmp_path / "nowhere")], AT)


def test_what_else_lies_in_a_directory_is_listed_as_not_read(tmp_path):
    (tmp_path / "bundle.yaml").write_text(yaml.safe_dump(BUNDLE))
    (tmp_path / "etcd.json").write_text('[{"endpoint": "https://10.0.0.1"}]')
    (tmp_path / "half.yaml").write_text("a: [")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    seen = from_files([str(tmp_path)], AT)
    assert seen.get(CONFIG_MAP, "a", "x")
    unread = {entry.what.rpartition("/")[2].partition(" ")[0]: entry.reason for entry in seen.unread}
    assert set(unread) == {"handshakes", "etcd.json", "half.yaml", "binary.json"}
    assert "not YAML" in unread["half.yaml"]
