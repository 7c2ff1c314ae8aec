"""Patches: the examples of their standards, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kntls.lab import patches
from kntls.lab.answers import ApiError
from kntls.lab.resources import COMPONENTS
from kntls.lab.shapes import Shapes

PODS = Shapes(COMPONENTS).of("v1", "Pod").field("spec")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_rfc_7396_lists(target, patch, result):
    assert patches.merge(target, patch) == result


@pytest.mark.parametrize(
    ("document", "operation", "result"),
    [
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "/b", "value": None}, {"a": 1, "b": None}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/b"}, {"a": 1}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": 1}, "c": {"b": 1}}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a": 1}, {"op": "add", "path": "", "value": {"b": 2}}, {"b": 2}),
    ],
)
def test_json_patch_does_what_rfc_6902_says(document, operation, result):
    assert patches.json_patch(document, [operation]) == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "add", "path": "/none/deep", "value": 1},
        {"op": "add", "path": "/l/9", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "shake", "path": "/a"},
    ],
)
def test_an_operation_that_does_not_fit_is_refused_and_nothing_is_changed(operation):
    document = {"a": 1, "l": []}
    with pytest.raises(ApiError) as refused:
        patches.json_patch(document, [{"op": "add", "path": "/b", "value": 1}, operation])
    assert refused.value.code == 422
    assert document == {"a": 1, "l": []}


def names(items):
    return [item["name"] for item in items]


def containers(*found):
    return {"containers": [{"name": name} for name in found]}


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        ("ab", [{"name": "c"}], "cab"),
        ("ab", [{"name": "b"}, {"name": "c"}], "abc"),
        ("abc", [{"name": "b", "$patch": "delete"}], "ac"),
        ("ab", [{"$patch": "replace"}, {"name": "x"}], "x"),
        ("abc", [], "abc"),
    ],
)
def test_strategic_merge_joins_containers_by_name(live, patch, result):
    merged = patches.strategic(containers(*live), {"containers": patch}, PODS)
    assert "".join(names(merged["containers"])) == result


@given(st.permutations("abc"), st.lists(st.sampled_from("abc"), unique=True))
def test_the_order_that_is_set_is_the_order_that_comes_out(live, order):
    patch = {"$setElementOrder/containers": [{"name": name} for name in order], "containers": []}
    merged = names(patches.strategic(containers(*live), patch, PODS)["containers"])
    assert [name for name in merged if name in order] == order
    assert sorted(merged) == sorted(live)


JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("xy"),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_is_applied_once(target, patch):
    once = patches.merge(target, patch)
    assert patches.merge(once, patch) == once
