"""Trust: bundles as each consumer reads them, and whether what it then trusts covers what it meets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from kntls.certmanager.authority import Authority
from kntls.certmanager.leaves import Leaf
from kntls.checks.check import (
    ERROR,
    INSTALLED,
    INTERNAL,
    KOURIER,
    LOCAL,
    ON,
    SIGNING,
    WARNING,
    Condition,
    Problem,
    check,
)
from kntls.checks.facts import Facts, parse_time
from kntls.checks.kcerts import renew, routing_kcert
from kntls.checks.restarts import started
from kntls.engine.ownership import gitops_owner
from kntls.knative.names import EVENTING, ROUTING_CERTIFICATE, TRUST_BUNDLE_LABEL, USER_CERTIFICATE, Surface
from kntls.model.kinds import (
    BUNDLE,
    CERTIFICATE,
    CLUSTER_ISSUER,
    CONFIG_MAP,
    DEPLOYMENT,
    KCERT,
    NAMESPACE,
    POD,
    SECRET,
)
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of, name_of, namespace_of
from kntls.pki.bundle import is_strict
from kntls.pki.certificate import Certificate
from kntls.pki.chain import verify
from kntls.pki.pem import has_private_key
from kntls.trust.bundles import Owner, TrustBundle, bundle_of, bundles, eventing_copies
from kntls.trust.consumers import EffectiveTrust
from kntls.trust.impact import names_asked

BUNDLES = (CONFIG_MAP,)
PLACED = (CONFIG_MAP, DEPLOYMENT)
"""Bundles, and the Deployments that tell in which namespaces they are read."""
EFFECTIVE = (*PLACED, SECRET)
MET = (*EFFECTIVE, KCERT, CERTIFICATE)


BESIDE_KOURIER = Condition(
    "the Secrets of net-kourier's namespace were read",
    lambda facts: facts.covers(SECRET, facts.installation.ingress_namespace if facts.installation else "") or None,
    unknown="secrets: those of net-kourier's namespace are not in the files",
)


def _read(facts: Facts) -> Iterator[TrustBundle]:
    """The bundles of the namespaces that somebody reads."""
    for space in facts.installation.trust_namespaces if facts.installation else ():
        yield from bundles(facts.observation, space)


def _add(secret: ObjectRef, key: str) -> str:
    """The command that puts what a Secret holds into the bundles; standard input is taken, so nothing is asked."""
    read = f"kubectl get {secret.kubectl} -o jsonpath='{{.data.{key.replace('.', chr(92) + '.')}}}'"
    return f"{read} | base64 -d | kntls trust add --ca - --yes"


def add_from(ca: Authority) -> str:
    """The command that puts a CA of this cluster into the bundles."""
    return _add(ca.secret, "ca.crt" if ca.material.ca_text else "tls.crt")


def accept(facts: Facts, leaf: Leaf) -> str:
    """The command after which a refused leaf is accepted: its own CA trusted, or, where that one does not help, the
    leaf issued again."""
    held = leaf.material
    if held is None or not held.chain:
        return renew(leaf)
    for ca in facts.authorities.values():
        if leaf.signed_by(ca.signer):
            return add_from(ca) if _verified(leaf, [ca.anchor], facts) else renew(leaf)
    if held.ca_crt:
        return _add(held.ref, "ca.crt") if _verified(leaf, held.ca_crt[:1], facts) else renew(leaf)
    return "kntls trust add --ca FILE  # the CA that signed it"


def _verified(leaf: Leaf, roots: Iterable[Certificate], facts: Facts) -> bool:
    """Whether these roots would do for every name that is asked for on the leaf."""
    chain = leaf.material.chain if leaf.material else ()
    names = {name for trust in facts.trusts for name in names_asked(trust.consumer, leaf)}
    roots = tuple(roots)
    return all(verify(chain[0], intermediates=chain[1:], roots=roots, at=facts.at, name=name).ok for name in names)


def rewrite(facts: Facts, ref: ObjectRef, id: str) -> str:
    """The command that puts a bundle into the strict form, where whoever writes it keeps it."""
    obj = facts.observation.find(ref) or {}
    if ref.kind == SECRET:
        return f"cmctl renew {ref.name} -n {ref.namespace}"
    bundle = bundle_of(obj)
    if bundle.owner == Owner.TRUST_MANAGER:
        return f"kubectl describe {ObjectRef(BUNDLE, bundle.owner_name).kubectl}  # mend its source"
    if bundle.owner == Owner.EVENTING:
        return f"kubectl edit {ObjectRef(CONFIG_MAP, ref.name, EVENTING).kubectl}  # the source of this copy"
    if tracked := gitops_owner(obj):
        return f"commit it to {tracked} as certificate blocks and nothing else"
    if not bundle.certificates or any(has_private_key(text) for text in bundle.data.values()):
        return f"kubectl edit {ref.kubectl}  # certificate blocks only"
    return f"kntls check --fix {id}"


def untrust(facts: Facts, bundle: TrustBundle, certificate: Certificate) -> str:
    """The command that takes a certificate out of a bundle, where whoever writes it keeps it."""
    if bundle.owner in (Owner.TRUST_MANAGER, Owner.EVENTING):
        return rewrite(facts, bundle.ref, "KN-TRUST-008")
    ours = bundle.owner == Owner.KNTLS
    adopt = "" if ours else f" --adopt {bundle.ref.namespace}/{bundle.ref.name}"
    return f"kntls trust remove {certificate.fingerprint}{adopt}"


def _bundling(facts: Facts) -> str:
    """The command that makes the bundles: with the CAs in use where they lie in the cluster; else `enable` finds or
    makes them."""
    internal = [surface for surface in facts.surfaces if surface != Surface.EXTERNAL_DOMAIN]
    names = dict.fromkeys(facts.issuers[surface].name for surface in internal if surface in facts.issuers)
    known = [add_from(facts.authorities[name]) for name in names if name in facts.authorities]
    return "; ".join(known) or f"kntls enable {' '.join(f'--{surface}' for surface in internal)}"


def _who(trust: EffectiveTrust) -> str:
    return f"{trust.consumer.name} in {trust.consumer.namespace}"


@check(
    "KN-TRUST-001",
    "there is a trust bundle in every namespace whose bundles are read",
    WARNING,
    needs=PLACED,
    when=(INTERNAL,),
    causes=("KN-TRUST-005", "KN-TRUST-021"),
    why="Without one, trust hangs on `ca.crt` of `routing-serving-certs` alone: it changes in one go when that leaf is "
    "re-issued, and net-kourier does not notice.",
    remedy="`kntls trust add` writes the bundle into the namespaces that are read; `kntls enable` does so, too, with "
    "the CA of the issuer that is configured.",
)
def there(facts: Facts) -> Iterator[Problem]:
    """Namespaces without a labelled ConfigMap."""
    for space in facts.installation.trust_namespaces if facts.installation else ():
        if next(bundles(facts.observation, space), None) is None:
            yield Problem(ObjectRef(NAMESPACE, space), "no ConfigMap in it is a trust bundle", _bundling(facts))


@check(
    "KN-TRUST-002",
    "every trust bundle is in a namespace where it is read",
    WARNING,
    needs=PLACED,
    when=(INSTALLED,),
    causes=("KN-TRUST-001", "KN-TRUST-005", "KN-TRUST-007", "KN-TRUST-020", "KN-TRUST-021", "KN-SERVE-003"),
    why="Activator and net-kourier read the bundles of their own namespace only. One in `kourier-system` or beside a "
    "Service is read by nobody, whatever the documentation says.",
    remedy="Put it into the namespaces of the activator and of net-kourier-controller.",
)
def where_read(facts: Facts) -> Iterator[Problem]:
    """Labelled ConfigMaps nobody looks at."""
    read = {*facts.installation.trust_namespaces, EVENTING} if facts.installation else set()
    copies = eventing_copies(facts.observation)
    for bundle in bundles(facts.observation):
        eventing = bundle.owner == Owner.EVENTING or bundle.ref.name in copies
        if bundle.ref.namespace not in read and not eventing and not bundle.published:
            where = ", ".join(sorted(read - {EVENTING}))
            reason = f"nobody reads trust bundles in {bundle.ref.namespace}; they are read in {where}"
            yield Problem(bundle.ref, reason, f"kubectl delete {bundle.ref.kubectl}  # once it is in {where}")


@check(
    "KN-TRUST-003",
    "no consumer drops a trust bundle's key",
    ERROR,
    needs=PLACED,
    when=(INSTALLED,),
    causes=("KN-TRUST-005", "KN-TRUST-007", "KN-TRUST-020", "KN-TRUST-021", "KN-TRUST-022", "KN-SERVE-003"),
    why="net-kourier ignores a whole value for one flaw (a comment or blank line after the last certificate, one "
    "broken block); the activator takes what parses. The two then trust different CAs, and only a log line says so.",
    remedy="`kntls check --fix KN-TRUST-003` writes what is meant in the form both read.",
)
def not_dropped(facts: Facts) -> Iterator[Problem]:
    """Values a consumer ignores."""
    for trust in facts.trusts:
        for source, why in trust.dropped:
            fix = rewrite(facts, source.ref, "KN-TRUST-003")
            yield Problem(source.ref, f"{_who(trust)}, key {source.key}: {why}", fix)


@check(
    "KN-TRUST-004",
    "each namespace's trust is one ConfigMap with one key",
    WARNING,
    needs=PLACED,
    when=(KOURIER, ON),
    why="net-kourier joins several in random order: Envoy's configuration differs each time, and connections are "
    "drained for nothing.",
    remedy="Merge them into one.",
)
def single(facts: Facts) -> Iterator[Problem]:
    """Several ConfigMaps or keys where Kourier reads."""
    space = facts.installation.ingress_namespace if facts.installation else ""
    keys = [(bundle.ref, key) for bundle in bundles(facts.observation, space) for key in bundle.data]
    if len(keys) > 1:
        named = ", ".join(f"{ref.name}/{key}" for ref, key in keys)
        yield Problem(keys[-1][0], f"{len(keys)} bundle keys in {space}: {named}", "merge them into one ConfigMap")


@check(
    "KN-TRUST-005",
    "every consumer trusts something",
    ERROR,
    needs=EFFECTIVE,
    when=(INTERNAL,),
    causes=("KN-TRUST-007", "KN-TRUST-020", "KN-SERVE-003"),
    why="An activator that trusts nothing answers 502 to everything. net-kourier gives up on every Ingress, keeps "
    "Envoy's last configuration, and does not come up again after its next restart.",
    remedy="Put the CA into a trust bundle.",
)
def not_empty(facts: Facts) -> Iterator[Problem]:
    """Consumers without any root."""
    for trust in facts.trusts:
        if not trust.roots:
            where = ObjectRef(NAMESPACE, trust.consumer.namespace)
            yield Problem(where, f"{_who(trust)} trusts nothing", _bundling(facts))


@check(
    "KN-TRUST-006",
    "the activator can read ca.crt of the routing certificate",
    ERROR,
    needs=EFFECTIVE,
    when=(INSTALLED,),
    causes=("KN-TRUST-003", "KN-SERVE-001", "KN-SERVE-009", "KN-SERVE-010", "KN-RESTART-002", "KN-CONFIG-014"),
    why="Text in it that is not PEM is a nil pointer in every activator: all of them crash at once, and again at every "
    "start. cert-manager does not mend the Secret by itself.",
    remedy="`kntls check --fix KN-TRUST-006` has the certificate issued again, which writes `ca.crt` anew.",
)
def no_crash(facts: Facts) -> Iterator[Problem]:
    """Values that crash a consumer."""
    for trust in facts.trusts:
        for source in trust.crashes:
            reason = f"key {source.key} is not PEM: {trust.consumer.name} crashes on it"
            yield Problem(source.ref, reason, f"cmctl renew {ROUTING_CERTIFICATE} -n {source.ref.namespace}")


@check(
    "KN-TRUST-007",
    "every leaf is accepted by every consumer that meets it",
    ERROR,
    needs=MET,
    when=(INTERNAL,),
    causes=("KN-SERVE-003",),
    why="The activator verifies queue-proxies, the gateway verifies activator and queue-proxies, each with its own "
    "idea of what is trusted. A leaf one of them refuses is a 502.",
    remedy="Put the CA that signed it into the trust bundle of that consumer's namespace, or have it issued again.",
)
def covered(facts: Facts) -> Iterator[Problem]:
    """Leaves refused by a consumer."""
    for trust in facts.trusts:
        for leaf in facts.issued:
            chain = leaf.material.chain if leaf.material else ()
            for name in names_asked(trust.consumer, leaf):
                accepts = trust.consumer.verify
                verdict = accepts(chain[0], intermediates=chain[1:], roots=trust.roots, at=facts.at, name=name)
                if not verdict.ok:
                    yield Problem(leaf.ref, f"{_who(trust)} refuses it: {verdict.reason}", accept(facts, leaf))
                    break


@check(
    "KN-TRUST-008",
    "no expired CA is in a trust bundle",
    WARNING,
    needs=PLACED,
    when=(INSTALLED,),
    why="It verifies nothing any more, and hides that something is missing.",
    remedy="`kntls trust remove` it.",
)
def not_expired(facts: Facts) -> Iterator[Problem]:
    """Certificates past their end."""
    for bundle in _read(facts):
        for cert in bundle.certificates:
            if cert.not_after < facts.at:
                yield Problem(bundle.ref, f"{cert} expired {cert.not_after.date()}", untrust(facts, bundle, cert))


@check(
    "KN-TRUST-009",
    "only CAs are in trust bundles",
    WARNING,
    needs=PLACED,
    when=(INSTALLED,),
    why="A leaf in a bundle is trusted as it is, for ever, even when its CA is gone; it verifies nothing else.",
    remedy="Replace it by the CA that signed it.",
)
def only_cas(facts: Facts) -> Iterator[Problem]:
    """Certificates without the CA bit."""
    for bundle in _read(facts):
        for cert in bundle.certificates:
            if not cert.is_ca:
                yield Problem(bundle.ref, f"{cert} is not a CA", untrust(facts, bundle, cert))


@check(
    "KN-TRUST-010",
    "no private key lies in a trust bundle",
    ERROR,
    needs=BUNDLES,
    when=(INSTALLED,),
    causes=(
        "KN-TRUST-003",
        "KN-TRUST-022",
        "KN-TRUST-021",
    ),
    why="Whoever may read ConfigMaps has the key. It counts as disclosed from the moment it was written.",
    remedy="Remove it, and rotate to a new CA if the key was a CA's.",
)
def no_keys(facts: Facts) -> Iterator[Problem]:
    """Values with a private-key block."""
    for bundle in (*bundles(facts.observation), *facts.published):
        for key, text in bundle.data.items():
            if has_private_key(text):
                fix = f"kubectl edit {bundle.ref.kubectl}  # remove it; a CA's: then kntls rotate-ca --new-secret NAME"
                yield Problem(bundle.ref, f"key {key} holds a private key", fix)


@check(
    "KN-TRUST-011",
    "no two trusted CAs have one name",
    WARNING,
    needs=PLACED,
    when=(INSTALLED,),
    why="Nobody can tell two CAs of one name apart, in a list or in a log; OpenSSL only where leaves carry a key "
    "identifier.",
    remedy="Retire one; give the next generation a common name of its own.",
)
def distinct(facts: Facts) -> Iterator[Problem]:
    """Same subject, different key."""
    for bundle in _read(facts):
        for one, other in combinations(bundle.certificates, 2):
            if one.subject_der == other.subject_der and one.public_key_hash != other.public_key_hash:
                fix = f"{untrust(facts, bundle, other)}  # if nothing needs it"
                yield Problem(bundle.ref, f"{one} and {other} have one name but two keys", fix)


@check(
    "KN-TRUST-012",
    "every trust bundle's label says true",
    WARNING,
    needs=BUNDLES,
    when=(INSTALLED,),
    why="Serving and Kourier look for the label's presence: even `false` is trusted. Eventing wants exactly `true`. "
    "Any other value means one thing to people and another to each component.",
    remedy="Set it to `true`, or remove the label.",
)
def label_true(facts: Facts) -> Iterator[Problem]:
    """Labels with another value."""
    for obj in facts.observation.all(CONFIG_MAP, label=TRUST_BUNDLE_LABEL):
        value = labels_of(obj)[TRUST_BUNDLE_LABEL]
        if value != "true":
            ref = ObjectRef(CONFIG_MAP, name_of(obj), namespace_of(obj))
            fix = f"kubectl label {ref.kubectl} {TRUST_BUNDLE_LABEL}=true --overwrite"
            yield Problem(ref, f"the label is {value!r}, and the bundle is trusted all the same", fix)


@check(
    "KN-TRUST-013",
    "what workloads were given covers every cluster-local name",
    ERROR,
    needs=(CONFIG_MAP, SECRET, KCERT, CERTIFICATE),
    when=(LOCAL,),
    why="Workloads verify the gateway with the trust that was published to them. A leaf it does not cover is refused "
    "by every client in that namespace.",
    remedy="`kntls trust publish --namespace NAMESPACE` writes the present CAs.",
)
def published_covers(facts: Facts) -> Iterator[Problem]:
    """Cluster-local leaves that published trust refuses."""
    for bundle in facts.published:
        for leaf in facts.issued:
            if not leaf.material or leaf.material.ref.name in (USER_CERTIFICATE, ROUTING_CERTIFICATE):
                continue
            chain = leaf.material.chain
            verdict = verify(chain[0], intermediates=chain[1:], roots=bundle.certificates, at=facts.at)
            if not verdict.ok:
                reason = f"clients that use it refuse {leaf.ref}: {verdict.reason}"
                yield Problem(bundle.ref, reason, f"kntls trust publish --namespace {bundle.ref.namespace}")


def _uses_at_start(pod: Object, name: str) -> bool:
    """Whether a container takes the ConfigMap in a way that never changes: environment or subPath."""
    volumes = {
        entry["name"] for entry in dig(pod, "spec", "volumes", default=[]) if dig(entry, "configMap", "name") == name
    }
    for container in dig(pod, "spec", "containers", default=[]):
        sources: list[Any] = [dig(env, "valueFrom", "configMapKeyRef", "name") for env in container.get("env", [])]
        sources += [dig(entry, "configMapRef", "name") for entry in container.get("envFrom", [])]
        mounts = container.get("volumeMounts", [])
        if name in sources or any(m.get("subPath") and m.get("name") in volumes for m in mounts):
            return True
    return False


@check(
    "KN-TRUST-014",
    "no pod runs with older trust than what was published",
    WARNING,
    needs=(CONFIG_MAP, POD),
    when=(INSTALLED,),
    why="A ConfigMap taken as environment variable or by subPath never changes in a running pod: it goes on with the "
    "trust it started with and refuses the next CA.",
    remedy="Roll the Service: a new Revision starts with the present trust.",
)
def fresh(facts: Facts) -> Iterator[Problem]:
    """Pods older than the published ConfigMap they took at start."""
    for bundle in facts.published:
        obj = facts.observation.find(bundle.ref)
        entries = dig(obj or {}, "metadata", "managedFields", default=[])
        written = max(filter(None, (parse_time(entry.get("time")) for entry in entries)), default=None)
        for pod in facts.observation.all(POD, namespace=bundle.ref.namespace):
            since = started(pod)
            if written and since and since < written and _uses_at_start(pod, bundle.ref.name):
                ref = ObjectRef(POD, name_of(pod), namespace_of(pod))
                reason = f"it started {since.isoformat()}, before {bundle.ref} was last written"
                yield Problem(ref, reason, f"kubectl delete {ref.kubectl}  # with another replica Ready")


@check(
    "KN-TRUST-016",
    "no trust bundle keeps certificates where nobody looks",
    WARNING,
    needs=BUNDLES,
    when=(INSTALLED,),
    why="Only `data` is read; certificates in `binaryData` are ignored without a word.",
    remedy="Put the PEM text into `data`.",
)
def not_binary(facts: Facts) -> Iterator[Problem]:
    """Labelled ConfigMaps with binaryData."""
    for obj in facts.observation.all(CONFIG_MAP, label=TRUST_BUNDLE_LABEL):
        if found := dig(obj, "binaryData", default={}):
            ref = ObjectRef(CONFIG_MAP, name_of(obj), namespace_of(obj))
            keys = ", ".join(sorted(found))
            yield Problem(ref, f"binaryData ({keys}) is ignored", f"kubectl edit {ref.kubectl}  # move it to data")


def _knative_bundles(facts: Facts) -> Iterator[Object]:
    for obj in facts.observation.all(BUNDLE):
        labels = dig(obj, "spec", "target", "configMap", "metadata", "labels", default={})
        if TRUST_BUNDLE_LABEL in labels:
            yield obj


@check(
    "KN-TRUST-017",
    "no trust-manager Bundle follows a CA's Secret",
    WARNING,
    needs=(BUNDLE,),
    when=(INSTALLED,),
    why="When that Secret changes, trust-manager replaces the old root by the new one everywhere at once, while every "
    "leaf is still the old one's.",
    remedy="Let the Bundle read a ConfigMap with copies of the roots.",
)
def copies_roots(facts: Facts) -> Iterator[Problem]:
    """Bundles for Knative with a Secret as source."""
    for obj in _knative_bundles(facts):
        for source in dig(obj, "spec", "sources", default=[]):
            if name := dig(source, "secret", "name"):
                ref = ObjectRef(BUNDLE, name_of(obj))
                fix = f"kubectl edit {ref.kubectl}  # a ConfigMap with copies of the roots as source"
                yield Problem(ref, f"its source is Secret {name}: a new CA replaces the old one at once", fix)


@check(
    "KN-TRUST-018",
    "every trust-manager Bundle is written out",
    ERROR,
    needs=(BUNDLE,),
    when=(INSTALLED,),
    causes=("KN-TRUST-001", "KN-TRUST-007", "KN-TRUST-020"),
    why="A Bundle with a source that is missing or broken writes nothing at all, and is not tried again until "
    "something changes: its ConfigMaps stay as they were.",
    remedy="Mend the source its condition names.",
)
def synced(facts: Facts) -> Iterator[Problem]:
    """Bundles for Knative that are not Synced."""
    for obj in _knative_bundles(facts):
        if not is_true(obj, "Synced"):
            ref = ObjectRef(BUNDLE, name_of(obj))
            why = condition(obj, "Synced").get("message", "it has no status")
            yield Problem(ref, f"not written: {why}", f"kubectl describe {ref.kubectl}")


@check(
    "KN-TRUST-019",
    "no published trust has the name of one of Eventing's bundles",
    WARNING,
    needs=BUNDLES,
    when=(INSTALLED,),
    why="Eventing copies its bundles into the namespaces of its sources, over a ConfigMap of the same name.",
    remedy="Publish under another name.",
)
def no_clash(facts: Facts) -> Iterator[Problem]:
    """Published ConfigMaps that Eventing would overwrite."""
    copies = eventing_copies(facts.observation)
    for bundle in facts.published:
        if bundle.ref.kind == CONFIG_MAP and bundle.ref.name in copies and bundle.ref.namespace != EVENTING:
            reason = f"{EVENTING} has a bundle of that name and will copy it over this one"
            yield Problem(bundle.ref, reason, f"kntls trust publish --namespace {bundle.ref.namespace} --name OTHER")


@check(
    "KN-TRUST-020",
    "the CA that signs next is trusted by every consumer",
    ERROR,
    needs=(*EFFECTIVE, CLUSTER_ISSUER),
    when=(INTERNAL, SIGNING),
    causes=("KN-LEAF-007", "KN-ROT-001", "KN-TRUST-007", "KN-SERVE-003"),
    why="The next leaf that is issued or renewed is signed by the issuer's present CA. A consumer that does not trust "
    "it yet refuses that leaf: the outage begins with the first renewal, or the first new namespace.",
    remedy="Put the CA into the bundles first; `kntls rotate-ca` keeps that order.",
)
def next_trusted(facts: Facts) -> Iterator[Problem]:
    """Consumers that would refuse what is signed from now on."""
    ref = facts.issuers.get(Surface.SYSTEM_INTERNAL)
    ca = facts.authorities.get(ref.name) if ref else None
    for trust in facts.trusts if ca else ():
        assert ca  # noqa: S101 - for the type checker
        verdict = verify(ca.signer, intermediates=ca.material.chain[1:], roots=trust.roots, at=facts.at)
        if not verdict.ok:
            where = ObjectRef(NAMESPACE, trust.consumer.namespace)
            reason = f"{_who(trust)} does not trust {ca.anchor} of {ca.secret}: {verdict.reason}"
            yield Problem(where, reason, add_from(ca))


@check(
    "KN-TRUST-021",
    "every CA in use is in a bundle, not only in ca.crt",
    WARNING,
    needs=(*EFFECTIVE, CLUSTER_ISSUER),
    when=(INTERNAL, SIGNING),
    why="`ca.crt` of `routing-serving-certs` follows the routing leaf: re-issued by another CA it drops this one from "
    "trust at once. And net-kourier does not notice a changed `ca.crt` until its next reconcile.",
    remedy="Put the CA into the trust bundle.",
)
def in_bundle(facts: Facts) -> Iterator[Problem]:
    """CAs in use that are trusted by `ca.crt` alone."""
    ref = facts.issuers.get(Surface.SYSTEM_INTERNAL)
    ca = facts.authorities.get(ref.name) if ref else None
    for trust in facts.trusts if ca else ():
        sources = trust.anchors.get(ca.anchor, ()) if ca else ()
        if ca and sources and all(source.ref.kind == SECRET for source in sources):
            where = ObjectRef(NAMESPACE, trust.consumer.namespace)
            reason = f"{_who(trust)} trusts {ca.anchor} through {sources[0]} only"
            yield Problem(where, reason, add_from(ca))


@check(
    "KN-TRUST-022",
    "every trust bundle is in the form that all consumers read alike",
    WARNING,
    needs=PLACED,
    when=(INSTALLED,),
    why="Comments, blank lines and certificates that appear twice are read today; one more edit (a line at the end) "
    "and a consumer drops the whole value.",
    remedy="`kntls check --fix KN-TRUST-022` writes certificate blocks and nothing else.",
)
def strict(facts: Facts) -> Iterator[Problem]:
    """Values that are not in the strict form."""
    for bundle in _read(facts):
        for key, text in bundle.data.items():
            if why := is_strict(text):
                yield Problem(bundle.ref, f"key {key}: {why}", rewrite(facts, bundle.ref, "KN-TRUST-022"))


@check(
    "KN-TRUST-023",
    "net-kourier finds the routing certificate's Secret",
    ERROR,
    needs=EFFECTIVE,
    when=(INTERNAL, KOURIER, BESIDE_KOURIER),
    causes=("KN-TRUST-005",),
    why="net-kourier reads `routing-serving-certs` in its own namespace, on OpenShift Serverless another one than "
    "Serving's. Without it no Ingress is programmed any more, and its controller does not come up again.",
    remedy="Make the KCert again; cert-manager then fills the Secret.",
)
def beside_kourier(facts: Facts) -> Iterator[Problem]:
    """Whether the Secret lies where net-kourier looks."""
    space = facts.installation.ingress_namespace if facts.installation else ""
    ref = ObjectRef(SECRET, ROUTING_CERTIFICATE, space)
    if facts.observation.find(ref) is None:
        made = facts.observation.get(CERTIFICATE, ROUTING_CERTIFICATE, space) is not None
        fix = f"cmctl renew {ref.name} -n {space}" if made else routing_kcert(space)
        yield Problem(ref, "there is no such Secret, and net-kourier needs it", fix)


@check(
    "KN-TRUST-024",
    "every trust bundle is a ConfigMap",
    WARNING,
    needs=(CONFIG_MAP, SECRET),
    when=(INSTALLED,),
    causes=("KN-TRUST-001", "KN-TRUST-005", "KN-TRUST-007", "KN-TRUST-020", "KN-TRUST-021", "KN-SERVE-003"),
    why="Activator and net-kourier look for ConfigMaps with the label. A Secret that carries it is read by nobody.",
    remedy="Put its CAs into the trust bundle with `kntls trust add`, and take the label away.",
)
def no_secrets(facts: Facts) -> Iterator[Problem]:
    """Secrets with the label, in namespaces whose bundles are read."""
    spaces = facts.installation.trust_namespaces if facts.installation else ()
    for obj in facts.observation.all(SECRET, label=TRUST_BUNDLE_LABEL):
        if namespace_of(obj) in spaces:
            ref = ObjectRef(SECRET, name_of(obj), namespace_of(obj))
            held = dig(obj, "data", default={})
            key = next((key for key in ("ca.crt", "tls.crt") if held.get(key)), "")
            add = _add(ref, key) if key else "kntls trust add --ca FILE"
            fix = f"{add}; kubectl label {ref.kubectl} {TRUST_BUNDLE_LABEL}-"
            yield Problem(ref, "nobody reads trust from a Secret", fix)


@check(
    "KN-TRUST-025",
    "no two of Eventing's bundles share a key",
    WARNING,
    needs=BUNDLES,
    when=(INSTALLED,),
    why="Eventing mounts all its bundles into one directory, a file for each key: of two with one key, one is lost.",
    remedy="Rename one of the keys.",
)
def keys_apart(facts: Facts) -> Iterator[Problem]:
    """Keys that occur in several bundles of knative-eventing."""
    seen: dict[str, str] = {}
    for bundle in bundles(facts.observation, EVENTING):
        for key in bundle.data:
            if key in seen:
                fix = f"kubectl edit {bundle.ref.kubectl}  # rename the key"
                yield Problem(bundle.ref, f"key {key} is in ConfigMap {seen[key]}, too", fix)
            seen.setdefault(key, bundle.ref.name)
