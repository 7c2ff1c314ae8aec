"""The table of facts on CA Secrets: when an issuer is Ready, and what signing makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kntls.lab import x509 as pki
from kntls.lab.certmanager import issuers
from kntls.lab.reading import encoded

NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


class Made:
    """A certificate with its key."""

    def __init__(self, name: str, signer: Made | None = None, key: pki.Key | None = None, **template: object) -> None:
        self.key = key or pki.new_key("ECDSA")
        how = pki.Template(YEAR, **{"is_ca": True, **template})  # type: ignore[arg-type]
        request = pki.load_request(pki.make_request(pki.Names(name), how, self.key))
        by = (signer.key, signer.certificate) if signer else (self.key, None)
        self.certificate = pki.sign(request, how, NOW, *by)

    @property
    def pem(self) -> bytes:
        return pki.pem(self.certificate)


ROOT, OLD = Made("root"), Made("old")
MIDDLE = Made("middle", ROOT)
RENEWED = Made("root", key=ROOT.key)
CROSSED = Made("root", OLD, key=ROOT.key)


def request() -> dict[str, object]:
    template = pki.Template(timedelta(days=90))
    text = pki.make_request(pki.Names("leaf", ("leaf.test",)), template, pki.new_key("ECDSA"))
    return {"spec": {"issuerRef": {"name": "ca"}, **encoded({"request": text})}}


def secret(chain: bytes, key: pki.Key, ca: bytes = b"") -> dict[str, object]:
    data = {"tls.crt": chain, "tls.key": pki.key_pem(key), **({"ca.crt": ca} if ca else {})}
    return {"metadata": {"name": "ca", "namespace": "cert-manager"}, "data": encoded(data)}


ISSUER = {"metadata": {"name": "ca"}, "spec": {"ca": {"secretName": "ca"}}}


@pytest.mark.parametrize(
    ("held", "intermediates", "authority"),
    [
        (secret(ROOT.pem, ROOT.key), 0, ROOT),
        (secret(ROOT.pem, ROOT.key, ROOT.pem), 0, ROOT),
        (secret(MIDDLE.pem, MIDDLE.key, ROOT.pem), 1, ROOT),
        (secret(MIDDLE.pem, MIDDLE.key), 1, MIDDLE),
        (secret(RENEWED.pem, RENEWED.key, ROOT.pem), 0, RENEWED),
        (secret(CROSSED.pem, CROSSED.key, OLD.pem), 1, OLD),
        (secret(CROSSED.pem, CROSSED.key, ROOT.pem), 1, ROOT),
    ],
)
def test_what_a_leafs_secret_gets(held, intermediates, authority):
    chain, ca = issuers.sign_with_ca(request(), ISSUER, held, NOW)
    assert len(pki.load_chain(chain)) == 1 + intermediates
    assert ca == authority.pem


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (secret(ROOT.pem, OLD.key), "provided PrivateKey doesn't match parent's PublicKey"),
        (secret(ROOT.pem, ROOT.key, OLD.pem), "certificate chain is malformed or broken"),
        (secret(ROOT.pem + OLD.pem, ROOT.key), "certificate chain is malformed or broken"),
    ],
)
def test_a_bad_ca_secret_is_ready_and_fails_at_signing(held, message):
    assert issuers.readiness(ISSUER, held)[0]
    with pytest.raises(issuers.Failed, match=message):
        issuers.sign_with_ca(request(), ISSUER, held, NOW)


def test_an_expired_ca_is_ready_and_signs():
    late = NOW + 2 * YEAR
    held = secret(ROOT.pem, ROOT.key)
    assert issuers.readiness(ISSUER, held) == (True, "KeyPairVerified", "Signing CA verified")
    chain, _ = issuers.sign_with_ca(request(), ISSUER, held, late)
    assert pki.load_chain(chain)[0].not_valid_before_utc == late


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "ErrGetKeyPair"),
        ({"metadata": {}, "data": encoded({"tls.crt": ROOT.pem})}, "ErrGetKeyPair"),
        ({"metadata": {}, "data": encoded({"tls.crt": b"x", "tls.key": b"y"})}, "ErrGetKeyPair"),
        (secret(Made("leaf", ROOT, is_ca=False).pem, ROOT.key), "ErrInvalidKeyPair"),
    ],
)
def test_what_keeps_an_issuer_from_being_ready(held, reason):
    ready, why, _ = issuers.readiness(ISSUER, held)
    assert not ready
    assert why == reason


def test_a_leaf_with_its_issuers_name_gets_no_authority_key_identifier():
    template = pki.Template(timedelta(days=1))
    key = pki.new_key("ECDSA")
    same, other = (pki.make_request(pki.Names(name), template, key) for name in ("root", "leaf"))
    kinds = []
    for text in (same, other):
        leaf = pki.sign(pki.load_request(text), template, NOW, ROOT.key, ROOT.certificate)
        kinds.append({one.oid._name for one in leaf.extensions})
    assert "authorityKeyIdentifier" not in kinds[0]
    assert "authorityKeyIdentifier" in kinds[1]
