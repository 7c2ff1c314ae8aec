"""Issuers: the right kind for each surface, taken up by cert-manager, and a CA behind them that really can sign."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kntls.certmanager.authority import Authority, authority_in, is_current
from kntls.certmanager.issuers import Answer, kind_of
from kntls.certmanager.manifests import CA_ISSUER
from kntls.checks.check import ERROR, KEYS, MANAGED, ON, SIGNING, WARNING, Condition, Problem, check
from kntls.checks.facts import LEAF_LIFETIME, Facts, parse_time
from kntls.knative.config import DEFAULT_ISSUER, render_issuer_ref
from kntls.knative.names import CONFIG_CERTMANAGER, LEGACY_SAN, ROUTING_SAN, Surface
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, SECRET
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of, name_of, namespace_of
from kntls.pki.authority import lint_ca
from kntls.pki.certificate import Certificate
from kntls.pki.names import permits

CONFIGURED = (CONFIG_MAP, CLUSTER_ISSUER)
SEEN = (CONFIG_MAP, CLUSTER_ISSUER, SECRET, DEPLOYMENT)
FAO = "controller.cert-manager.io/fao"
ALWAYS_ROTATES = (1, 18)
"""From here on `rotationPolicy` is Always unless a Certificate says otherwise."""
SOON_DAYS = 30
COVERED = Condition(
    "the Secrets of cert-manager's namespace were read",
    lambda facts: facts.covers(SECRET, facts.resources) or None,
    unknown="secrets: those of cert-manager's namespace are not in the files",
)
NEW_CA = "kntls rotate-ca --issuer {issuer} --new-secret NAME"


def _named(name: str) -> ObjectRef:
    return ObjectRef(CLUSTER_ISSUER, name)


def _rivals(facts: Facts, own: Authority) -> tuple[Certificate, ...]:
    """The other CAs this one must not be mistaken for: those of the same namespace and those that are trusted."""
    trusted = {root for trust in facts.trusts for root in trust.roots}
    mine = {own.signer, own.anchor, *own.material.chain}
    return tuple(
        sorted(
            (root for root in trusted if root not in mine and root.public_key_hash != own.signer.public_key_hash),
            key=lambda root: root.fingerprint,
        )
    )


def _lint(facts: Facts, codes: Collection[str], fix: str) -> Iterator[Problem]:
    """What the CA lint says with these codes about the CA of each issuer in use."""
    for name, ca in facts.authorities.items():
        held = ca.material
        found = lint_ca(
            held.chain,
            held.ca_crt,
            held.public_key,
            at=facts.at,
            leaf_lifetime=LEAF_LIFETIME,
            others=_rivals(facts, ca),
        )
        for problem in found:
            if problem.code in codes:
                yield Problem(ca.secret, problem.text, fix.format(issuer=name, secret=ca.secret.kubectl))


def _ca_certificates(facts: Facts) -> Iterator[tuple[str, Object]]:
    """The Certificate that makes the CA of each issuer in use, where cert-manager makes it."""
    for issuer, secret in facts.ca_secrets.items():
        for obj in facts.observation.all(CERTIFICATE, namespace=secret.namespace):
            if dig(obj, "spec", "secretName") == secret.name and dig(obj, "spec", "isCA"):
                yield issuer, obj


def _ref(obj: Object) -> ObjectRef:
    return ObjectRef(CERTIFICATE, name_of(obj), namespace_of(obj))


def _name_another(facts: Facts, surface: Surface) -> str:
    """The command that names a CA issuer for a surface: one that other surfaces use, or any; else makes one first.

    `kntls enable` would refuse to name another one while the surface is on.
    """
    found = [*facts.authorities, *(name for name, _ in _other_cas(facts))]
    name = next(iter(found), CA_ISSUER)
    change = facts.set_config(CONFIG_CERTMANAGER, surface.issuer_key, render_issuer_ref(name))
    return change if found else f"kntls generate issuers | kubectl apply -f -; {change}"


@check(
    "KN-ISSUER-001",
    "every issuer that Knative names exists",
    ERROR,
    needs=CONFIGURED,
    when=(ON,),
    causes=(
        "KN-KCERT-001",
        "KN-KCERT-004",
        "KN-ISSUER-006",
        "KN-SERVE-001",
        "KN-SERVE-005",
        "KN-SERVE-006",
        "KN-SERVE-007",
    ),
    why="Knative's default is ClusterIssuer `knative-selfsigned-issuer`, which nothing installs since 1.15: with an "
    "untouched `config-certmanager` every KCert stays un-Ready with `clusterissuer … not found`.",
    remedy="`kntls enable` creates the issuers and names them; or name an existing ClusterIssuer in "
    "`config-certmanager`.",
)
def exists(facts: Facts) -> Iterator[Problem]:
    """ClusterIssuers named in config-certmanager (or by default) that are not there."""
    for surface, ref in facts.issuers.items():
        if ref.kind == CLUSTER_ISSUER.name and ref.name not in facts.named_issuers:
            by = "by default" if ref.name == DEFAULT_ISSUER else f"by key {surface.issuer_key} of {CONFIG_CERTMANAGER}"
            reason = f"it does not exist, but is named for {surface} {by}"
            yield Problem(_named(ref.name), reason, _name_another(facts, surface))


@check(
    "KN-ISSUER-002",
    "Knative names ClusterIssuers, not Issuers",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(ON,),
    causes=("KN-KCERT-001",),
    why="Certificates lie in many namespaces, an Issuer only in one. And whatever the kind, Knative looks the name up "
    "among ClusterIssuers at every renewal: the KCert turns `ReconcileFailed` and Routes lose TLS each time.",
    remedy="Name a ClusterIssuer.",
)
def cluster_wide(facts: Facts) -> Iterator[Problem]:
    """References of another kind."""
    for surface, ref in facts.issuers.items():
        if ref.kind != CLUSTER_ISSUER.name:
            fix = facts.set_config(CONFIG_CERTMANAGER, surface.issuer_key, f"kind: ClusterIssuer\nname: {ref.name}\n")
            where = facts.config_ref(CONFIG_CERTMANAGER)
            yield Problem(where, f"{surface.issuer_key} names {ref.kind} {ref.name}", fix)


@check(
    "KN-ISSUER-003",
    "every issuer in use is Ready",
    ERROR,
    needs=CONFIGURED,
    when=(ON,),
    causes=("KN-KCERT-001", "KN-KCERT-004", "KN-KCERT-006", "KN-ISSUER-005"),
    why="An issuer that is not Ready issues and renews nothing; requests wait as Pending.",
    remedy="Read the condition's message; for a CA issuer it is nearly always the Secret.",
)
def ready(facts: Facts) -> Iterator[Problem]:
    """The issuers' Ready condition."""
    for name, obj in facts.named_issuers.items():
        if not is_true(obj):
            message = condition(obj, "Ready").get("message") or "cert-manager has not looked at it"
            yield Problem(_named(name), f"not Ready: {message}", f"kubectl describe clusterissuer {name}")


@check(
    "KN-ISSUER-004",
    "every issuer can sign the names of its surfaces",
    ERROR,
    needs=CONFIGURED,
    when=(ON,),
    causes=("KN-KCERT-001", "KN-KCERT-004", "KN-TRUST-007", "KN-TRUST-020", "KN-LEAF-008"),
    why="ACME cannot prove names that exist only in the cluster. A SelfSigned issuer makes every certificate its own "
    "CA: the activator, which trusts its own only, refuses every queue-proxy.",
    remedy="Use a CA issuer for system-internal and cluster-local; see `kntls generate issuers`.",
)
def fitting(facts: Facts) -> Iterator[Problem]:
    """Kinds of issuer that cannot serve a surface."""
    for surface, ref in facts.issuers.items():
        obj = facts.named_issuers.get(ref.name)
        if obj is None:
            continue
        kind = kind_of(obj)
        answer = kind.public_names if surface == Surface.EXTERNAL_DOMAIN else kind.internal_names
        if answer == Answer.NO:
            reason = f"{kind.name} does not do for {surface}: {kind.reason}"
            lost = "" if surface == Surface.SYSTEM_INTERNAL else "  # Routes have no TLS until all is issued again"
            yield Problem(_named(ref.name), reason, _name_another(facts, surface) + lost)


@check(
    "KN-ISSUER-005",
    "cert-manager has taken up every issuer's present spec",
    ERROR,
    needs=CONFIGURED,
    when=(ON,),
    why="After its `secretName` was changed, an issuer signs with the old CA until cert-manager's condition carries "
    "the new generation. Leaves re-issued before that are signed by the wrong CA.",
    remedy="Wait; if it stays so, look at cert-manager's controller.",
)
def taken_up(facts: Facts) -> Iterator[Problem]:
    """Issuers whose condition is of an older generation."""
    for name, obj in facts.named_issuers.items():
        if is_true(obj) and "observedGeneration" in condition(obj, "Ready") and not is_current(obj):
            seen, wanted = condition(obj, "Ready")["observedGeneration"], dig(obj, "metadata", "generation")
            reason = f"cert-manager has seen generation {seen}, the spec is {wanted}"
            yield Problem(_named(name), reason, f"kubectl describe clusterissuer {name}")


@check(
    "KN-ISSUER-006",
    "the Secret of every CA issuer is where cert-manager looks",
    ERROR,
    needs=SEEN,
    when=(ON, MANAGED, COVERED),
    causes=("KN-ISSUER-003", "KN-KCERT-001", "KN-KCERT-004"),
    why="Secrets of ClusterIssuers are read from `--cluster-resource-namespace` only.",
    remedy="Put the Secret (better: the CA's Certificate) into that namespace.",
)
def secret_there(facts: Facts) -> Iterator[Problem]:
    """CA Secrets that do not exist, or only elsewhere."""
    for name, ref in facts.ca_secrets.items():
        if facts.observation.find(ref) is None:
            others = [namespace_of(obj) for obj in facts.observation.all(SECRET) if name_of(obj) == ref.name]
            hint = f"; one of that name lies in {', '.join(sorted(others))}" if others else ""
            fix = f"create it in {ref.namespace}, or point ClusterIssuer {name} to one that is there"
            yield Problem(ref, f"there is no such Secret{hint}", fix)
        elif ref.name and name not in facts.authorities:
            yield Problem(ref, "its tls.crt holds no certificate", NEW_CA.format(issuer=name))


@check(
    "KN-ISSUER-007",
    "every CA in use may sign certificates",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=(
        "KN-ISSUER-003",
        "KN-KCERT-001",
        "KN-KCERT-004",
        "KN-TRUST-007",
        "KN-SERVE-003",
        "KN-LEAF-008",
        "KN-TRUST-009",
        "KN-ISSUER-013",
        "KN-LEAF-010",
        "KN-TRUST-020",
    ),
    why="cert-manager looks at the CA bit only. Without `keyCertSign` every request fails with `certificate chain is "
    "malformed or broken`, and what was signed before is accepted by nobody.",
    remedy="Rotate to a proper CA.",
)
def may_sign(facts: Facts) -> Iterator[Problem]:
    """CA bit, key usage, critical extensions."""
    codes = {"not-a-ca", "no-cert-sign", "extended-key-usage", "critical-extension"}
    yield from _lint(facts, codes, NEW_CA)


@check(
    "KN-ISSUER-008",
    "every CA's key belongs to its certificate",
    ERROR,
    needs=SEEN,
    when=(ON, KEYS, SIGNING),
    causes=("KN-ISSUER-003", "KN-KCERT-001", "KN-KCERT-004", "KN-KCERT-005", "KN-LEAF-010", "KN-TRUST-020"),
    why="cert-manager does not compare them: the issuer is Ready, and every request fails with `provided PrivateKey "
    "doesn't match parent's PublicKey`, each failure doubling the pause until the next try.",
    remedy="Restore the key that belongs to the certificate, or rotate to another CA.",
)
def key_fits(facts: Facts) -> Iterator[Problem]:
    """CA Secrets whose key is missing or another's."""
    yield from _lint(facts, {"no-key", "key-mismatch"}, NEW_CA)


@check(
    "KN-ISSUER-009",
    "no CA in use has expired",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-TRUST-007", "KN-TRUST-008", "KN-TRUST-013", "KN-TRUST-020", "KN-SERVE-003", "KN-LEAF-009",
            "KN-ISSUER-010", "KN-ISSUER-017", "KN-LEAF-008", "KN-LEAF-010"),
    why="cert-manager signs with an expired CA as if nothing were wrong, and everything stays Ready; every handshake "
    "is refused (`certificate has expired or is not yet valid`).",
    remedy="Rotate to a new CA: `kntls rotate-ca`.",
)  # fmt: skip
def valid_now(facts: Facts) -> Iterator[Problem]:
    """CAs outside their time."""
    yield from _lint(facts, {"not-valid-now"}, NEW_CA)


@check(
    "KN-ISSUER-010",
    "every CA outlives the leaves it signs",
    WARNING,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-LEAF-009",),
    why="cert-manager never shortens a leaf to its CA's life: leaves issued from now on end after their CA, and stop "
    "being accepted on the CA's last day while every Certificate is still Ready.",
    remedy="Rotate to a new CA before the old one has less than 90 days left.",
)
def outlives(facts: Facts) -> Iterator[Problem]:
    """CAs with less life left than a leaf has."""
    yield from _lint(facts, {"ends-before-leaves"}, NEW_CA)


@check(
    "KN-ISSUER-011",
    "every CA's chain is one line up to its root",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-KCERT-005", "KN-LEAF-008"),
    why="cert-manager refuses to sign where `ca.crt` is not above `tls.crt`, or two roots lie in `tls.crt` "
    "(`certificate chain is malformed or broken`); a path length that is used up makes every client refuse.",
    remedy="Put the signer first, what is above it next, and the true root (or nothing) into `ca.crt`.",
)
def one_line(facts: Facts) -> Iterator[Problem]:
    """Chains cert-manager or clients refuse."""
    fix = "kubectl edit {secret}  # the signer first, then what is above it"
    yield from _lint(facts, {"broken-chain", "foreign-ca-crt", "path-length"}, fix)


@check(
    "KN-ISSUER-012",
    "every CA's name constraints allow the names it must sign",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-TRUST-007", "KN-TRUST-020", "KN-SERVE-003", "KN-LEAF-008", "KN-LEAF-010"),
    why="cert-manager does not look at name constraints: it signs `kn-routing` with a CA that permits `example.com` "
    "only, and every client refuses the leaf.",
    remedy="Use a CA that permits Knative's internal names.",
)
def names_allowed(facts: Facts) -> Iterator[Problem]:
    """Internal names that a CA's constraints forbid."""
    for surface, ref in facts.issuers.items():
        ca = facts.authorities.get(ref.name)
        if ca is None or surface == Surface.EXTERNAL_DOMAIN:
            continue
        internal = (ROUTING_SAN, LEGACY_SAN) if surface == Surface.SYSTEM_INTERNAL else ("app.namespace.svc",)
        for certificate in dict.fromkeys((*ca.material.chain, ca.anchor)):
            for name in internal:
                if not permits(certificate, name):
                    reason = f"{certificate} does not permit {name}, needed for {surface}"
                    yield Problem(ca.secret, reason, NEW_CA.format(issuer=ref.name))


@check(
    "KN-ISSUER-013",
    "every CA has a name and a key identifier of its own",
    WARNING,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-TRUST-011",),
    why="Two CAs of one name in a bundle cannot be told apart by people, and by OpenSSL only through the key "
    "identifier. A CA without a common name makes leaves that OpenSSL takes for self-signed.",
    remedy="Give each generation its own common name; `kntls rotate-ca` does.",
)
def own_name(facts: Facts) -> Iterator[Problem]:
    """CAs that share name or identifier with another trusted one."""
    yield from _lint(facts, {"same-common-name", "same-ski", "no-common-name", "no-ski"}, NEW_CA)


@check(
    "KN-ISSUER-014",
    "every CA's key and signature are strong",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-LEAF-011", "KN-TRUST-007"),
    why="Go refuses SHA-1 signatures, and RSA keys under 1024 bits; both are refused by most auditors, too.",
    remedy="Rotate to a CA with an ECDSA P-256 or RSA 2048 key or stronger.",
)
def strong(facts: Facts) -> Iterator[Problem]:
    """Weak keys and signatures."""
    yield from _lint(facts, {"weak-key", "weak-signature"}, NEW_CA)


@check(
    "KN-ISSUER-015",
    "every CA's lifetime was chosen on purpose",
    WARNING,
    needs=(CONFIG_MAP, CLUSTER_ISSUER, CERTIFICATE, DEPLOYMENT),
    when=(ON, MANAGED),
    why="A CA Certificate without `duration` lives 90 days, like a leaf, and cert-manager replaces it after 60 without "
    "re-issuing a single leaf: half of them are refused from then on.",
    remedy="Set `duration` (ten years) and `renewBefore`, then rotate when you choose to.",
)
def long_lived(facts: Facts) -> Iterator[Problem]:
    """CA Certificates with the default lifetime."""
    for _, obj in _ca_certificates(facts):
        if not dig(obj, "spec", "duration"):
            patch = '{"spec":{"duration":"87600h","renewBefore":"8760h"}}'
            fix = f"kubectl patch {_ref(obj).kubectl} --type merge -p '{patch}'"
            yield Problem(_ref(obj), "it has no duration: the CA lives 90 days and is replaced after 60", fix)


@check(
    "KN-ISSUER-016",
    "no CA changes its key when it is renewed",
    WARNING,
    needs=(CONFIG_MAP, CLUSTER_ISSUER, CERTIFICATE, DEPLOYMENT),
    when=(ON, MANAGED),
    why="From 1.18 on cert-manager makes a new key at every renewal unless `rotationPolicy: Never` is set. For a CA "
    "that is an unannounced rotation: same name, other key, no leaf re-issued, the old key destroyed.",
    remedy="Set `privateKey.rotationPolicy: Never` on the CA's Certificate.",
)
def keeps_key(facts: Facts) -> Iterator[Problem]:
    """CA Certificates that will be re-keyed."""
    release = facts.manager.release if facts.manager else ()
    for _, obj in _ca_certificates(facts):
        policy = dig(obj, "spec", "privateKey", "rotationPolicy", default="")
        if policy == "Always" or (not policy and release >= ALWAYS_ROTATES):
            fix = f"kubectl patch {_ref(obj).kubectl} --type merge -p "
            fix += """'{"spec":{"privateKey":{"rotationPolicy":"Never"}}}'"""
            reason = "rotationPolicy is Always" + ("" if policy else ", the default of this cert-manager")
            yield Problem(_ref(obj), f"{reason}: its renewal is a rotation that nobody prepared", fix)


@check(
    "KN-ISSUER-017",
    "no CA is about to be renewed in place",
    WARNING,
    needs=(CONFIG_MAP, CLUSTER_ISSUER, CERTIFICATE, DEPLOYMENT),
    when=(ON, MANAGED),
    why="A renewal in place replaces the CA's certificate under everybody's feet: copies in trust bundles and in "
    "leaves' `ca.crt` stay the old one until it ends.",
    remedy="Rotate to a new CA first, on a day of your choice.",
)
def not_renewing(facts: Facts) -> Iterator[Problem]:
    """CA Certificates whose renewal is near."""
    for issuer, obj in _ca_certificates(facts):
        renewal = parse_time(dig(obj, "status", "renewalTime"))
        if renewal and (days := (renewal - facts.at).days) < SOON_DAYS:
            when = f"in {days} days" if days >= 0 else "overdue"
            yield Problem(
                _ref(obj), f"cert-manager renews it on {renewal.date()} ({when})", NEW_CA.format(issuer=issuer)
            )


@check(
    "KN-ISSUER-018",
    "cert-manager sees every CA's Secret",
    ERROR,
    needs=SEEN,
    when=(ON, SIGNING),
    causes=("KN-ISSUER-003", "KN-KCERT-001"),
    why=f"A Secret labelled `{FAO}` with anything but `true` is in neither of cert-manager's caches: it answers `not "
    "found` although the Secret is there.",
    remedy="Set the label to `true`, or remove it.",
)
def visible(facts: Facts) -> Iterator[Problem]:
    """CA Secrets hidden by a label."""
    for ca in facts.authorities.values():
        obj = facts.observation.find(ca.secret)
        label = labels_of(obj or {}).get(FAO)
        if label is not None and label != "true":
            fix = f"kubectl label {ca.secret.kubectl} {FAO}=true --overwrite"
            yield Problem(ca.secret, f"label {FAO} is {label!r}: cert-manager does not see the Secret", fix)


def _other_cas(facts: Facts) -> Iterator[tuple[str, Authority]]:
    """Every CA issuer with its CA, in use or not."""
    for obj in facts.observation.all(CLUSTER_ISSUER):
        secret = ObjectRef(SECRET, str(dig(obj, "spec", "ca", "secretName", default="")), facts.resources)
        if ca := authority_in(facts.observation, secret):
            yield name_of(obj), ca


@check(
    "KN-ISSUER-019",
    "no other issuer signs with the key of a CA in use",
    WARNING,
    needs=SEEN,
    when=(ON, SIGNING),
    why="Two Secrets with one key are one CA: rotating one of them leaves the other signing with the key that was to "
    "be retired, and whoever has one has both.",
    remedy="Give each issuer a CA of its own, or point both to the same Secret and rotate that.",
)
def own_key(facts: Facts) -> Iterator[Problem]:
    """CA issuers whose Secret is another, but holds the same key."""
    for name, ca in facts.authorities.items():
        for other, twin in _other_cas(facts):
            if twin.secret != ca.secret and twin.signer.public_key_hash == ca.signer.public_key_hash:
                reason = f"it signs with the key of ClusterIssuer {name} ({ca.secret}), from a copy in {twin.secret}"
                yield Problem(_named(other), reason, NEW_CA.format(issuer=name))
