"""The matrix of chains whose verdicts were taken from real Go: each case is built anew, its answer is recorded.

`scripts/go-verdicts` writes the answers (`tests/pki/go_verdicts.json`) by running `crypto/x509` on every case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from kntls.pki.certificate import Certificate
from kntls.pki.create import KeyPair
from tests.pki.fixed import SHA1_LEAF, SHA1_ROOT, SHA256_LEAF
from tests.pki.forge import AT, forge, tampered

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Case:
    """One question to a verifier."""

    leaf: Certificate
    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    at: datetime = AT + DAY
    name: str = ""
    usage: str = "serverAuth"


CASES: dict[str, Callable[[], Case]] = {}


def case(function: Callable[[], Case]) -> Callable[[], Case]:
    """Enter a case into the matrix under its function's name."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


def _root(cn: str = "root", **options: object) -> KeyPair:
    return forge(cn, ca=True, **options)  # type: ignore[arg-type]


def _leaf(by: KeyPair, **options: object) -> KeyPair:
    return forge(by=by, **{"dns": ["a.example"], "ku": ["digital_signature"], **options})  # type: ignore[arg-type]


def _ask(root: KeyPair, leaf: KeyPair, *intermediates: KeyPair, **options: object) -> Case:
    between = tuple(pair.certificate for pair in intermediates)
    return Case(leaf.certificate, (root.certificate,), between, **options)  # type: ignore[arg-type]


def _simple(**options: object) -> Case:
    return _ask(root := _root(), _leaf(root), **options)


def _with_root(**options: object) -> Case:
    return _ask(root := _root(**options), _leaf(root))


def _with_leaf(**options: object) -> Case:
    return _ask(root := _root(), _leaf(root, **options))


def _line(length: int, **options: object) -> Case:
    """A root, `length` intermediates (the options go to the topmost), a leaf."""
    root = _root()
    between: list[KeyPair] = []
    for number in range(length):
        above = between[-1] if between else root
        between.append(forge(f"int{number}", above, ca=True, **(options if number == 0 else {})))  # type: ignore[arg-type]
    return _ask(root, _leaf(between[-1] if between else root), *between)


def _constrained(
    permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None, **leaf: object
) -> Case:
    root = _root(extra=[(x509.NameConstraints(permitted, excluded), True)])
    return _ask(root, _leaf(root, **leaf))


_DNS, _URI, _MAIL = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name


def _net(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_network(text))


def _ip(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(text))


@case
def a_plain_chain() -> Case:
    return _simple(name="a.example")


@case
def another_host() -> Case:
    return _simple(name="b.example")


@case
def through_an_intermediate() -> Case:
    return _line(1)


@case
def the_intermediate_is_not_sent() -> Case:
    return Case(*[(c := _line(1)).leaf, c.roots])


@case
def the_intermediate_is_the_anchor() -> Case:
    return Case((c := _line(1)).leaf, c.intermediates)


@case
def nine_intermediates() -> Case:
    return _line(9)


@case
def nothing_trusted() -> Case:
    return Case(_simple().leaf, ())


@case
def another_root() -> Case:
    return Case(_simple().leaf, (_root("other").certificate,))


@case
def a_root_with_the_same_name_and_another_key() -> Case:
    return Case(_simple().leaf, (_root().certificate,))


def _overlap(**leaf: object) -> Case:
    old, new = _root(), _root()
    return Case(_leaf(new, **leaf).certificate, (old.certificate, new.certificate))


@case
def two_roots_of_one_name() -> Case:
    return _overlap()


@case
def two_roots_of_one_name_and_a_leaf_without_aki() -> Case:
    return _overlap(aki=None)


@case
def an_aki_that_fits_no_root() -> Case:
    return _with_leaf(aki=b"x" * 20)


@case
def an_aki_that_points_to_the_other_root_of_the_name() -> Case:
    old, new = _root(), _root()
    leaf = _leaf(new, aki=bytes.fromhex(old.certificate.ski))
    return Case(leaf.certificate, (old.certificate, new.certificate))


@case
def a_root_without_key_usage() -> Case:
    return _with_root(ku=None)


@case
def a_root_that_may_not_sign() -> Case:
    return _with_root(ku=["digital_signature"])


@case
def a_root_without_ski() -> Case:
    return _with_root(ski=None)


@case
def a_root_whose_basic_constraints_are_not_critical() -> Case:
    return _with_root(bc_critical=False)


@case
def a_root_without_basic_constraints() -> Case:
    return _with_root(bc=None)


@case
def a_root_that_is_no_ca() -> Case:
    return _with_root(bc=(False, None))


@case
def an_intermediate_that_is_no_ca() -> Case:
    return _line(1, bc=(False, None))


@case
def an_intermediate_that_may_not_sign() -> Case:
    return _line(1, ku=["crl_sign"])


@case
def a_leaf_without_aki() -> Case:
    return _with_leaf(aki=None)


@case
def a_san_that_is_critical_beside_a_common_name() -> Case:
    return _with_leaf(cn="a", san_critical=True)


@case
def an_empty_subject_and_a_san_that_is_not_critical() -> Case:
    return _with_leaf(san_critical=False)


@case
def a_leaf_without_san() -> Case:
    return _with_leaf(cn="a.example", dns=[])


@case
def a_leaf_without_san_asked_for_its_common_name() -> Case:
    root = _root()
    return _ask(root, _leaf(root, cn="a.example", dns=[]), name="a.example")


@case
def an_underscore_in_a_name() -> Case:
    root = _root()
    return _ask(root, _leaf(root, dns=["a_b.example"]), name="a_b.example")


@case
def a_single_label() -> Case:
    root = _root()
    return _ask(root, _leaf(root, dns=["kn-routing"]), name="kn-routing")


@case
def an_address() -> Case:
    root = _root()
    return _ask(root, _leaf(root, names=[_ip("10.0.0.1")]), name="10.0.0.1")


@case
def ed25519_all_the_way() -> Case:
    root = _root(key_type="ed25519")
    return _ask(root, _leaf(root, key_type="ed25519"))


@case
def rsa_all_the_way() -> Case:
    root = _root(key_type="rsa-2048")
    return _ask(root, _leaf(root, key_type="rsa-2048"))


@case
def p521_under_p384() -> Case:
    root = _root(key_type="ecdsa-p384")
    return _ask(root, _leaf(root, key_type="ecdsa-p521"))


@case
def a_leaf_with_a_short_rsa_key() -> Case:
    return _with_leaf(key=rsa.generate_private_key(65537, 1024))


@case
def signed_with_sha1() -> Case:
    return Case(SHA1_LEAF, (SHA1_ROOT,), at=SHA1_ROOT.not_before + DAY)


@case
def a_root_signed_with_sha1() -> Case:
    return Case(SHA256_LEAF, (SHA1_ROOT,), at=SHA1_ROOT.not_before + DAY)


@case
def sha512() -> Case:
    return _with_leaf(hash=hashes.SHA512())


@case
def a_leaf_with_the_ca_bit() -> Case:
    return _with_leaf(bc=(True, None), ku=["key_cert_sign"])


@case
def a_leaf_without_basic_constraints() -> Case:
    return _with_leaf(bc=None)


@case
def a_self_signed_leaf_that_is_trusted() -> Case:
    leaf = forge("a", dns=["a.example"]).certificate
    return Case(leaf, (leaf,), name="a.example")


@case
def a_self_signed_leaf_that_is_not_trusted() -> Case:
    return Case(forge("a", dns=["a.example"]).certificate, (_root().certificate,))


@case
def a_self_signed_ca_as_server_and_anchor() -> Case:
    root = _root(dns=["a.example"], ku=["key_cert_sign"]).certificate
    return Case(root, (root,), name="a.example")


@case
def a_leaf_that_is_trusted_itself() -> Case:
    return Case((leaf := _simple().leaf), (leaf,))


@case
def tampered_with() -> Case:
    root = _root()
    return _ask(root, tampered(_leaf(root)))


@case
def a_tampered_intermediate() -> Case:
    root = _root()
    middle = forge("middle", root, ca=True)
    return _ask(root, _leaf(middle), tampered(middle))


@case
def the_leafs_last_second() -> Case:
    return _with_leaf_at(AT + 10 * DAY)


@case
def just_after_the_leafs_last_second() -> Case:
    return _with_leaf_at(AT + 10 * DAY + SECOND)


@case
def the_leafs_first_second() -> Case:
    return _with_leaf_at(AT + DAY)


@case
def just_before_the_leafs_first_second() -> Case:
    return _with_leaf_at(AT + DAY - SECOND)


def _with_leaf_at(moment: datetime) -> Case:
    root = _root()
    return _ask(root, _leaf(root, begin=AT + DAY, end=AT + 10 * DAY), at=moment)


@case
def an_expired_root() -> Case:
    return _ask(root := _root(end=AT + DAY), _leaf(root), at=AT + 2 * DAY)


@case
def a_root_that_is_not_yet_valid() -> Case:
    return _ask(root := _root(begin=AT + 3 * DAY), _leaf(root), at=AT + 2 * DAY)


@case
def an_expired_intermediate() -> Case:
    return _line(2, end=AT + SECOND)


@case
def an_expired_root_beside_its_renewal() -> Case:
    old = _root(end=AT + SECOND)
    renewed = _root(key=old.private_key)
    return Case(_leaf(old).certificate, (old.certificate, renewed.certificate))


@case
def a_leaf_that_outlives_its_root() -> Case:
    return _ask(root := _root(end=AT + 2 * DAY), _leaf(root))


@case
def path_length_zero_and_no_intermediate() -> Case:
    return _with_root(bc=(True, 0))


@case
def path_length_zero_and_an_intermediate() -> Case:
    root = _root(bc=(True, 0))
    return _ask(root, _leaf(middle := forge("middle", root, ca=True)), middle)


@case
def path_length_one_and_two_intermediates() -> Case:
    return _line(3, bc=(True, 1))


@case
def path_length_one_and_one_intermediate() -> Case:
    return _line(2, bc=(True, 1))


@case
def a_leaf_for_clients() -> Case:
    return _with_leaf(eku=["clientAuth"])


@case
def a_leaf_for_clients_asked_as_client() -> Case:
    return _ask(root := _root(), _leaf(root, eku=["clientAuth"]), usage="clientAuth")


@case
def a_leaf_for_both() -> Case:
    return _with_leaf(eku=["serverAuth", "clientAuth"])


@case
def a_leaf_for_anything() -> Case:
    return _with_leaf(eku=["any"])


@case
def a_leaf_without_extended_key_usage() -> Case:
    return _with_leaf(eku=None)


@case
def an_intermediate_for_clients() -> Case:
    return _line(1, eku=["clientAuth"])


@case
def a_root_for_clients() -> Case:
    return _with_root(eku=["clientAuth"])


@case
def an_unknown_critical_extension_on_the_leaf() -> Case:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _with_leaf(extra=[(unknown, True)])


@case
def an_unknown_extension_on_the_leaf() -> Case:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _with_leaf(extra=[(unknown, False)])


@case
def an_unknown_critical_extension_on_the_root() -> Case:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return _with_root(extra=[(unknown, True)])


@case
def a_critical_san_of_a_kind_go_does_not_know() -> Case:
    return _with_leaf(dns=[], names=[x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], san_critical=True)


@case
def a_permitted_name() -> Case:
    return _constrained([_DNS("example")], None)


@case
def a_name_that_is_not_permitted() -> Case:
    return _constrained([_DNS("svc")], None)


@case
def a_leading_dot_permits_what_is_under_it() -> Case:
    return _constrained([_DNS(".example")], None)


@case
def a_leading_dot_does_not_permit_the_domain_itself() -> Case:
    return _constrained([_DNS(".a.example")], None)


@case
def half_a_label_is_not_permitted() -> Case:
    return _constrained([_DNS("xample")], None)


@case
def constraints_do_not_mind_case() -> Case:
    return _constrained([_DNS("EXAMPLE")], None)


@case
def an_excluded_name() -> Case:
    return _constrained(None, [_DNS("a.example")])


@case
def a_wildcard_over_an_excluded_name() -> Case:
    return _constrained(None, [_DNS("bad.example")], dns=["*.example"])


@case
def a_wildcard_beside_an_excluded_name() -> Case:
    return _constrained(None, [_DNS("very.bad.example")], dns=["*.example"])


@case
def everything_excluded() -> Case:
    return _constrained(None, [_DNS("")])


@case
def permitted_and_excluded() -> Case:
    return _constrained([_DNS("example")], [_DNS("a.example")])


@case
def constraints_on_addresses_do_not_touch_names() -> Case:
    return _constrained([_net("10.0.0.0/8")], None)


@case
def a_permitted_address() -> Case:
    return _constrained([_net("10.0.0.0/8")], None, names=[_ip("10.1.2.3")])


@case
def an_address_that_is_not_permitted() -> Case:
    return _constrained([_net("10.0.0.0/8")], None, names=[_ip("11.1.2.3")])


@case
def an_address_of_the_other_family() -> Case:
    return _constrained([_net("10.0.0.0/8")], None, names=[_ip("::1")])


@case
def an_excluded_address() -> Case:
    return _constrained(None, [_net("fd00::/8")], names=[_ip("fd00::1")])


@case
def a_permitted_uri() -> Case:
    return _constrained([_URI("cluster.local")], None, names=[_URI("spiffe://cluster.local/ns/a/sa/b")])


@case
def a_uri_that_is_not_permitted() -> Case:
    return _constrained([_URI("cluster.local")], None, names=[_URI("spiffe://other.local/ns/a/sa/b")])


@case
def a_uri_with_a_port() -> Case:
    return _constrained([_URI("cluster.local")], None, names=[_URI("https://a.cluster.local:8443/x")])


@case
def a_uri_without_host_under_constraints() -> Case:
    return _constrained([_DNS("example")], None, names=[_URI("urn:x:y")])


@case
def a_uri_with_an_address_under_constraints() -> Case:
    return _constrained([_DNS("example")], None, names=[_URI("https://10.0.0.1/x")])


@case
def a_permitted_mailbox() -> Case:
    return _constrained([_MAIL("me@example.com")], None, names=[_MAIL("me@Example.com")])


@case
def a_mailbox_that_is_not_permitted() -> Case:
    return _constrained([_MAIL("me@example.com")], None, names=[_MAIL("you@example.com")])


@case
def a_mailbox_in_a_permitted_domain() -> Case:
    return _constrained([_MAIL("example.com")], None, names=[_MAIL("you@example.com")])


@case
def constraints_do_not_touch_a_common_name() -> Case:
    return _constrained([_DNS("svc")], None, cn="a.example", dns=[])


@case
def critical_constraints_of_a_kind_go_does_not_know() -> Case:
    directory = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]))
    return _constrained([directory], None)


@case
def constraints_of_an_intermediate() -> Case:
    return _line(1, extra=[(x509.NameConstraints([_DNS("svc")], None), True)])


@case
def constraints_apply_to_intermediates_names_too() -> Case:
    root = _root(extra=[(x509.NameConstraints([_DNS("example")], None), True)])
    middle = forge("middle", root, ca=True, dns=["elsewhere.test"])
    return _ask(root, _leaf(middle), middle)


@case
def a_name_that_is_no_domain_under_constraints() -> Case:
    return _constrained([_DNS("example")], None, dns=["a..example"])


@case
def critical_policy_constraints() -> Case:
    return _with_root(extra=[(x509.PolicyConstraints(None, 0), True)])


def _bridged(*trusted: str, send: bool = True) -> Case:
    old, new = _root("old"), _root("new")
    bridge = forge("new", old, ca=True, key=new.private_key)
    pool = {"old": old.certificate, "new": new.certificate}
    return Case(_leaf(new).certificate, tuple(pool[name] for name in trusted), (bridge.certificate,) if send else ())


@case
def a_bridge_where_only_the_old_root_is_trusted() -> Case:
    return _bridged("old")


@case
def a_bridge_where_only_the_new_root_is_trusted() -> Case:
    return _bridged("new")


@case
def a_bridge_where_both_are_trusted() -> Case:
    return _bridged("old", "new")


@case
def no_bridge_where_only_the_old_root_is_trusted() -> Case:
    return _bridged("old", send=False)


@case
def two_cas_that_signed_each_other() -> Case:
    one, two = _root("one"), _root("two")
    across = [forge("one", two, ca=True, key=one.private_key), forge("two", one, ca=True, key=two.private_key)]
    return Case(_leaf(one).certificate, (_root("three").certificate,), tuple(pair.certificate for pair in across))


@case
def an_expired_way_and_a_good_one() -> Case:
    old, new = _root("old", end=AT + SECOND), _root("new")
    middle = forge("middle", old, ca=True)
    across = forge("middle", new, ca=True, key=middle.private_key)
    return Case(
        _leaf(middle).certificate,
        (old.certificate, new.certificate),
        (middle.certificate, across.certificate),
    )


@case
def a_leaf_named_like_its_issuer() -> Case:
    return _ask(root := _root("same"), _leaf(root, cn="same", aki=None))


@case
def an_issuer_without_any_name() -> Case:
    return _ask(root := _root(""), _leaf(root))


@case
def many_roots_of_one_name() -> Case:
    crowd = [_root(ski=None) for _ in range(99)]
    leaf = _leaf(crowd[-1], aki=None).certificate
    return Case(leaf, tuple(pair.certificate for pair in crowd))


@case
def too_many_roots_of_one_name() -> Case:
    crowd = [_root(ski=None) for _ in range(101)]
    leaf = _leaf(crowd[-1], aki=None).certificate
    return Case(leaf, tuple(pair.certificate for pair in crowd))


@case
def too_many_roots_of_one_name_but_a_key_identifier_that_fits() -> Case:
    crowd = [_root() for _ in range(101)]
    return Case(_leaf(crowd[-1]).certificate, tuple(pair.certificate for pair in crowd))


@case
def a_renewed_root_before_its_expired_self() -> Case:
    old = _root(end=AT + SECOND)
    renewed = _root(key=old.private_key)
    return Case(_leaf(old).certificate, (renewed.certificate, old.certificate))


@case
def a_leaf_without_aki_and_the_right_root_of_its_name_first() -> Case:
    old, new = _root(), _root()
    return Case(_leaf(new, aki=None).certificate, (new.certificate, old.certificate))


@case
def a_trusted_intermediate_below_its_expired_root() -> Case:
    root = _root(end=AT + SECOND)
    middle = forge("middle", root, ca=True)
    return Case(_leaf(middle).certificate, (middle.certificate, root.certificate))


@case
def a_trusted_intermediate_below_its_expired_root_sent_along() -> Case:
    case = a_trusted_intermediate_below_its_expired_root()
    return Case(case.leaf, case.roots, case.roots[:1])


@case
def an_intermediate_for_anything() -> Case:
    return _line(1, eku=["any"])


@case
def a_p384_leaf() -> Case:
    return _with_leaf(key_type="ecdsa-p384")


@case
def an_ed25519_root_of_a_p256_leaf() -> Case:
    return _with_root(key_type="ed25519")


@case
def a_p521_root_of_a_p256_leaf() -> Case:
    return _with_root(key_type="ecdsa-p521", hash=hashes.SHA512())


@case
def an_intermediate_with_the_name_of_the_root() -> Case:
    root = _root("same")
    middle = forge("same", root, ca=True)
    return _ask(root, _leaf(middle), middle)


@case
def a_ca_renewed_with_its_key_but_another_key_identifier() -> Case:
    old = _root(ski=b"1" * 20)
    renewed = _root(key=old.private_key)
    return Case(_leaf(old).certificate, (renewed.certificate,))


@case
def a_ca_renewed_with_another_key_identifier_beside_its_former_self() -> Case:
    old = _root(ski=b"1" * 20)
    renewed = _root(key=old.private_key)
    return Case(_leaf(old).certificate, (renewed.certificate, old.certificate))


@case
def a_leaf_for_signing_only() -> Case:
    return _with_leaf(ku=["key_encipherment"])
