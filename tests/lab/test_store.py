"""The store's promises: versions, generations, finalizers, owners, namespaces, watches."""

import threading

import pytest

from kntls.lab.answers import ApiError
from kntls.lab.resources import (
    CERTIFICATES,
    COMPONENTS,
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SECRETS,
    Registry,
)
from kntls.lab.shapes import Shapes
from kntls.lab.store import Removal, Store, Writer

SHAPES = Shapes(COMPONENTS)


@pytest.fixture
def store():
    store = Store(Registry(), SHAPES)
    store.create(NAMESPACES, {"metadata": {"name": "a"}})
    return store


def config_map(name="c", **metadata):
    return {"metadata": {"name": name, "namespace": "a", **metadata}, "data": {"k": "v"}}


def certificate(**spec):
    return {
        "metadata": {"name": "leaf", "namespace": "a"},
        "spec": {"secretName": "leaf", "issuerRef": {"name": "ca"}, **spec},
    }


def refused(code, function, *arguments):
    with pytest.raises(ApiError) as error:
        function(*arguments)
    assert error.value.code == code, error.value.message
    return error.value


def test_every_write_has_a_version_of_its_own_and_they_only_grow(store):
    first = store.create(CONFIG_MAPS, config_map("x"))
    second = store.create(SECRETS, config_map("y") | {"data": {}})
    third = store.patch(CONFIG_MAPS, "a", "x", {"data": {"k": "w"}})
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, second, third)]
    assert versions == sorted(set(versions))
    assert store.version == str(versions[-1])


def test_what_comes_out_is_a_copy(store):
    store.create(CONFIG_MAPS, config_map())
    store.get(CONFIG_MAPS, "a", "c")["data"]["k"] = "changed"
    assert store.get(CONFIG_MAPS, "a", "c")["data"] == {"k": "v"}


def test_what_goes_in_is_copied(store):
    body = config_map()
    store.create(CONFIG_MAPS, body)
    body["data"]["k"] = "changed"
    assert store.get(CONFIG_MAPS, "a", "c")["data"] == {"k": "v"}


def test_a_write_that_changes_nothing_is_no_event(store):
    store.create(CONFIG_MAPS, config_map())
    version = store.version
    store.patch(CONFIG_MAPS, "a", "c", {"data": {"k": "v"}})
    store.apply(CONFIG_MAPS, "a", "c", config_map(), Writer("one"))
    after = store.version
    store.apply(CONFIG_MAPS, "a", "c", config_map(), Writer("one"))
    assert (int(after) - int(version), store.version) == (1, after)


def test_the_generation_counts_the_spec_and_nothing_else(store):
    store.create(CERTIFICATES, certificate())
    store.patch(CERTIFICATES, "a", "leaf", {"metadata": {"labels": {"x": "y"}}})
    store.patch(CERTIFICATES, "a", "leaf", {"status": {"revision": 1}}, subresource="status")
    assert store.get(CERTIFICATES, "a", "leaf")["metadata"]["generation"] == 1
    store.patch(CERTIFICATES, "a", "leaf", {"spec": {"dnsNames": ["a"]}})
    assert store.get(CERTIFICATES, "a", "leaf")["metadata"]["generation"] == 2


def test_types_without_generations_have_none(store):
    assert "generation" not in store.create(CONFIG_MAPS, config_map())["metadata"]


def test_spec_and_status_have_doors_of_their_own(store):
    created = store.create(CERTIFICATES, certificate() | {"status": {"revision": 7}})
    assert "status" not in created
    both = {**created, "spec": {**created["spec"], "secretName": "other"}, "status": {"revision": 1}}
    through_status = store.update(CERTIFICATES, both, "status")
    assert (through_status["spec"]["secretName"], through_status["status"]) == ("leaf", {"revision": 1})
    both["metadata"]["resourceVersion"] = through_status["metadata"]["resourceVersion"]
    through_main = store.update(CERTIFICATES, {**both, "status": {"revision": 9}})
    assert (through_main["spec"]["secretName"], through_main["status"]) == ("other", {"revision": 1})


def test_of_two_writers_who_read_the_same_one_is_told(store):
    read = store.create(CONFIG_MAPS, config_map())
    store.update(CONFIG_MAPS, {**read, "data": {"k": "first"}})
    refused(409, store.update, CONFIG_MAPS, {**read, "data": {"k": "second"}})
    assert store.get(CONFIG_MAPS, "a", "c")["data"] == {"k": "first"}


def test_concurrent_changes_lose_nothing(store):
    store.create(CONFIG_MAPS, config_map())

    def count():
        for _ in range(50):
            store.modify(CONFIG_MAPS, "a", "c", lambda obj: obj["data"].update(n=str(int(obj["data"].get("n", 0)) + 1)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(CONFIG_MAPS, "a", "c")["data"]["n"] == "200"


def test_a_finalizer_keeps_an_object_until_it_is_taken_off(store):
    store.create(CONFIG_MAPS, config_map(finalizers=["example.com/keep"]))
    last, gone = store.delete(CONFIG_MAPS, "a", "c")
    assert not gone
    assert last["metadata"]["deletionTimestamp"]
    store.patch(CONFIG_MAPS, "a", "c", {"metadata": {"finalizers": None}})
    assert store.find(CONFIG_MAPS, "a", "c") is None


def test_what_only_a_deleted_object_owned_goes_with_it(store):
    def owned_by(*owners):
        return [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid} for name, uid in owners]

    uids = {name: store.create(CONFIG_MAPS, config_map(name))["metadata"]["uid"] for name in ("one", "two")}
    store.create(CONFIG_MAPS, config_map("child", ownerReferences=owned_by(("one", uids["one"]))))
    grandchild_of = store.get(CONFIG_MAPS, "a", "child")["metadata"]["uid"]
    store.create(CONFIG_MAPS, config_map("grandchild", ownerReferences=owned_by(("child", grandchild_of))))
    store.create(CONFIG_MAPS, config_map("shared", ownerReferences=owned_by(*uids.items())))
    store.delete(CONFIG_MAPS, "a", "one")
    assert store.find(CONFIG_MAPS, "a", "child") is None
    assert store.find(CONFIG_MAPS, "a", "grandchild") is None
    assert [ref["name"] for ref in store.get(CONFIG_MAPS, "a", "shared")["metadata"]["ownerReferences"]] == ["two"]


def test_orphans_stay_without_their_owner(store):
    uid = store.create(CONFIG_MAPS, config_map("one"))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": uid}
    store.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner]))
    store.delete(CONFIG_MAPS, "a", "one", Removal(propagation="Orphan"))
    assert "ownerReferences" not in store.get(CONFIG_MAPS, "a", "child")["metadata"]


def test_a_namespace_goes_when_the_last_thing_in_it_has_gone(store):
    store.create(CONFIG_MAPS, config_map(finalizers=["example.com/keep"]))
    store.create(SECRETS, {"metadata": {"name": "s", "namespace": "a"}})
    store.delete(NAMESPACES, "", "a")
    assert store.get(NAMESPACES, "", "a")["status"]["phase"] == "Terminating"
    assert store.find(SECRETS, "a", "s") is None
    assert "being terminated" in refused(403, store.create, CONFIG_MAPS, config_map("late")).message
    store.patch(CONFIG_MAPS, "a", "c", {"metadata": {"finalizers": None}})
    assert store.find(NAMESPACES, "", "a") is None


def test_a_pod_on_a_node_waits_for_its_kubelet(store):
    store.graceful = True
    spec = {"nodeName": "n", "containers": [{"name": "a", "image": "x"}]}
    store.create(PODS, {"metadata": {"name": "p", "namespace": "a"}, "spec": spec})
    marked, gone = store.delete(PODS, "a", "p")
    assert not gone
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert store.delete(PODS, "a", "p", Removal(grace_seconds=0))[1]


def test_a_dry_write_answers_and_leaves_no_trace(store):
    before = store.version
    assert store.create(CONFIG_MAPS, config_map(), Writer(dry_run=True))["metadata"]["uid"]
    assert store.find(CONFIG_MAPS, "a", "c") is None
    assert store.version == before


def test_a_hook_may_change_or_refuse(store):
    def hook(admission):
        if admission.resource.key == "configmaps" and admission.verb == "create":
            admission.obj["data"] = {"k": "changed"}
        if admission.verb == "delete":
            raise ApiError(403, "Forbidden", "no")

    store.hooks.append(hook)
    assert store.create(CONFIG_MAPS, config_map())["data"] == {"k": "changed"}
    refused(403, store.delete, CONFIG_MAPS, "a", "c")


def test_a_subscriber_sees_every_change_in_order(store):
    seen = []
    end = store.subscribe(lambda event: seen.append((event.type, event.version)))
    store.create(CONFIG_MAPS, config_map())
    store.patch(CONFIG_MAPS, "a", "c", {"data": {"k": "w"}})
    store.delete(CONFIG_MAPS, "a", "c")
    end()
    store.create(CONFIG_MAPS, config_map())
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [version for _, version in seen] == sorted(version for _, version in seen)


def test_a_watch_continues_where_it_was_told_to(store):
    since = store.version
    store.create(CONFIG_MAPS, config_map("x"))
    store.create(SECRETS, {"metadata": {"name": "s", "namespace": "a"}})
    store.create(CONFIG_MAPS, config_map("y"))
    watching = store.watch(CONFIG_MAPS, since)
    assert [next(watching).obj["metadata"]["name"] for _ in range(2)] == ["x", "y"]


def test_a_watch_from_before_a_compaction_is_expired(store):
    since = store.version
    store.create(CONFIG_MAPS, config_map())
    store.history.forget()
    assert refused(410, next, store.watch(CONFIG_MAPS, since)).reason == "Expired"


def test_a_definition_brings_its_type_and_takes_it_away(store):
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    store.create(CRDS, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
    resource = store.registry.by_kind("example.com/v1", "Widget")
    store.create(resource, {"metadata": {"name": "w"}})
    store.delete(CRDS, "", "widgets.example.com")
    assert store.registry.by_kind("example.com/v1", "Widget") is None
    assert store.list(resource)[0] == []


@pytest.mark.parametrize(
    ("resource", "body", "field"),
    [
        (CONFIG_MAPS, {"metadata": {"name": "A_", "namespace": "a"}}, "metadata.name"),
        (CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "a", "labels": {"x": "no way"}}}, "metadata.labels"),
        (SECRETS, {"metadata": {"name": "a", "namespace": "a"}, "type": "kubernetes.io/tls"}, "data[tls.crt]"),
        (
            CERTIFICATES,
            {"metadata": {"name": "a", "namespace": "a"}, "spec": {"issuerRef": {"name": "x"}}},
            "spec.secretName",
        ),
        (DEPLOYMENTS, {"metadata": {"name": "a", "namespace": "a"}, "spec": {"template": {}}}, "spec.selector"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_breaks_a_rule_names_the_field(store, resource, body, field):
    error = refused(422, store.create, resource, body)
    assert field in [cause["field"] for cause in error.details["causes"]]
