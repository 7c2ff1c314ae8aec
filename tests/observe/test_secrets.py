"""Private keys end where Secrets are read."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from kntls.observe.secrets import scrub
from kntls.pki.create import KEY_TYPES, new_ca
from tests.world import AT


def secret(key: str, certificate: str, **metadata: object) -> dict[str, object]:
    def encode(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "ca1", "namespace": "cert-manager", **metadata},
        "data": {"tls.crt": encode(certificate), "tls.key": encode(key), "password": encode("hunter2")},
    }


@pytest.mark.parametrize("key_type", sorted(KEY_TYPES))
def test_a_key_becomes_the_hash_of_its_public_half_and_is_gone(key_type):
    pair = new_ca("ca1", lifetime=timedelta(days=1), key_type=key_type, at=AT)
    seen = scrub(secret(pair.key_pem(), pair.certificate.pem()))
    assert seen["publicKey"] == pair.certificate.public_key_hash
    text = json.dumps(seen)
    assert "PRIVATE KEY" not in text
    assert base64.b64encode(pair.key_pem().encode()).decode() not in text
    assert "hunter2" not in text
    assert seen["keys"] == ["password", "tls.crt", "tls.key"]


def test_kubectls_copy_of_the_data_goes_as_well():
    pair = new_ca("ca1", lifetime=timedelta(days=1), at=AT)
    copy = json.dumps({"data": {"tls.key": base64.b64encode(pair.key_pem().encode()).decode()}})
    notes = {"kubectl.kubernetes.io/last-applied-configuration": copy, "cert-manager.io/issuer-name": "ca"}
    seen = scrub(secret(pair.key_pem(), pair.certificate.pem(), annotations=notes))
    assert seen["metadata"]["annotations"] == {"cert-manager.io/issuer-name": "ca"}


def test_something_that_is_no_key_is_said_without_showing_it():
    seen = scrub(secret("not a key at all", "nor a certificate"))
    assert seen["publicKey"] == ""
    assert seen["keyProblem"] == "its tls.key is not a private key in PEM"
    assert "not a key at all" not in json.dumps(seen)


def test_string_data_in_a_manifest_is_treated_like_data():
    pair = new_ca("ca1", lifetime=timedelta(days=1), at=AT)
    manifest = secret("", "")
    manifest["data"] = {}
    manifest["stringData"] = {"tls.key": pair.key_pem(), "tls.crt": pair.certificate.pem()}
    seen = scrub(manifest)
    assert seen["publicKey"] == pair.certificate.public_key_hash
    assert "PRIVATE KEY" not in json.dumps(seen)
