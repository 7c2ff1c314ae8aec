"""Making CAs, leaves and bridges: what comes out holds for Go and OpenSSL alike, and keys stay hidden."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import crypto

from kntls.errors import InputError
from kntls.pki.chain import verify
from kntls.pki.create import KEY_TYPES, KeyPair, bridge, issue, new_ca, subject_key_identifier
from tests.pki.forge import AT, YEAR

QUICK = ["ecdsa-p256", "ecdsa-p384", "ed25519"]


def openssl_accepts(leaf, *, trusted, between=()):
    """Whether OpenSSL verifies the leaf."""
    store = crypto.X509Store()
    store.set_time(AT + timedelta(minutes=1))
    for certificate in trusted:
        store.add_cert(as_openssl(certificate))
    try:
        crypto.X509StoreContext(store, as_openssl(leaf), [*map(as_openssl, between)]).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True


def as_openssl(certificate):
    return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)


@pytest.mark.parametrize("key_type", QUICK)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_openssl_accepts_what_is_made(key_type, depth):
    root = signer = new_ca("root", key_type=key_type, lifetime=YEAR, at=AT)
    for number in range(depth):
        signer = issue(signer, common_name=f"int{number}", is_ca=True, key_type=key_type, lifetime=YEAR, at=AT)
    leaf = issue(signer, dns=["a"], key_type=key_type, lifetime=YEAR, at=AT)
    assert len(leaf.chain) == depth + 1
    assert openssl_accepts(leaf.certificate, trusted=[root.certificate], between=leaf.issuers)


@pytest.mark.parametrize("known", ["old", "new"])
def test_openssl_accepts_a_bridge_whichever_root_it_knows(known):
    roots = {name: new_ca(name, lifetime=YEAR, at=AT) for name in ("old", "new")}
    across = bridge(roots["new"], roots["old"], at=AT)
    leaf = issue(roots["new"], dns=["a"], lifetime=YEAR, at=AT).certificate
    assert openssl_accepts(leaf, trusted=[roots[known].certificate], between=[across])


def test_a_bridge_is_the_new_ca_in_all_but_its_issuer():
    old = new_ca("old", lifetime=2 * YEAR, at=AT)
    new = new_ca("new", lifetime=10 * YEAR, at=AT, path_length=1)
    across = bridge(new, old, at=AT)
    mine = new.certificate
    assert (across.subject, across.ski, across.public_key_hash) == (mine.subject, mine.ski, mine.public_key_hash)
    assert across.path_length == 1
    assert across.signed_by(old.certificate)
    assert across.aki == old.certificate.ski
    assert across.not_after == old.certificate.not_after


def test_a_bridge_ends_with_whichever_ends_first():
    short, long = (new_ca(name, lifetime=years * YEAR, at=AT) for name, years in (("short", 1), ("long", 5)))
    for new, old in ((short, long), (long, short)):
        assert bridge(new, old, at=AT).not_after == short.certificate.not_after


@pytest.mark.parametrize(
    ("old", "why"),
    [
        (new_ca("old", lifetime=YEAR, at=AT, path_length=0), "path length 0"),
        (new_ca("old", lifetime=YEAR, at=AT - 2 * YEAR), "has expired"),
    ],
)
def test_a_ca_that_cannot_sign_a_bridge_is_refused(old, why):
    with pytest.raises(InputError, match=why):
        bridge(new_ca("new", lifetime=YEAR, at=AT), old, at=AT)


@settings(max_examples=15, deadline=None)
@given(st.permutations(["old", "new", "bridge"]), st.sets(st.sampled_from(["old", "new"])))
def test_a_leaf_is_accepted_exactly_by_those_who_know_its_root_or_hold_the_bridge(order, trusted):
    roots = {name: new_ca(name, lifetime=YEAR, at=AT) for name in ("old", "new")}
    across = bridge(roots["new"], roots["old"], at=AT)
    sent = [across if name == "bridge" else roots[name].certificate for name in order]
    leaf = issue(roots["new"], dns=["a"], lifetime=YEAR, at=AT).certificate
    pool = [roots[name].certificate for name in sorted(trusted)]
    assert verify(leaf, intermediates=sent, roots=pool, at=AT).ok is bool(trusted)
    assert verify(leaf, roots=pool, at=AT).ok is ("new" in trusted)


def test_serial_numbers_keys_and_the_clock_can_be_given():
    first = new_ca("a", lifetime=YEAR, at=AT, serial=7)
    again = new_ca("a", lifetime=YEAR, at=AT, serial=7, key=first.private_key)
    assert first.certificate.serial == 7
    assert first.certificate.public_key_hash == again.certificate.public_key_hash
    assert (first.certificate.not_before, first.certificate.not_after) == (AT, AT + YEAR)


def test_a_leaf_named_like_its_issuer_gets_no_authority_key_identifier_as_with_go():
    root = new_ca("same", lifetime=YEAR, at=AT)
    assert issue(root, common_name="same", dns=["a"], lifetime=YEAR, at=AT).certificate.aki == ""


def test_the_san_is_critical_only_where_the_subject_is_empty():
    root = new_ca("root", lifetime=YEAR, at=AT)
    for name, critical in (("", True), ("leaf", False)):
        leaf = issue(root, common_name=name, dns=["a"], lifetime=YEAR, at=AT).certificate
        (san,) = [e for oid, e in leaf.extensions.items() if oid.dotted_string == "2.5.29.17"]
        assert san.critical is critical


def test_go_makes_the_same_subject_key_identifier():
    # From a P-256 key of Go 1.26's CreateCertificate: the point, and the identifier it got.
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(GO_POINT))
    assert subject_key_identifier(public).hex() == GO_SKI


GO_POINT = (
    "040238e095809aabc51f0bce4e0c3c7e012d2089da8bb3a349e83b393fa3e28427"
    "d57baa5f0b07e4bfb5e7c148208dba5041b8f0f72b6279cb78a860a4e92424f1"
)
GO_SKI = "0895a5a62cfdf9f1e87424d4140e70ad63a93db4"


@pytest.mark.parametrize("key_type", QUICK)
def test_a_private_key_is_in_no_repr(key_type):
    pair = new_ca("a", key_type=key_type, lifetime=timedelta(days=1))
    assert repr(pair) == f"KeyPair(certificate={pair.certificate!r}, issuers=())"
    assert "PRIVATE" in pair.key_pem()


def test_an_unknown_key_type_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="rsa-1024") as refused:
        new_ca("a", key_type="rsa-1024", lifetime=YEAR)
    assert all(name in str(refused.value) for name in KEY_TYPES)


def test_a_pair_is_its_certificate():
    pair = new_ca("a", lifetime=YEAR)
    assert pair == KeyPair(pair.certificate, new_ca("b", lifetime=YEAR).private_key)
    assert pair.chain_pem() == pair.certificate.pem()
