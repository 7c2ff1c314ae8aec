"""The lint of CAs and leaves: each flaw is found, under its own code, and a sound one has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.pki.authority import Problem, anchor, lint_ca, lint_certificate
from kntls.pki.certificate import Certificate
from kntls.pki.create import KeyPair, bridge, issue, new_ca
from tests.pki.fixed import SHA1_LEAF, SHA1_ROOT
from tests.pki.forge import AT, YEAR, forge

QUARTER = timedelta(days=90)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ROOT = new_ca("root", lifetime=10 * YEAR, at=AT)
MIDDLE = issue(ROOT, common_name="middle", is_ca=True, lifetime=5 * YEAR, at=AT)


def lint(
    *chain: KeyPair, ca_crt: tuple[KeyPair, ...] = (), key: KeyPair | None = None, others: tuple[KeyPair, ...] = ()
) -> dict[str, Problem]:
    """The problems of a CA Secret with these certificates, by code."""
    found = lint_ca(
        tuple(pair.certificate for pair in chain),
        tuple(pair.certificate for pair in ca_crt),
        (key or chain[0]).certificate.public_key_hash,
        at=AT + timedelta(days=1),
        leaf_lifetime=QUARTER,
        others=tuple(pair.certificate for pair in others),
    )
    return {problem.code: problem for problem in found}


def bridged() -> KeyPair:
    new = new_ca("new", lifetime=10 * YEAR, at=AT)
    return KeyPair(bridge(new, ROOT, at=AT), new.private_key)


@pytest.mark.parametrize(
    ("chain", "ca_crt"),
    [
        ((ROOT,), ()),
        ((ROOT,), (ROOT,)),
        ((MIDDLE,), (ROOT,)),
        ((MIDDLE, ROOT), ()),
        ((MIDDLE, ROOT), (ROOT,)),
        ((MIDDLE, MIDDLE, ROOT), ()),
        ((bridged(),), (ROOT,)),
    ],
)
def test_a_sound_ca_has_no_problem(chain, ca_crt):
    assert lint(*chain, ca_crt=ca_crt, others=(new_ca("other", lifetime=YEAR),)) == {}


def test_a_bridge_beside_its_own_new_root_is_sound():
    new = new_ca("new", lifetime=10 * YEAR, at=AT)
    across = KeyPair(bridge(new, ROOT, at=AT), new.private_key)
    assert lint(across, ca_crt=(new,)) == {}


def test_a_renewed_root_with_its_former_self_as_ca_crt_is_sound():
    renewed = new_ca("root", key=ROOT.private_key, lifetime=20 * YEAR, at=AT)
    assert lint(renewed, ca_crt=(ROOT,)) == {}


def test_a_ca_of_another_ca_is_told_apart_by_name_key_and_key_identifier():
    namesake = new_ca("root", lifetime=YEAR, at=AT)
    same_ski = forge("other", ca=True, ski=bytes.fromhex(ROOT.certificate.ski), end=AT + 5 * YEAR)
    renewed = new_ca("new name", key=ROOT.private_key, lifetime=YEAR, at=AT)
    assert list(lint(namesake, others=(ROOT,))) == ["same-common-name"]
    assert list(lint(same_ski, others=(ROOT,))) == ["same-ski"]
    assert list(lint(renewed, others=(ROOT,))) == ["same-key"]
    assert lint(ROOT, others=(ROOT,)) == {}


CA_FLAWS: dict[str, tuple[str, bool, Callable[[], dict[str, Problem]]]] = {
    "not a CA": ("not-a-ca", True, lambda: lint(forge("a", ca=True, bc=(False, None)))),
    "no basic constraints": ("not-a-ca", True, lambda: lint(forge("a", ca=True, bc=None))),
    "may not sign": ("no-cert-sign", True, lambda: lint(forge("a", ca=True, ku=["crl_sign"]))),
    "for clients": ("extended-key-usage", True, lambda: lint(forge("a", ca=True, eku=["clientAuth"]))),
    "critical": ("critical-extension", True, lambda: lint(forge("a", ca=True, extra=[(UNKNOWN, True)]))),
    "wrong key": ("key-mismatch", True, lambda: lint(ROOT, key=MIDDLE)),
    "expired": ("not-valid-now", True, lambda: lint(forge("a", ca=True, end=AT + timedelta(seconds=1)))),
    "future": ("not-valid-now", True, lambda: lint(forge("a", ca=True, begin=AT + 2 * QUARTER))),
    "expired ca.crt": (
        "not-valid-now",
        True,
        lambda: lint(MIDDLE, ca_crt=(new_ca("root", key=ROOT.private_key, lifetime=YEAR, at=AT - 2 * YEAR),)),
    ),
    "ends soon": ("ends-before-leaves", False, lambda: lint(forge("a", ca=True, end=AT + timedelta(days=90)))),
    "path length": (
        "path-length",
        True,
        lambda: lint(
            issue(short := new_ca("a", path_length=0, lifetime=YEAR, at=AT), is_ca=True, **_named("b")), short
        ),
    ),
    "name constraints": (
        "name-constraints",
        False,
        lambda: lint(forge("a", ca=True, extra=[(x509.NameConstraints([x509.DNSName("svc")], None), True)])),
    ),
    "two roots": ("broken-chain", True, lambda: lint(ROOT, new_ca("other", lifetime=YEAR, at=AT))),
    "foreign ca.crt": ("foreign-ca-crt", True, lambda: lint(ROOT, ca_crt=(new_ca("other", lifetime=YEAR, at=AT),))),
    "namesake as ca.crt": (
        "foreign-ca-crt",
        True,
        lambda: lint(MIDDLE, ca_crt=(new_ca("root", lifetime=YEAR, at=AT),)),
    ),
    "long ca.crt": ("long-ca-crt", False, lambda: lint(MIDDLE, ca_crt=(ROOT, MIDDLE))),
    "no root": ("intermediate-anchor", False, lambda: lint(MIDDLE)),
    "no name": ("no-common-name", True, lambda: lint(forge("", ca=True))),
    "no key identifier": ("no-ski", False, lambda: lint(forge("a", ca=True, ski=None))),
    "short key": ("weak-key", False, lambda: lint(forge("a", ca=True, key=rsa.generate_private_key(65537, 1024)))),
}


def _named(name: str) -> dict[str, object]:
    return {"common_name": name, "lifetime": YEAR, "at": AT}


@pytest.mark.parametrize(("code", "fatal", "judge"), CA_FLAWS.values(), ids=CA_FLAWS)
def test_each_flaw_of_a_ca_is_found_and_no_other(code, fatal, judge):
    found = judge()
    assert list(found) == [code]
    assert found[code].fatal is fatal
    assert "\n" not in found[code].text


def test_name_constraints_are_named():
    limits = x509.NameConstraints([x509.DNSName("svc")], [x509.DNSName("kube-system.svc")])
    text = lint(forge("a", ca=True, extra=[(limits, True)]))["name-constraints"].text
    assert text.endswith("limits the names below it: permits DNS svc, excludes DNS kube-system.svc")


def test_a_secret_without_certificate_or_without_key_is_said_to_be_so():
    asked = {"at": AT, "leaf_lifetime": QUARTER}
    assert [problem.code for problem in lint_ca((), (), "", **asked)] == ["no-certificate"]
    assert [problem.code for problem in lint_ca((ROOT.certificate,), (), "", **asked)] == ["no-key"]


def test_the_anchor_is_the_first_of_ca_crt_else_the_last_of_tls_crt():
    root, middle = ROOT.certificate, MIDDLE.certificate
    assert anchor((middle, root), ()) is root
    assert anchor((middle,), ()) is middle
    assert anchor((middle,), (root, middle)) is root


def leaf(**options: object) -> Certificate:
    return forge(by=ROOT, **{"dns": ["a"], "ku": ["digital_signature"], **options}).certificate


def test_a_sound_leaf_has_no_problem():
    assert lint_certificate(leaf(), ROOT.certificate, at=AT) == ()
    assert lint_certificate(issue(ROOT, dns=["a"], lifetime=YEAR, at=AT).certificate, at=AT) == ()


@pytest.mark.parametrize(
    ("certificate", "code", "fatal"),
    [
        (leaf(end=AT + timedelta(seconds=1)), "not-valid-now", True),
        (leaf(end=AT + 20 * YEAR), "outlives-issuer", False),
        (leaf(dns=[]), "no-san", True),
        (leaf(eku=["clientAuth"]), "refused-by-envoy", True),
        (leaf(eku=["any"]), "refused-by-envoy", True),
        (leaf(ku=["key_encipherment"]), "refused-by-envoy", True),
        (leaf(key_type="ed25519"), "refused-by-envoy", True),
        (leaf(ca=True), "leaf-is-a-ca", False),
        (leaf(extra=[(UNKNOWN, True)]), "critical-extension", True),
        (leaf(cn="root"), "named-like-its-issuer", False),
        (leaf(aki=None), "no-aki", False),
        (leaf(aki=b"x" * 20), "aki-mismatch", True),
        (leaf(key=rsa.generate_private_key(65537, 1024)), "weak-key", False),
    ],
)
def test_each_flaw_of_a_leaf_is_found_and_no_other(certificate, code, fatal):
    found = lint_certificate(certificate, ROOT.certificate, at=AT + timedelta(days=1))
    assert [(problem.code, problem.fatal) for problem in found] == [(code, fatal)]


def test_a_sha1_signature_is_found():
    found = lint_certificate(SHA1_LEAF, at=SHA1_LEAF.not_before)
    assert ("weak-signature", True) in [(problem.code, problem.fatal) for problem in found]


def test_how_a_root_signed_itself_does_not_matter():
    asked = {"at": SHA1_ROOT.not_before, "leaf_lifetime": QUARTER}
    assert lint_ca((SHA1_ROOT,), (), SHA1_ROOT.public_key_hash, **asked) == ()
