"""The one reader of manifests: which objects a file holds, where each stands, and the one line for what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from kntls.errors import InputError
from kntls.mesh import resources
from kntls.observe.documents import documents
from kntls.observe.files import from_files
from kntls.observe.manifests import objects, texts
from tests.world import AT

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"


def places(text: str) -> list[tuple[str, str]]:
    """Each object's place and kind."""
    found = (held for place, document in documents("all.yaml", text) for held in objects(place, document))
    return [(place, str(obj.get("kind"))) for place, obj in found]


def test_a_document_is_numbered_where_there_are_several():
    assert places(POD) == [("all.yaml", "Pod")]
    assert places(f"{POD}---\n---\n{POD}") == [("all.yaml document 1", "Pod"), ("all.yaml document 3", "Pod")]


def test_the_items_of_lists_are_told_one_by_one_however_deep():
    inner = '{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "q"}}]}'
    assert places(f'{{"kind": "List", "items": [{inner}, {{"kind": "Secret"}}]}}') == [
        ("all.yaml item 0 item 0", "Pod"),
        ("all.yaml item 1", "Secret"),
    ]


def test_json_and_yaml_of_the_same_start_are_told_apart():
    assert places('{"kind": "Pod"}') == [("all.yaml", "Pod")]
    assert places("{kind: Pod}\n---\n{kind: Secret}\n") == [
        ("all.yaml document 1", "Pod"),
        ("all.yaml document 2", "Secret"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "bad.yaml line 2: not YAML: "),
        ('{"a": ', "bad.yaml line 2: not YAML: "),
        ("- 1\n", "bad.yaml: is not a Kubernetes object: there is no apiVersion and kind"),
        (f"{POD}---\nword\n", "bad.yaml document 2: is not a Kubernetes object"),
        ("kind: List\nitems: [null]\n", "bad.yaml item 0: is not a Kubernetes object"),
    ],
)
def test_both_halves_name_what_cannot_be_read_alike(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    said = []
    for read in (lambda paths: from_files(paths, AT), resources.read):
        with pytest.raises(InputError) as refused:
            read([str(file)])
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert said[0].startswith(f"{tmp_path}/{message}")
    assert "\n" not in said[0]


def test_a_file_that_is_no_text_and_a_directory_without_manifests_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"no file in it ends in \.json, \.yaml, \.yml"):
        list(texts([str(tmp_path)]))
    with pytest.raises(InputError, match=r"notes\.txt: cannot be read: it is no text"):
        list(texts([str(tmp_path / "notes.txt")]))


def test_a_key_that_is_no_text_is_one_line():
    with pytest.raises(InputError, match="a key is no text"):
        list(documents("x.yaml", "kind: ConfigMap\n? [a, b]\n: c\n"))
