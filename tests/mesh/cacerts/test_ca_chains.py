import base64
import json
from datetime import timedelta

import pytest
from cacerts_world import NOW, ca, read

from kntls.cluster.exec import Completed
from kntls.errors import InputError
from kntls.mesh.cacerts.chains import SECRETS, Presented, from_config_dump, from_s_client, judge
from kntls.mesh.cacerts.live import collect
from kntls.mesh.inventory import inventory
from kntls.mesh.resources import from_objects
from kntls.model.observation import Unread
from kntls.pki.create import issue

ROOT, SIGNER, TEXTS = ca("one")
OTHER = ca("two")
IDENTITY = "spiffe://cluster.local/ns/shop/sa/web"


def leaf(signer=SIGNER, **changes):
    fields = {
        "uris": (IDENTITY,),
        "lifetime": timedelta(hours=24),
        "extended_key_usage": ("serverAuth", "clientAuth"),
        "at": NOW - timedelta(hours=1),
    }
    return issue(signer, **{**fields, **changes}).certificate


def problems(chain, roots=None):
    return judge(Presented("web", tuple(chain), roots), read(TEXTS), NOW).problems


def test_a_workload_certificate_of_this_ca_is_fine_with_or_without_the_root_in_its_chain():
    assert problems([leaf(), SIGNER.certificate]) == ()
    assert problems([leaf(), SIGNER.certificate, ROOT.certificate]) == ()
    verdict = judge(Presented("web", (leaf(), SIGNER.certificate)), read(TEXTS), NOW)
    assert verdict.identity == IDENTITY


@pytest.mark.parametrize(
    ("chain", "what"),
    [
        ([leaf(OTHER[1]), OTHER[1].certificate], "not by CN=ca one"),
        ([leaf()], "does not send"),
        ([leaf(), SIGNER.certificate, OTHER[0].certificate], "not in root-cert.pem"),
        ([leaf(uris=())], "identity"),
        ([leaf(uris=(IDENTITY, "spiffe://x/ns/a/sa/b")), SIGNER.certificate], "exactly one identity"),
        ([leaf(extended_key_usage=("serverAuth",)), SIGNER.certificate], "clientAuth"),
        ([leaf(at=NOW - timedelta(days=3)), SIGNER.certificate], "expired"),
        ([], "no certificate"),
    ],
)
def test_what_is_wrong_with_a_chain_is_named(chain, what):
    assert any(what in each for each in problems(chain)), problems(chain)


def test_a_workload_that_does_not_trust_the_root_yet_is_named():
    good = [leaf(), SIGNER.certificate]
    assert problems(good, (ROOT.certificate,)) == ()
    assert any("does not trust" in each for each in problems(good, (OTHER[0].certificate,)))


def dump(chain, roots, *, sectioned=True):
    def inline(text):
        return {"inline_bytes": base64.b64encode(text.encode()).decode()}

    secrets = [
        {
            "name": "default",
            "secret": {"tls_certificate": {"certificate_chain": inline("".join(c.pem() for c in chain))}},
        },
        {"name": "ROOTCA", "secret": {"validation_context": {"trusted_ca": inline("".join(c.pem() for c in roots))}}},
    ]
    if sectioned:
        return json.dumps({"configs": [{"@type": SECRETS, "dynamic_active_secrets": secrets}]})
    return json.dumps({"configs": secrets})


def test_both_captures_give_the_same_chain():
    chain = (leaf(), SIGNER.certificate)
    openssl = (
        "CONNECTED\n 0 s:\n" + chain[0].pem() + " 1 s:\n" + chain[1].pem() + "Server certificate\n" + chain[0].pem()
    )
    assert from_s_client(openssl, "web").chain == chain
    found = from_config_dump(dump(chain, [ROOT.certificate]), "web")
    assert (found.chain, found.roots) == (chain, (ROOT.certificate,))


@pytest.mark.parametrize("text", ["", "connect: refused", "{", '{"configs": []}'])
def test_a_capture_without_certificates_is_an_input_error(text):
    with pytest.raises(InputError):
        (from_config_dump if text.startswith("{") else from_s_client)(text, "web")


def pod(name, *containers):
    metadata = {"name": name, "namespace": "shop"}
    spec = {"containers": [{"name": each} for each in containers]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def test_every_sidecar_is_asked_and_what_cannot_be_read_is_listed():
    chain = (leaf(), SIGNER.certificate)
    asked = []

    def execute(namespace, name, container, command):
        asked.append((namespace, name, container))
        if name == "mute":
            return Completed("", "no such file", 127)
        return Completed(dump(chain, [ROOT.certificate], sectioned=False))

    members = inventory(from_objects([pod("web", "app", "istio-proxy"), pod("mute", "istio-proxy"), pod("db", "app")]))
    seen = list(collect(members, execute))
    assert asked == [("shop", "web", "istio-proxy"), ("shop", "mute", "istio-proxy")]
    assert isinstance(seen[0], Presented)
    assert judge(seen[0], read(TEXTS), NOW).ok
    assert isinstance(seen[1], Unread)
