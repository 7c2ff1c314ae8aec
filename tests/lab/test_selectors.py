"""Label and field selectors."""

import pytest

from kntls.lab.answers import ApiError
from kntls.lab.resources import CERTIFICATES, CONFIG_MAPS, PODS, SECRETS
from kntls.lab.selectors import fields, label_selector, labels


@pytest.mark.parametrize(
    ("selector", "found", "chosen"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a in (x,y),b", {"a": "y"}, False),
        ("a notin (x)", {}, True),
        ("example.com/a=b,c", {"example.com/a": "b", "c": ""}, True),
        ("a=", {"a": ""}, True),
    ],
)
def test_labels_are_selected_as_kubernetes_does(selector, found, chosen):
    assert labels(selector)(found) is chosen


@pytest.mark.parametrize("selector", ["a===b", "a in x", "=b", "a b"])
def test_a_selector_that_cannot_be_read_is_a_bad_request(selector):
    with pytest.raises(ApiError) as refused:
        labels(selector)
    assert refused.value.code == 400


def test_a_label_selector_object_means_the_same():
    expressions = [{"key": "b", "operator": "NotIn", "values": ["1"]}, {"key": "c", "operator": "Exists"}]
    chosen = label_selector({"matchLabels": {"a": "x"}, "matchExpressions": expressions})
    assert chosen({"a": "x", "c": ""})
    assert not chosen({"a": "x", "b": "1", "c": ""})
    assert label_selector({})({})
    assert not label_selector(None)({"a": "x"})


@pytest.mark.parametrize(
    ("resource", "selector", "obj", "chosen"),
    [
        (SECRETS, "type=Opaque", {"type": "Opaque"}, True),
        (PODS, "status.phase!=Running", {"status": {"phase": "Failed"}}, True),
        (CERTIFICATES, "spec.issuerRef.name=x", {"spec": {"issuerRef": {"name": "y"}}}, False),
        (CONFIG_MAPS, "metadata.name=c,metadata.namespace=a", {"metadata": {"name": "c", "namespace": "a"}}, True),
    ],
)
def test_fields_are_selected_where_the_type_allows_it(resource, selector, obj, chosen):
    assert fields(resource, selector)(obj) is chosen


def test_other_fields_are_a_bad_request():
    with pytest.raises(ApiError) as refused:
        fields(CONFIG_MAPS, "data.k=v")
    assert refused.value.code == 400
