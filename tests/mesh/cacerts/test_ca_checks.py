from dataclasses import replace
from datetime import timedelta

import pytest
from cacerts_world import NOW, ca, read, secret
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kntls.errors import InputError, Refused
from kntls.mesh.cacerts.checks import RULES, Context, validate
from kntls.mesh.cacerts.compare import compare
from kntls.mesh.cacerts.create import Wanted, create, files, write
from kntls.mesh.cacerts.material import from_files, from_observed, from_secret
from kntls.model.kinds import SECRET
from kntls.observe.slim import slim
from kntls.pki.create import issue, new_ca

ONE, TWO = ca("one"), ca("two")
CONTEXT = Context(NOW)


def ids(texts, context=CONTEXT, **changes):
    return {each.id for each in validate(replace(read(texts), **changes), context)}


def crl(pair):
    builder = (
        x509.CertificateRevocationListBuilder(pair.certificate.parsed.subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
    )
    return builder.sign(pair.private_key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def intermediate(root, days=100, **changes):
    fields = {"common_name": "ca x", "lifetime": timedelta(days=days), "is_ca": True, "at": NOW - timedelta(days=1)}
    return issue(root, **{**fields, **changes})


def plug(root, signer):
    return files(root, signer)


def broken():
    root, _signer, good = ONE
    other_root, _other_signer, other = TWO
    flat = new_ca("flat", lifetime=timedelta(days=10), at=NOW - timedelta(days=1), path_length=0)
    leafy = issue(root, dns=("x",), common_name="leaf", lifetime=timedelta(days=9), at=NOW - timedelta(days=1))
    client_only = intermediate(root, is_ca=False, extended_key_usage=("clientAuth",))
    old = intermediate(root, days=10, at=NOW - timedelta(days=30))
    twin = new_ca("root one", lifetime=timedelta(days=3650), at=NOW - timedelta(days=1))
    brief = intermediate(root, days=1, at=NOW - timedelta(hours=20))
    without = {name: text for name, text in good.items() if name != "cert-chain.pem"}
    return {
        "MESH-CA-001": (without, {}, CONTEXT),
        "MESH-CA-002": ({**good, "root-cert.pem": "-----BEGIN CERTIFICATE-----\nx\n"}, {}, CONTEXT),
        "MESH-CA-003": ({**good, "root-cert.pem": other["root-cert.pem"]}, {}, CONTEXT),
        "MESH-CA-004": ({**good, "ca-key.pem": other["ca-key.pem"]}, {}, CONTEXT),
        "MESH-CA-005": (plug(root, leafy), {}, CONTEXT),
        "MESH-CA-006": (plug(root, old), {}, CONTEXT),
        "MESH-CA-007": ({**good, "cert-chain.pem": good["root-cert.pem"]}, {}, CONTEXT),
        "MESH-CA-008": ({**good, "cert-chain.pem": good["ca-cert.pem"] + other["root-cert.pem"]}, {}, CONTEXT),
        "MESH-CA-009": ({**good, "cert-chain.pem": good["ca-cert.pem"] + other["root-cert.pem"]}, {}, CONTEXT),
        "MESH-CA-010": (plug(flat, intermediate(flat)), {}, CONTEXT),
        "MESH-CA-011": (plug(root, client_only), {}, CONTEXT),
        "MESH-CA-012": ({**good, "ca-crl.pem": crl(other_root)}, {}, CONTEXT),
        "MESH-CA-013": ({**good, "root-cert.pem": good["ca-cert.pem"]}, {}, CONTEXT),
        "MESH-CA-014": (good, {}, replace(CONTEXT, old=read(files(twin, intermediate(twin))))),
        "MESH-CA-015": (plug(root, brief), {}, CONTEXT),
        "MESH-CA-016": (plug(root, intermediate(root)), {}, CONTEXT),
        "MESH-CA-017": ({**good, "ca-cert.pem": good["root-cert.pem"], "ca-key.pem": root.key_pem()}, {}, CONTEXT),
        "MESH-CA-018": (good, {}, CONTEXT),
        "MESH-CA-019": (good, {"name": "cacert", "namespace": "istio-system"}, CONTEXT),
        "MESH-CA-020": (good, {"tls": True}, CONTEXT),
    }


BROKEN = broken()
ELSEWHERE = {"MESH-CA-016", "MESH-CA-018"}
"""Judged in their own tests below."""


def test_a_ca_that_was_just_made_is_fine():
    assert validate(read(ONE[2]), CONTEXT) == ()


def test_every_rule_is_broken_somewhere():
    assert set(BROKEN) == set(RULES)


@pytest.mark.parametrize("name", sorted(set(BROKEN) - ELSEWHERE))
def test_broken_is_found(name):
    texts, changes, context = BROKEN[name]
    assert name in ids(texts, context, **changes)


def test_weak_keys_and_signatures_are_named():
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = new_ca("weak", lifetime=timedelta(days=9), at=NOW, key=rsa.generate_private_key(65537, 1024))
    assert "MESH-CA-016" in ids(files(weak, intermediate(weak, days=2, at=NOW)))


def test_istios_sample_ca_is_known_by_its_key(monkeypatch):
    root = ONE[0].certificate
    monkeypatch.setattr("kntls.mesh.cacerts.checks.SAMPLE_CAS", frozenset({root.public_key_hash}))
    assert "MESH-CA-018" in ids(ONE[2])


def test_revocation_lists_of_the_whole_chain_satisfy_istiod():
    root, signer, good = ONE
    lists = crl(root) + crl(signer)
    assert "MESH-CA-012" not in ids({**good, "ca-crl.pem": lists})
    assert "MESH-CA-012" in ids({**good, "ca-crl.pem": crl(signer)})


def test_a_chain_without_the_root_is_as_good_as_one_with_it():
    good = ONE[2]
    assert ids({**good, "cert-chain.pem": good["ca-cert.pem"]}) == set()


def test_two_roots_are_fine_while_rotating():
    good, other = ONE[2], TWO[2]
    assert ids({**good, "root-cert.pem": good["root-cert.pem"] + other["root-cert.pem"]}) == set()


def test_a_tls_secret_is_read_as_istio_reads_it():
    good = ONE[2]
    names = {"ca-cert.pem": "tls.crt", "ca-key.pem": "tls.key", "root-cert.pem": "ca.crt"}
    found = from_secret(secret({names[n]: t for n, t in good.items() if n in names}))
    assert found.tls
    assert (found.ca, found.roots, found.public_key) == (read(good).ca, read(good).roots, read(good).public_key)
    assert [each.id for each in validate(found, CONTEXT)] == ["MESH-CA-020"]


def test_no_private_key_is_kept_shown_or_raised(tmp_path):
    good = {**ONE[2], "ca-key.pem": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"}
    write(str(tmp_path / "ca"), good)
    found = from_files(str(tmp_path / "ca"))
    text = repr(found) + "".join(map(str, validate(found, CONTEXT)))
    assert "PRIVATE" not in text
    assert "c2VjcmV0" not in text
    assert "MESH-CA-002" in {each.id for each in validate(found, CONTEXT)}


def test_an_observed_secret_says_the_same_as_the_files():
    observed = from_observed(slim(SECRET, secret(ONE[2])))
    plain = read(ONE[2])
    assert (observed.ca, observed.roots, observed.chain) == (plain.ca, plain.roots, plain.chain)
    assert observed.public_key == plain.public_key
    assert validate(observed, CONTEXT) == ()


def test_keys_are_written_for_their_owner_only_and_nothing_is_overwritten(tmp_path):
    paths = write(str(tmp_path / "ca"), ONE[2])
    modes = {
        path.rsplit("/", 1)[1]: oct((tmp_path / "ca" / path.rsplit("/", 1)[1]).stat().st_mode)[-3:] for path in paths
    }
    assert modes["ca-key.pem"] == "600"
    with pytest.raises(Refused, match="overwritten"):
        write(str(tmp_path / "ca"), ONE[2])


def test_an_intermediate_must_not_outlive_its_root():
    with pytest.raises(Refused, match="outlive"):
        create(Wanted(root_lifetime=timedelta(days=1), ca_lifetime=timedelta(days=2)), NOW)


@pytest.mark.parametrize("content", [{}, {"readme": "x"}])
def test_a_directory_without_a_ca_is_an_input_error(tmp_path, content):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="holds none"):
        from_files(str(tmp_path))


def test_a_diff_names_each_file_and_what_only_one_side_has():
    assert compare(read(ONE[2]), read(ONE[2])) == ()
    found = {each.file: each for each in compare(read(ONE[2]), read(TWO[2]))}
    assert set(found) == {"ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"}
    assert "root one" in found["root-cert.pem"].only_first[0]
    assert "root two" in found["root-cert.pem"].only_second[0]
    assert found["ca-key.pem"].only_first[0].startswith("public key ")
