"""Whether a plug-in CA works: what istiod verifies when it starts, and what it does not verify but proxies do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from kntls.mesh.cacerts.material import CA_CERT, CA_KEY, CHAIN, CRL, FILES, NAME, ROOT, CaMaterial
from kntls.model.findings import Finding, Severity
from kntls.pki.certificate import Certificate
from kntls.pki.chain import time_problem, verify

SAMPLE_CAS = frozenset(
    {
        "f0592d4d660052580d0c0bfe09f9a4d795ad8ab7c2fa86c33276fbb352145ee5",
        "42d8cfd1102e06e3f2579e68f9db4f787ec9cbcd1f19f1bae7934cee918c2fef",
        "42d0f6531c3afb84b72f12f458fa35dc74402771fed9b27ad48a665474dde501",
        "88e809261b157f0db238901c0033e6bfeba79793c20ab8af41963cdd41ce6600",
        "7c5f2208b98507d0d6f1fda0a6609e93fbb7fb434d39ed78b71e305e23d7a46d",
    }
)
"""Public-key hashes of the roots and CAs in istio's samples/certs; the CAs' private keys lie beside them."""


@dataclass(frozen=True)
class Context:
    """What the CA is judged against."""

    at: datetime
    workload_lifetime: timedelta = timedelta(hours=24)
    """`workloadCertTTLDefault`; the CA must outlive what it signs."""
    old: CaMaterial | None = None
    """The CA that is in use, when this one is to follow it."""
    namespace: str = "istio-system"


WEAK_KEYS = ("RSA 512", "RSA 1024", "ECDSA P-224", "unknown")

Judge = Callable[[CaMaterial, Context], Iterator[str]]


@dataclass(frozen=True)
class CaRule:
    """One rule, as `kntls.mesh.lint.model.Rule` but judging a CA."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str
    judge: Judge

    @property
    def anchor(self) -> str:
        """Its place in docs/mesh-lint.md."""
        return self.id.lower()


RULES: dict[str, CaRule] = {}
"""ID → rule, in the order in which they are judged."""


def _rule(number: int, severity: Severity, title: str, fix: str) -> Callable[[Judge], Judge]:
    def register(judge: Judge) -> Judge:
        name = f"MESH-CA-{number:03}"
        RULES[name] = CaRule(name, severity, title, " ".join((judge.__doc__ or "").split()), fix, judge)
        return judge

    return register


def validate(ca: CaMaterial, context: Context) -> tuple[Finding, ...]:
    """Everything wrong with the CA, in the order of the rules."""
    return tuple(
        Finding(rule.id, rule.severity, None, reason, rule.fix, ca.where)
        for rule in RULES.values()
        for reason in rule.judge(ca, context)
    )


ERROR, WARNING = Severity.ERROR, Severity.WARNING


@_rule(1, ERROR, "Files are missing", f"the Secret needs {', '.join(FILES)}")
def _complete(ca: CaMaterial, context: Context) -> Iterator[str]:
    """istiod does not start on an incomplete bundle (`incomplete signing CA bundle detected`); older releases silently
    signed with a CA of their own."""
    missing = [name for name in FILES if name not in ca.present]
    if missing:
        yield f"{', '.join(missing)} missing"


@_rule(2, ERROR, "A file cannot be read", "write it as PEM")
def _readable(ca: CaMaterial, context: Context) -> Iterator[str]:
    """istiod fails to parse it and does not start."""
    for name, reason in ca.problems:
        yield f"{name}: {reason}"
    for name, found in ((CA_CERT, ca.ca), (ROOT, ca.roots), (CHAIN, ca.chain)):
        if name in ca.present and not found and name not in dict(ca.problems):
            yield f"{name} holds no certificate"


@_rule(3, ERROR, "The CA does not verify against its root", "take the root that signed it, and its whole chain")
def _verifies(ca: CaMaterial, context: Context) -> Iterator[str]:
    """istiod verifies ca-cert.pem with root-cert.pem as the only roots and cert-chain.pem as intermediates; a CA whose
    extended key usage lacks serverAuth fails here as well."""
    if ca.signer and ca.roots:
        verdict = verify(ca.signer, intermediates=ca.chain, roots=ca.roots, at=context.at)
        if not verdict and not time_problem(ca.signer, context.at):
            yield verdict.reason


@_rule(4, ERROR, "The key is another certificate's", "take the key that belongs to ca-cert.pem")
def _key_matches(ca: CaMaterial, context: Context) -> Iterator[str]:
    """istiod stops with `the cert does not match the key`."""
    if ca.signer and ca.public_key and ca.signer.public_key_hash != ca.public_key:
        yield f"{CA_KEY} does not belong to {ca.signer}"


@_rule(5, ERROR, "The certificate is no CA", "issue it with CA:TRUE")
def _is_ca(ca: CaMaterial, context: Context) -> Iterator[str]:
    """istiod stops with `certificate is not authorized to sign other certificates`."""
    if ca.signer and not ca.signer.is_ca:
        yield f"{ca.signer} has no CA:TRUE"


@_rule(6, ERROR, "A certificate is outside its validity", "renew it")
def _valid_now(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Nothing it signed verifies any more."""
    for each in dict.fromkeys((*ca.ca, *ca.roots, *ca.chain)):
        if problem := time_problem(each, context.at):
            yield f"{each}: {problem}"


@_rule(7, ERROR, "The chain does not start with the CA", f"write {CHAIN} as {CA_CERT}, then each signer above it")
def _chain_starts(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Proxies send cert-chain.pem verbatim after their own certificate; istiod does not look at its order."""
    if ca.signer and ca.chain and ca.chain[0] != ca.signer:
        yield f"{CHAIN} starts with {ca.chain[0]}, not with {ca.signer}"


@_rule(8, ERROR, "The chain is broken", "put the certificates in the order in which each signs the one before")
def _chain_in_order(ca: CaMaterial, context: Context) -> Iterator[str]:
    """A client that follows the chain as sent finds no way to the root."""
    for child, parent in pairwise(ca.chain):
        if not child.signed_by(parent):
            yield f"{parent} did not sign {child}"


@_rule(9, ERROR, "Another root in the chain", f"put the root of {ROOT} into {CHAIN}, or leave it out")
def _same_root(ca: CaMaterial, context: Context) -> Iterator[str]:
    """A chain may end with the root or without it. A self-signed certificate there that root-cert.pem does not hold is
    usually the stale root of before a rotation."""
    for each in ca.chain:
        if each.is_self_signed and each not in ca.roots:
            yield f"{each} is in {CHAIN} but not in {ROOT}"


@_rule(10, ERROR, "The path length forbids what the CA does", "issue it with a larger pathlen, or without one")
def _path_length(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Envoy counts the CAs below each certificate. istiod starts all the same; every workload's certificate fails."""
    line = list(dict.fromkeys((*ca.ca[:1], *ca.chain, *ca.roots)))
    for above, each in enumerate(line):
        below = sum(1 for lower in line[:above] if not lower.is_self_signed)
        if each.path_length is not None and each.path_length < below:
            yield f"{each} allows {each.path_length} CAs below it, there are {below}"


@_rule(11, ERROR, "The key usage forbids signing", "issue it with keyCertSign (and cRLSign with a revocation list)")
def _key_usage(ca: CaMaterial, context: Context) -> Iterator[str]:
    """OpenSSL and BoringSSL enforce it; Go does not, so istiod starts."""
    for each in dict.fromkeys((*ca.ca[:1], *ca.chain, *ca.roots)):
        usage = each.key_usage
        if usage is not None and "keyCertSign" not in usage:
            yield f"{each} lacks keyCertSign"
        if usage is not None and CRL in ca.present and "cRLSign" not in usage:
            yield f"{each} lacks cRLSign, but there is {CRL}"


@_rule(12, ERROR, "A revocation list is missing", "one list of every certificate of the chain, signed by it")
def _crls(ca: CaMaterial, context: Context) -> Iterator[str]:
    """With ca-crl.pem istiod wants a list from every certificate of the chain
    (`missing CRL signed by certificates`)."""
    if CRL in ca.present:
        lacking = [each for each in ca.chain if each.parsed.subject.rfc4514_string() not in ca.crls]
        if lacking:
            yield f"no list of {', '.join(map(str, lacking))}"


@_rule(13, WARNING, "The root is not self-signed", "put the end of the chain into root-cert.pem")
def _root_is_root(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Envoy and Go accept a partial root; OpenSSL tools need a flag for it, and auditors an explanation."""
    for each in ca.roots:
        if not each.is_self_signed:
            yield f"{each} in {ROOT} is not self-signed"


@_rule(14, WARNING, "Two roots of one name", "give the new root another subject")
def _rivals(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Roots with the same subject and different keys make chain building ambiguous."""
    roots = dict.fromkeys((*ca.roots, *(context.old.roots if context.old else ())))
    seen: dict[bytes, Certificate] = {}
    for each in roots:
        other = seen.setdefault(each.subject_der, each)
        if other.public_key_hash != each.public_key_hash:
            yield f"{each} and {other} have one subject and two keys"


@_rule(15, WARNING, "The CA will not outlive what it signs", "renew it before its last workload lifetime begins")
def _outlives(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Istio clips workload certificates to the CA's end, and refuses to sign after it."""
    for each in dict.fromkeys((*ca.ca[:1], *ca.roots)):
        left = each.not_after - context.at
        if timedelta(0) <= left < context.workload_lifetime:
            rest = f"{left.days} days" if left.days > 1 else f"{left.total_seconds() / 3600:.0f} h"
            yield f"{each} ends in {rest}"


@_rule(16, WARNING, "A weak key or signature", "RSA of 2048 bits or ECDSA P-256, SHA-256 or better")
def _strength(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Modern TLS libraries refuse them."""
    for each in dict.fromkeys((*ca.ca, *ca.roots, *ca.chain)):
        if each.key_type in WEAK_KEYS:
            yield f"{each} has a key of type {each.key_type}"
        if each.signature_hash in ("MD5", "SHA-1"):
            yield f"{each} is signed with {each.signature_hash}"


@_rule(17, WARNING, "The root's own key is plugged in", "plug in an intermediate CA and keep the root's key offline")
def _root_key(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Whoever gets the Secret then has the root, which cannot be revoked."""
    if ca.public_key and any(each.public_key_hash == ca.public_key for each in ca.roots):
        yield f"{CA_KEY} is the key of the root"


@_rule(18, ERROR, "A CA whose key everybody has", "make one of your own: kntls mesh cacerts create")
def _sample(ca: CaMaterial, context: Context) -> Iterator[str]:
    """The sample certificates of the Istio and Maistra repositories are published with their keys."""
    for each in dict.fromkeys((*ca.ca, *ca.roots)):
        if each.public_key_hash in SAMPLE_CAS:
            yield f"{each} is Istio's sample CA"


@_rule(19, ERROR, "The Secret is not where Istio looks", f"name it {NAME}, in istiod's namespace")
def _placed(ca: CaMaterial, context: Context) -> Iterator[str]:
    """Istio reads `cacerts` of its own namespace; documentation calls it `cacert` in places."""
    if ca.name and (ca.name, ca.namespace) != (NAME, context.namespace):
        yield f"it is {ca.namespace}/{ca.name}; Istio reads {context.namespace}/{NAME}"


@_rule(
    20, WARNING, "A TLS Secret cannot carry a second root", "use an Opaque Secret with the four files before rotating"
)
def _one_root(ca: CaMaterial, context: Context) -> Iterator[str]:
    """A kubernetes.io/tls Secret, as cert-manager makes it, has one ca.crt; a root rotation needs two roots at once."""
    if ca.tls:
        yield "it is a kubernetes.io/tls Secret"
