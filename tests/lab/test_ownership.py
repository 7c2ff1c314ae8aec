"""Field managers, as laws: what apply promises whoever applies whatever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kntls.lab import fieldsets
from kntls.lab.answers import ApiError
from kntls.lab.resources import COMPONENTS, CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, Registry
from kntls.lab.shapes import ANY, Shape, Shapes
from kntls.lab.store import Store, Writer

SHAPES = Shapes(COMPONENTS)
DEPLOYMENT = SHAPES.of("apps/v1", "Deployment")
KEYS = st.sampled_from("abcd")
DATA = st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=4)
MANAGERS = st.sampled_from(["one", "two"])
KEYED = Shape(
    {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
    },
    {},
)


def new_store():
    store = Store(Registry(), SHAPES)
    store.create(NAMESPACES, {"metadata": {"name": "a"}})
    return store


def apply(store, manager, data, force=False):
    config = {"metadata": {"name": "c"}, "data": data} if data else {"metadata": {"name": "c"}}
    return store.apply(CONFIG_MAPS, "a", "c", config, Writer(manager), force=force)[0]


def owners(obj):
    return {
        entry["manager"]: {key.removeprefix("f:") for key in entry["fieldsV1"].get("f:data", {}) if key != "."}
        for entry in obj["metadata"].get("managedFields", [])
    }


@given(st.lists(st.tuples(MANAGERS, DATA), min_size=1, max_size=6))
def test_after_a_forced_apply_the_object_holds_what_was_stated_and_its_manager_owns_just_that(steps):
    store = new_store()
    for manager, data in steps:
        obj = apply(store, manager, data, force=True)
        assert data.items() <= (obj.get("data") or {}).items()
        assert owners(obj).get(manager, set()) == set(data)


@given(st.lists(st.tuples(MANAGERS, DATA), min_size=1, max_size=6))
def test_every_field_has_an_owner_and_no_owner_owns_what_is_not_there(steps):
    store = new_store()
    for manager, data in steps:
        obj = apply(store, manager, data, force=True)
    assert set().union(*owners(obj).values()) == set(obj.get("data") or {})


@given(DATA, DATA)
def test_whoever_lets_go_leaves_what_others_state(mine, theirs):
    store = new_store()
    apply(store, "one", mine)
    apply(store, "two", theirs, force=True)
    left = apply(store, "one", {}, force=True)
    assert left.get("data", {}) == theirs


@given(DATA, DATA)
def test_without_force_nobody_changes_what_another_owns(mine, theirs):
    store = new_store()
    apply(store, "one", mine)
    differ = {key for key in mine.keys() & theirs.keys() if mine[key] != theirs[key]}
    if not differ:
        assert apply(store, "two", theirs).get("data", {}) == {**mine, **theirs}
        return
    with pytest.raises(ApiError) as refused:
        apply(store, "two", theirs)
    assert refused.value.code == 409
    assert {cause["field"] for cause in refused.value.details["causes"]} == {f".data.{key}" for key in differ}
    assert store.get(CONFIG_MAPS, "a", "c").get("data", {}) == mine


@given(st.lists(st.tuples(MANAGERS, DATA), min_size=1, max_size=4), MANAGERS)
def test_applying_the_same_again_changes_nothing(steps, manager):
    store = new_store()
    for who, data in steps:
        apply(store, who, data, force=True)
    apply(store, manager, {"a": "1"}, force=True)
    version = store.version
    apply(store, manager, {"a": "1"})
    assert store.version == version


VALUES = st.recursive(
    st.one_of(st.integers(0, 3), st.sampled_from("xy")),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(OBJECTS)
def test_a_field_set_survives_being_written_and_read(obj):
    fields = frozenset(fieldsets.members(obj, ANY))
    assert fieldsets.decode(fieldsets.encode(fields)) == fields


@given(OBJECTS)
def test_an_object_does_not_differ_from_itself(obj):
    assert fieldsets.compare(obj, fieldsets.without(obj, ANY, lambda path: False), ANY).same


@given(OBJECTS, OBJECTS)
def test_what_is_added_one_way_is_removed_the_other(old, new):
    forth, back = fieldsets.compare(old, new, ANY), fieldsets.compare(new, old, ANY)
    assert (forth.added, forth.modified) == (back.removed, back.modified)


ITEMS = st.lists(st.sampled_from("abcdef"), unique=True).map(lambda names: [{"name": name} for name in names])


@given(ITEMS, ITEMS)
def test_merging_keyed_lists_keeps_every_item_once_and_the_order_that_is_stated(live, config):
    from kntls.lab.ownership import merge

    names = [item["name"] for item in merge(live, config, KEYED)]
    stated = [item["name"] for item in config]
    assert sorted(names) == sorted({*stated, *(item["name"] for item in live)})
    assert [name for name in names if name in stated] == stated


def test_two_managers_share_a_deployments_containers():
    store = new_store()
    labels = {"app": "d"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "x:1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    store.apply(DEPLOYMENTS, "a", "d", {"metadata": {"name": "d"}, "spec": spec}, Writer("one"))
    side = {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}
    both, _ = store.apply(DEPLOYMENTS, "a", "d", {"metadata": {"name": "d"}, "spec": side}, Writer("two"))
    assert {c["name"] for c in both["spec"]["template"]["spec"]["containers"]} == {"app", "side"}
    left, _ = store.apply(DEPLOYMENTS, "a", "d", {"metadata": {"name": "d"}}, Writer("two"))
    assert [c["name"] for c in left["spec"]["template"]["spec"]["containers"]] == ["app"]
