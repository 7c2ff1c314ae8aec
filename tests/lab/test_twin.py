from __future__ import annotations

import json

import pytest

from kntls.errors import InputError
from kntls.lab import twin
from kntls.lab import x509 as pki
from kntls.lab.client import RESOURCES
from kntls.lab.clock import Clock
from kntls.lab.objects import Object
from kntls.lab.reading import data_of, encoded, is_true, labels_of, status_of
from kntls.lab.world import World
from tests.lab.certmanager.test_issuers import Made
from tests.lab.small import CERTIFICATES, CLUSTER_ISSUERS, SERVICES, Administrator, new_store, two_services, world

UNRELATED = Made("somebody else's").pem.decode()
CONFIG_MAPS, KCERTS = "configmaps", "certificates.networking.internal.knative.dev"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """What `kubectl get -o yaml` would hold of an encrypted world, private keys included."""
    with world(objects=two_services()) as made:
        one = Administrator(made)
        one.enable()
        one.bundle(one.pem("ca1") + UNRELATED)
        kinds = ["namespaces", "secrets", CONFIG_MAPS, "deployments.apps", CLUSTER_ISSUERS, CERTIFICATES, KCERTS]
        kinds += [SERVICES, "routes.serving.knative.dev"]
        items = [{**obj} for kind in kinds for obj in one.client.list(kind)]
        for kind in kinds:
            resource = RESOURCES[kind]
            for obj in items:
                obj.setdefault("apiVersion", resource.api_version)
    folder = tmp_path_factory.mktemp("must-gather")
    (folder / "all.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return folder, items


def of(items: list[Object], kind: str, name: str = "") -> list[Object]:
    return [one for one in items if one["kind"] == kind and name in one["metadata"]["name"]]


def test_no_private_key_of_the_input_is_kept(cluster, tmp_path):
    folder, items = cluster
    gathered = twin.gather(str(folder))
    keys = [data_of(one)["tls.key"] for one in items if one["kind"] == "Secret" and "tls.key" in data_of(one)]
    assert gathered.private_keys == len(keys)
    assert f"{len(keys)} private keys in the input: used for nothing, not copied" in " ".join(gathered.notes())
    twin.store(gathered, tmp_path / "twin.json")
    held = json.loads((tmp_path / "twin.json").read_text())
    assert not any(b"PRIVATE KEY" in value for one in of(held, "Secret") for value in data_of(one).values())
    fresh = [data_of(one).get("tls.key") for one in of(twin.build(gathered.objects).objects, "Secret")]
    assert all(fresh)
    assert not set(fresh) & set(keys)


def test_a_twin_has_the_same_leaves_under_a_fresh_ca_of_the_same_name(cluster):
    folder, items = cluster
    made = twin.build(twin.gather(str(folder)).objects)
    running = World(new_store(), clock=Clock(120), layout=made.layout, objects=made.objects, uids=made.uids)
    running.start()
    try:
        assert all(is_true(one, "Ready") for one in running.client.list(SERVICES))
        assert {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in running.client.list(KCERTS)} == {
            (one["metadata"]["namespace"], one["metadata"]["name"])
            for one in items
            if one["apiVersion"].startswith("networking")
        }
        assert not any(status_of(one).get("revision") for one in running.client.list(CERTIFICATES)), "none issued again"
        original = next(one for one in of(items, "Secret", "serving-certs") if one["metadata"]["namespace"] == "team-a")
        copy = running.client.get("secrets", "team-a", "serving-certs")
        before, after = (pki.load_chain(data_of(one)["tls.crt"])[0] for one in (original, copy))
        assert (after.subject, after.not_valid_after_utc) == (before.subject, before.not_valid_after_utc)
        assert pki.public_bytes(after) != pki.public_bytes(before)
        authority = pki.load_chain(data_of(running.client.get("secrets", "cert-manager", "ca1"))["tls.crt"])[0]
        assert pki.signed_by(after, authority)
    finally:
        running.stop()


def test_a_bundle_keeps_its_unrelated_cas_to_the_letter(cluster):
    folder, items = cluster
    made = twin.build(twin.gather(str(folder)).objects)
    bundle = next(one for one in made.objects if one["kind"] == "ConfigMap" and twin.BUNDLE_LABEL in labels_of(one))
    authority = next(one for one in of(made.objects, "Secret", "ca1"))
    assert bundle["data"]["ca.pem"] == data_of(authority)["tls.crt"].decode() + UNRELATED
    assert len(of(items, "ConfigMap", "bundle")) == 1


def test_an_issuer_whose_secret_is_not_in_the_input_gets_a_new_root():
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "ca"}}
    made = twin.build([{**issuer, "spec": {"ca": {"secretName": "lost"}}}])
    root = next(one for one in of(made.objects, "Secret", "lost"))
    assert root["metadata"]["namespace"] == "cert-manager"
    assert pki.is_ca(pki.load_chain(data_of(root)["tls.crt"])[0])


def without_secrets(items: list[Object]) -> list[Object]:
    """The objects as a must-gather has them: no Secrets, and typed lists whose items do not repeat their type."""
    left = [one for one in items if one["kind"] != "Secret"]
    typed: dict[tuple[str, str], list[Object]] = {}
    for one in left:
        bare = {key: value for key, value in one.items() if key not in ("apiVersion", "kind")}
        typed.setdefault((one["apiVersion"], one["kind"]), []).append(bare)
    return [{"apiVersion": version, "kind": f"{kind}List", "items": of} for (version, kind), of in typed.items()]


def test_a_must_gathers_lists_lose_nothing(cluster, tmp_path):
    _, items = cluster
    for number, one in enumerate(without_secrets(items)):
        (tmp_path / f"{number}.yaml").write_text(json.dumps(one))
    gathered = twin.gather(str(tmp_path))
    assert len(gathered.objects) + gathered.skipped == sum(one["kind"] != "Secret" for one in items)


def test_a_ca_whose_secret_is_not_in_the_input_is_known_from_the_bundle(cluster, tmp_path):
    _, items = cluster
    (tmp_path / "all.yaml").write_text(json.dumps({"kind": "List", "items": without_secrets(items)}))
    made = twin.build(twin.gather(str(tmp_path)).objects)
    running = World(new_store(), clock=Clock(120), layout=made.layout, objects=made.objects, uids=made.uids)
    running.start()
    try:
        secret = running.client.get("secrets", "cert-manager", "ca1")
        authority = pki.load_chain(data_of(secret)["tls.crt"])[0]
        bundle = running.client.get(CONFIG_MAPS, "knative-serving", "bundle")
        assert bundle["data"]["ca.pem"] == pki.pem(authority).decode() + UNRELATED
        leaf = running.client.get("secrets", "team-a", "serving-certs")
        assert pki.signed_by(pki.load_chain(data_of(leaf)["tls.crt"])[0], authority)
        maker = running.client.get(CERTIFICATES, "cert-manager", "ca1")
        assert is_true(maker, "Ready")
        assert not status_of(maker).get("revision"), "the CA was not issued again"
    finally:
        running.stop()


def test_a_key_in_a_config_map_is_dropped_as_well():
    text = pki.key_pem(pki.new_key("ECDSA")).decode()
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"x": f"{text}{UNRELATED}"}}
    found = twin.Gathered()
    twin._take(bundle, found)
    assert found.private_keys == 1
    assert found.objects[0]["data"]["x"] == UNRELATED


def test_a_key_in_a_secrets_other_fields_is_counted_and_dropped():
    pem = pki.key_pem(pki.new_key("ECDSA"))
    data = encoded({"tls.crt": Made("a").pem, "tls-combined.pem": pem})
    found = twin.Gathered()
    twin._take({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}, "data": data}, found)
    assert found.private_keys == 1
    assert set(found.objects[0]["data"]) == {"tls.crt"}


@pytest.mark.parametrize(
    ("text", "problem"), [("a: [", "is no YAML"), ("kind: Foo", "holds nothing"), ("", "holds nothing")]
)
def test_bad_input_is_one_clear_line(tmp_path, text, problem):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as refused:
        twin.gather(str(path))
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="cannot be read"):
        twin.gather(str(tmp_path / "none"))
