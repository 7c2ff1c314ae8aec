import json

import pytest
import yaml

from kntls.errors import InputError
from kntls.report.manifests import Manifests, stream, write

POLICY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "p", "namespace": "a"},
    "spec": {},
}
ISTIO = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default"}, "spec": {}}
VALUES = {"istiod-values.yaml": {"meshConfig": {"enableAutoMtls": True}}}


def test_a_stream_holds_the_objects_in_order():
    assert list(yaml.safe_load_all(stream(Manifests([POLICY, ISTIO])))) == [POLICY, ISTIO]


def test_what_is_repeated_is_written_again():
    shared = {"namespaces": ["a"]}
    text = stream(Manifests([{**POLICY, "spec": {"first": shared, "second": shared}}]))
    assert "&" not in text
    assert "*" not in text


def test_values_beside_objects_are_comments_so_that_the_stream_can_be_applied():
    text = stream(Manifests([POLICY], VALUES))
    assert list(yaml.safe_load_all(text)) == [POLICY]
    assert "#   enableAutoMtls: true" in text


def test_values_alone_are_a_values_file():
    assert yaml.safe_load(stream(Manifests([], VALUES))) == VALUES["istiod-values.yaml"]


def test_json_is_a_list_and_names_are_kubectls():
    assert json.loads(stream(Manifests([POLICY]), "json"))["items"] == [POLICY]
    assert stream(Manifests([POLICY, ISTIO]), "name").splitlines() == [
        "authorizationpolicy.security.istio.io/p -n a",
        "istio.sailoperator.io/default",
    ]


def test_a_directory_holds_one_file_an_object(tmp_path):
    paths = write(str(tmp_path / "new"), Manifests([POLICY, ISTIO], VALUES))
    assert [path.rsplit("/", 1)[1] for path in paths] == [
        "authorizationpolicy-a-p.yaml",
        "istio-default.yaml",
        "istiod-values.yaml",
    ]
    assert yaml.safe_load((tmp_path / "new" / "authorizationpolicy-a-p.yaml").read_text()) == POLICY


def test_a_kustomization_names_the_objects_and_makes_secrets_from_the_users_files(tmp_path):
    manifests = Manifests([POLICY], VALUES, {"istio-system/wildcard": ("tls.crt=tls.crt", "tls.key=tls.key")})
    write(str(tmp_path), manifests, kustomize=True)
    kustomization = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())
    assert kustomization["resources"] == ["authorizationpolicy-a-p.yaml"]
    (generator,) = kustomization["secretGenerator"]
    assert (generator["namespace"], generator["name"]) == ("istio-system", "wildcard")


def test_a_directory_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(str(tmp_path / "file" / "sub"), Manifests([POLICY]))
