"""What is really served: handshakes, Routes, Revisions and the Deployments behind them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from kntls.certmanager.leaves import leaf_of
from kntls.certmanager.material import material_of
from kntls.checks.certmanager import down
from kntls.checks.check import (
    ERROR,
    EXTERNAL,
    INFO,
    INSTALLED,
    INTERNAL,
    KOURIER,
    LOCAL,
    ON,
    WARNING,
    Condition,
    Phase,
    Problem,
    check,
)
from kntls.checks.facts import Facts, environment
from kntls.checks.facts import available as is_ready
from kntls.checks.trust import accept
from kntls.knative.names import (
    ACTIVATOR,
    CONTROLLER,
    LEGACY_SAN,
    NET_KOURIER,
    REVISION_LABEL,
    ROUTING_CERTIFICATE,
    ROUTING_SAN,
    USER_CERTIFICATE,
    WEBHOOK,
    user_san,
)
from kntls.knative.servers import Server, local_certificates, servers
from kntls.model.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    DEPLOYMENT,
    DOMAIN_MAPPING,
    HANDSHAKES,
    KCERT,
    KINGRESS,
    LOG,
    POD,
    REVISION,
    ROUTE,
    SECRET,
)
from kntls.model.objects import Object, ObjectRef, annotations_of, condition, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Presented
from kntls.pki.certificate import Certificate
from kntls.trust.consumers import Consumer

GREETED = (CONFIG_MAP, POD, KCERT, HANDSHAKES)
CRASHES = 3
PLAIN = tuple(
    f"networking.knative.dev/{mark}" for mark in ("disable-external-domain-tls", "disableAutoTLS", "disable-auto-tls")
)
"""Annotations by which a Route asks for no certificate (serving `pkg/reconciler/route`)."""
ONE_CERTIFICATE = "CERTS_SECRET_NAME"
"""With this variable net-kourier serves one certificate for every external host (`config/300-controller.yaml`)."""
FILTERED, UID_LABEL = "ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID", "networking.internal.knative.dev/certificate-uid"
"""With this variable net-kourier sees only Secrets with that label."""
LOG_SIGN = "Starting tls server main"
"""What a queue-proxy logs once it listens with TLS (serving `pkg/queue/sharedmain`)."""


def _chain(shown: Presented) -> tuple[Certificate, ...]:
    return tuple(Certificate.from_der(der) for der in shown.chain)


def _listeners(facts: Facts) -> dict[tuple[ObjectRef, str, str], Server]:
    if facts.installation is None:
        return {}
    found = servers(facts.observation, facts.installation)
    return {(entry.pod, f"{entry.ip}:{entry.port}", entry.server_name): entry for entry in found}


@check(
    "KN-SERVE-001",
    "every server answers a TLS handshake",
    ERROR,
    needs=GREETED,
    when=(ON,),
    why="Each ready pod of activator, gateway and every Service must present a certificate, not only one behind the "
    "Service address.",
    remedy="`connection refused` means that it did not start with TLS (KN-RESTART-002, KN-RESTART-003); anything else "
    "is between here and the pod.",
)
def answers(facts: Facts) -> Iterator[Problem]:
    """Handshakes that failed."""
    for shown in facts.observation.presented:
        if shown.error and not shown.denied:
            fix = f"kubectl logs {shown.server.name} -n {shown.server.namespace} --all-containers --tail 20"
            yield Problem(shown.server, f"{shown.role} at {shown.address}: {shown.error}", fix)


@check(
    "KN-SERVE-002",
    "every server presents what its Secret holds",
    WARNING,
    needs=(*GREETED, SECRET),
    when=(ON,),
    why="A queue-proxy looks for a new certificate once a minute, after the kubelet has written it (another minute or "
    "two). Until then it presents the old one: retiring a CA before that breaks it. It also keeps a pair it cannot "
    "load.",
    remedy="Wait three minutes and look again; then roll the Service.",
)
def presents(facts: Facts) -> Iterator[Problem]:
    """Servers that present another leaf than their Secret's."""
    listeners = _listeners(facts)
    for shown in facts.observation.presented:
        server = listeners.get((shown.server, shown.address, shown.server_name))
        found = material_of(facts.observation, server.secret) if server else None
        chain = _chain(shown)
        if server and found and found.leaf and chain and chain[0] != found.leaf:
            reason = f"{shown.role} presents {chain[0]}, {server.secret} holds {found.leaf}"
            yield Problem(shown.server, reason, _roll(shown))


def _roll(shown: Presented) -> str:
    return f"kubectl delete {shown.server.kubectl}  # with another replica Ready, if it stays so for 3 minutes"


def _mend(facts: Facts, shown: Presented, presented: Certificate) -> str:
    """The command after which what a server presents is accepted: a new start where its Secret already holds another
    leaf, else what mends that Secret's leaf."""
    name = USER_CERTIFICATE if shown.role == "queue-proxy" else ROUTING_CERTIFICATE
    certificate = facts.observation.get(CERTIFICATE, name, shown.server.namespace)
    leaf = leaf_of(facts.observation, certificate) if certificate else None
    if leaf is None or leaf.x509 != presented:
        return _roll(shown)
    return accept(facts, leaf)


def _asked(consumer: Consumer, shown: Presented) -> tuple[str, ...]:
    """The names a consumer asks for on what a server presents; empty where it never meets it."""
    gateway = consumer.name != ACTIVATOR
    if shown.role == "activator":
        return (ROUTING_SAN,) if gateway else ()
    if shown.role == "queue-proxy":
        user = user_san(shown.server.namespace)
        return (user,) if gateway else (LEGACY_SAN, user)
    return ()


@check(
    "KN-SERVE-003",
    "what every server presents is accepted by every consumer",
    ERROR,
    needs=(*GREETED, SECRET),
    when=(INTERNAL,),
    causes=("KN-SERVE-002",),
    why="Secrets say what will be served; only this says what is. A server that still presents a leaf of a retired CA "
    "answers nobody, while every object in the cluster looks right.",
    remedy="Put the CA back into trust (`kntls trust add`), then wait until the server presents its new leaf.",
)
def accepted(facts: Facts) -> Iterator[Problem]:
    """Presented chains that a consumer refuses."""
    for shown in facts.observation.presented:
        chain = _chain(shown)
        for trust in facts.trusts if chain else ():
            for name in _asked(trust.consumer, shown):
                accepts = trust.consumer.verify
                verdict = accepts(chain[0], intermediates=chain[1:], roots=trust.roots, at=facts.at, name=name)
                if not verdict.ok:
                    reason = f"{trust.consumer.name} refuses what {shown.role} presents: {verdict.reason}"
                    yield Problem(shown.server, reason, _mend(facts, shown, chain[0]))
                    break


UNREACHED = Condition(
    "a Service's pod cannot be greeted",
    lambda facts: any(shown.role == "queue-proxy" and shown.error for shown in facts.observation.presented),
)


@check(
    "KN-SERVE-004",
    "every queue-proxy that cannot be greeted says that it serves TLS",
    WARNING,
    needs=(LOG, POD),
    when=(INTERNAL, UNREACHED),
    causes=("KN-SERVE-001",),
    why="Where a network policy or a missing permission keeps handshakes out, the queue-proxy's log still tells: "
    f"`{LOG_SIGN} :8112`.",
    remedy="Roll the Service; see KN-RESTART-003.",
)
def logged(facts: Facts) -> Iterator[Problem]:
    """Queue-proxies whose log does not have the line."""
    for entry in facts.observation.all(LOG):
        if LOG_SIGN not in str(entry.get("text", "")):
            ref = ObjectRef(POD, name_of(entry), namespace_of(entry))
            fix = f"kubectl logs {ref.name} -n {ref.namespace} -c queue-proxy"
            yield Problem(ref, f"no handshake is possible, and its log does not say {LOG_SIGN!r}", fix)


def _insecure(route: Object, *path: str) -> str:
    url = str(dig(route, "status", *path, default=""))
    return url if url and not url.startswith("https://") else ""


@check(
    "KN-SERVE-005",
    "every Route's cluster-local address is https",
    ERROR,
    needs=(CONFIG_MAP, ROUTE),
    when=(LOCAL,),
    why="A Route whose certificate is not Ready loses its TLS host, and its address goes back to http: clients that "
    "follow `status.address.url` send plain text.",
    remedy="Look at the Route's KCert; after an activator restart wait up to half a minute.",
)
def local_https(facts: Facts) -> Iterator[Problem]:
    """Routes with an http address."""
    for route in facts.observation.all(ROUTE):
        if url := _insecure(route, "address", "url"):
            ref = ObjectRef(ROUTE, name_of(route), namespace_of(route))
            yield Problem(ref, f"its address is {url}", f"kubectl describe {ref.kubectl}")


@check(
    "KN-SERVE-006",
    "every Route has the certificates it wants",
    ERROR,
    needs=(CONFIG_MAP, ROUTE),
    when=(ON,),
    causes=("KN-SERVE-005", "KN-SERVE-011"),
    why="The condition `CertificateProvisioned` is Knative's own view: while it is not True the Route serves plain "
    "HTTP only, or is not Ready at all.",
    remedy="Read the condition's message, then the KCert it names.",
)
def provisioned(facts: Facts) -> Iterator[Problem]:
    """Routes whose condition is not True."""
    for route in facts.observation.all(ROUTE):
        found = condition(route, "CertificateProvisioned")
        if found and found.get("status") != "True":
            ref = ObjectRef(ROUTE, name_of(route), namespace_of(route))
            said = f"{found.get('reason', '')}: {found.get('message', '')}".strip(": ")
            yield Problem(
                ref, f"CertificateProvisioned is {found.get('status')}: {said}", f"kubectl describe {ref.kubectl}"
            )


@check(
    "KN-SERVE-007",
    "the gateway is told every cluster-local certificate",
    ERROR,
    needs=(CONFIG_MAP, KINGRESS, KCERT),
    when=(LOCAL,),
    causes=("KN-SERVE-001", "KN-SERVE-005"),
    why="A host is served with TLS only while the KIngress lists its certificate; the listener on 8444 goes away with "
    "the last one.",
    remedy="Look at the KCert's readiness, and at the controller's log.",
)
def listed(facts: Facts) -> Iterator[Problem]:
    """Cluster-local KCerts that no KIngress names."""
    named = {
        (entry.get("secretNamespace"), entry.get("secretName"))
        for ingress in facts.observation.all(KINGRESS)
        for entry in dig(ingress, "spec", "tls", default=[])
    }
    for kcert in local_certificates(facts.observation):
        secret = (namespace_of(kcert), str(dig(kcert, "spec", "secretName", default=name_of(kcert))))
        if secret not in named:
            ref = ObjectRef(KCERT, name_of(kcert), namespace_of(kcert))
            yield Problem(
                ref, "no KIngress names its Secret", f"kubectl get {KINGRESS.resource} -n {ref.namespace} -o yaml"
            )


@check(
    "KN-SERVE-008",
    "no Revision waits for a certificate",
    ERROR,
    needs=(CONFIG_MAP, REVISION),
    when=(INTERNAL,),
    why="With system-internal on a Revision is not rolled out before its namespace's Secret is filled: `secret "
    "<ns>/serving-certs is not ready yet`.",
    remedy=f"Look at KCert `{USER_CERTIFICATE}` of that namespace.",
)
def not_waiting(facts: Facts) -> Iterator[Problem]:
    """Revisions whose conditions name the Secret."""
    for revision in facts.observation.all(REVISION):
        found = condition(revision, "Ready")
        if found.get("status") != "True" and USER_CERTIFICATE in str(found.get("message", "")):
            ref = ObjectRef(REVISION, name_of(revision), namespace_of(revision))
            fix = f"kubectl describe kcert/{USER_CERTIFICATE} -n {ref.namespace}"
            yield Problem(ref, str(found["message"]), fix)


def _components(facts: Facts) -> Iterator[ObjectRef]:
    found = facts.installation
    if found is None:
        return
    yield from (found.deployment(name) for name in (CONTROLLER, ACTIVATOR, WEBHOOK))
    layer = found.layer
    if layer is None:
        return
    # Files may lack a namespace; a cluster without the Deployment lacks the layer it is configured for.
    missing = facts.serving if facts.observation.live and layer.controller == NET_KOURIER else ""
    for name, space in ((layer.controller, found.ingress_namespace), (layer.gateway, found.gateway_namespace)):
        if name and (space or missing):
            yield ObjectRef(DEPLOYMENT, name, space or missing)


@check(
    "KN-SERVE-009",
    "Knative's components are available",
    ERROR,
    needs=(CONFIG_MAP, DEPLOYMENT),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    causes=("KN-SERVE-001", "KN-CONFIG-014"),
    why="Controller, webhook, activator, net-kourier and the gateway each have a part in every certificate and every "
    "request.",
    remedy="Look at the Deployment's pods and their logs.",
)
def available(facts: Facts) -> Iterator[Problem]:
    """Deployments that are missing or not Available."""
    for ref in _components(facts):
        obj = facts.observation.find(ref)
        if obj is None:
            yield Problem(ref, "there is no such Deployment", "apply the release's manifests again")
        elif not is_ready(obj):
            yield down(ref, obj)


@check(
    "KN-SERVE-010",
    "none of Knative's pods crash-loops",
    ERROR,
    needs=(CONFIG_MAP, POD),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    causes=("KN-SERVE-009", "KN-SERVE-001", "KN-CONFIG-014"),
    why="The activator ends at start without its Secret and crashes on a `ca.crt` that is not PEM; the controller ends "
    "without cert-manager's CRDs; net-kourier ends without any valid CA.",
    remedy="The last lines of the previous container's log name the reason.",
)
def no_crash_loop(facts: Facts) -> Iterator[Problem]:
    """Containers that are not ready and were restarted again and again."""
    spaces = {facts.serving, *(facts.installation.trust_namespaces if facts.installation else ())}
    spaces |= {facts.installation.gateway_namespace} if facts.installation else set()
    for pod in facts.observation.all(POD):
        if namespace_of(pod) not in spaces or REVISION_LABEL in labels_of(pod):
            continue
        for entry in dig(pod, "status", "containerStatuses", default=[]):
            waiting = dig(entry, "state", "waiting", "reason") == "CrashLoopBackOff"
            if waiting or (not entry.get("ready") and int(entry.get("restartCount", 0)) >= CRASHES):
                ref = ObjectRef(POD, name_of(pod), namespace_of(pod))
                reason = f"container {entry['name']} was restarted {entry.get('restartCount', 0)} times"
                fix = f"kubectl logs {ref.name} -n {ref.namespace} -c {entry['name']} --previous --tail 20"
                yield Problem(ref, reason, fix)


@check(
    "KN-SERVE-011",
    "every public Route is https",
    ERROR,
    needs=(CONFIG_MAP, ROUTE),
    when=(EXTERNAL,),
    why="While a Route's certificate is not Ready, Knative serves it over http (`HTTPDowngrade`) or redirects to a "
    "listener that has no certificate.",
    remedy="Look at the Route's KCert and, with ACME, at its Challenge.",
)
def external_https(facts: Facts) -> Iterator[Problem]:
    """Routes with an http URL outside the cluster, but for those that are to have one or serve nothing yet."""
    for route in facts.observation.all(ROUTE):
        url, inside = _insecure(route, "url"), str(dig(route, "status", "address", "url", default=""))
        public = bool(inside) and urlsplit(url).hostname != urlsplit(inside).hostname
        if url and public and not any(annotations_of(route).get(mark) == "true" for mark in PLAIN):
            ref = ObjectRef(ROUTE, name_of(route), namespace_of(route))
            yield Problem(ref, f"its URL is {url}", f"kubectl describe {ref.kubectl}")


def _kourier(facts: Facts) -> tuple[ObjectRef, dict[str, str]]:
    """net-kourier's controller, and its environment."""
    space = facts.installation.ingress_namespace if facts.installation else ""
    ref = ObjectRef(DEPLOYMENT, NET_KOURIER, space)
    return ref, environment(facts.observation.find(ref) or {})


@check(
    "KN-SERVE-012",
    "the gateway follows every certificate it serves",
    INFO,
    needs=(CONFIG_MAP, DEPLOYMENT),
    when=(KOURIER,),
    why=f"With `{ONE_CERTIFICATE}` net-kourier serves one certificate for all external hosts, whatever their Routes "
    "have, and does not notice when it is renewed (net-kourier#1210): the old one is presented beyond its end.",
    remedy="Remove the variable, or restart net-kourier-controller after each renewal.",
)
def follows(facts: Facts) -> Iterator[Problem]:
    """The one-certificate mode."""
    ref, variables = _kourier(facts)
    if name := variables.get(ONE_CERTIFICATE):
        secret = f"{variables.get('CERTS_SECRET_NAMESPACE', '')}/{name}"
        fix = f"kubectl rollout restart deployment/{ref.name} -n {ref.namespace}  # after each renewal of {secret}"
        yield Problem(ref, f"it serves Secret {secret} for every external host, and does not notice its renewal", fix)


@check(
    "KN-SERVE-013",
    "net-kourier sees the Secret of every host",
    ERROR,
    needs=(CONFIG_MAP, DEPLOYMENT, KINGRESS, SECRET),
    when=(KOURIER, ON),
    causes=("KN-SERVE-001",),
    why=f"With `{FILTERED}=true` net-kourier sees only Secrets labelled `{UID_LABEL}`, as cert-manager does by "
    "their template. One made by hand or restored without it does not exist for net-kourier: its host is not served.",
    remedy="Have the certificate issued again; label a Secret of your own with any value.",
)
def not_filtered(facts: Facts) -> Iterator[Problem]:
    """Secrets a KIngress names that lack the label."""
    ref, variables = _kourier(facts)
    if variables.get(FILTERED, "").lower() != "true":
        return
    entries = [entry for obj in facts.observation.all(KINGRESS) for entry in dig(obj, "spec", "tls", default=[])]
    wanted = [(str(entry.get("secretNamespace")), str(entry.get("secretName"))) for entry in entries]
    for space, name in dict.fromkeys([*wanted, (ref.namespace, ROUTING_CERTIFICATE)]):
        secret = ObjectRef(SECRET, name, space)
        obj = facts.observation.find(secret)
        if obj is not None and UID_LABEL not in labels_of(obj):
            fix = f"kubectl label {secret.kubectl} {UID_LABEL}=by-hand"
            yield Problem(secret, f"it lacks the label {UID_LABEL}: net-kourier does not see it", fix)


@check(
    "KN-SERVE-014",
    "no request passes the gateway twice",
    INFO,
    needs=(CONFIG_MAP, DOMAIN_MAPPING),
    when=(INTERNAL, KOURIER),
    why="A DomainMapping rewrites the host and goes through the gateway a second time, from Envoy to Envoy in plain "
    "text, whatever is on (net-kourier `ingress_translator.go`).",
    remedy="Where every hop must be encrypted, give the Service the domain itself (`config-domain`).",
)
def once(facts: Facts) -> Iterator[Problem]:
    """DomainMappings."""
    for obj in facts.observation.all(DOMAIN_MAPPING):
        ref = ObjectRef(DOMAIN_MAPPING, name_of(obj), namespace_of(obj))
        reason = "its requests go from gateway to gateway in plain text"
        yield Problem(ref, reason, f"kubectl describe {ref.kubectl}")
