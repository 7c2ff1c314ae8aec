"""KCerts and the Certificates made from them: there, Ready, not stuck, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from kntls.certmanager.leaves import Leaf, owner_kind
from kntls.checks.check import ERROR, INFO, INSTALLED, INTERNAL, LOCAL, ON, PRESENT_TIME, WARNING, Problem, check
from kntls.checks.facts import Facts, parse_time, ref_of, surface_of
from kntls.knative.names import (
    CERTIFICATE_CLASS,
    CERTIFICATE_TYPE_LABEL,
    CLASS_ANNOTATION,
    LEGACY_SAN,
    ROUTE_LABEL,
    ROUTING_CERTIFICATE,
    ROUTING_SAN,
    USER_CERTIFICATE,
    Surface,
)
from kntls.knative.servers import local_certificates
from kntls.model.kinds import CERTIFICATE, CERTIFICATE_REQUEST, CONFIG_MAP, KCERT, NAMESPACE, REVISION, ROUTE, SECRET
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of, name_of, namespace_of

STUCK = timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(hours=32)
"""cert-manager's pause after a failure doubles from one to the other (`trigger_controller.go`)."""
OWNER = "networking.internal.knative.dev/Certificate"


def renew(leaf: Leaf) -> str:
    """The command that has a Certificate issued again."""
    return f"cmctl renew {leaf.ref.name} -n {leaf.ref.namespace}"


def routing_kcert(namespace: str) -> str:
    """The command that makes the routing KCert again, as Serving's manifest does
    (`config/core/300-knativecertificate.yaml`)."""
    metadata = {
        "name": ROUTING_CERTIFICATE,
        "namespace": namespace,
        "annotations": {CLASS_ANNOTATION: CERTIFICATE_CLASS},
        "labels": {CERTIFICATE_TYPE_LABEL: Surface.SYSTEM_INTERNAL.certificate_type},
    }
    spec = {"dnsNames": [ROUTING_SAN, LEGACY_SAN], "secretName": ROUTING_CERTIFICATE}
    manifest = {"apiVersion": KCERT.api_version, "kind": KCERT.manifest_kind, "metadata": metadata, "spec": spec}
    return f"echo '{json.dumps(manifest)}' | kubectl apply -f -"


def _describe(ref: ObjectRef) -> str:
    return f"kubectl describe {ref.kubectl}"


@check(
    "KN-KCERT-001",
    "every KCert is Ready",
    ERROR,
    needs=(CONFIG_MAP, KCERT),
    when=(ON,),
    causes=("KN-SERVE-001", "KN-SERVE-005", "KN-SERVE-006", "KN-SERVE-007"),
    why="A Route whose KCert is not Ready loses its TLS host at the gateway: `status.address.url` goes back to http.",
    remedy="Read the KCert's condition, then that of the Certificate of the same name.",
)
def kcerts_ready(facts: Facts) -> Iterator[Problem]:
    """The KCerts' Ready condition, of surfaces that are on."""
    for obj in facts.kcerts:
        ready = condition(obj, "Ready")
        if ready.get("status") != "True":
            said = " ".join(str(ready.get(key, "")) for key in ("reason", "message")).strip()
            yield Problem(ref_of_kcert(obj), f"not Ready: {said or 'it has no status'}", _describe(ref_of_kcert(obj)))


def ref_of_kcert(obj: Object) -> ObjectRef:
    """The reference of a KCert."""
    return ObjectRef(KCERT, name_of(obj), namespace_of(obj))


@check(
    "KN-KCERT-002",
    f"the routing certificate's KCert `{ROUTING_CERTIFICATE}` is there",
    ERROR,
    needs=(KCERT,),
    when=(INSTALLED,),
    causes=("KN-SERVE-001", "KN-SERVE-002", "KN-KCERT-003", "KN-RESTART-001", "KN-TRUST-023"),
    why="It is part of Knative's static manifest: nothing makes it again. Without it the activator ends at its next "
    "start, and enabling cannot work any more.",
    remedy="Make it again; Knative's `serving-core.yaml` of the installed version has the same.",
)
def routing_there(facts: Facts) -> Iterator[Problem]:
    """The static KCert."""
    if facts.observation.get(KCERT, ROUTING_CERTIFICATE, facts.serving) is None:
        ref = ObjectRef(KCERT, ROUTING_CERTIFICATE, facts.serving)
        yield Problem(ref, "it does not exist, and nothing makes it again", routing_kcert(facts.serving))


@check(
    "KN-KCERT-003",
    "every KCert has its Certificate",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON,),
    causes=("KN-KCERT-001", "KN-SERVE-005", "KN-SERVE-007", "KN-TRUST-023"),
    why="Knative's controller makes one cert-manager Certificate for each KCert, under the same name. Where they are "
    "missing it is not doing so.",
    remedy="Look at the controller's log; see KN-RESTART-001.",
)
def made(facts: Facts) -> Iterator[Problem]:
    """KCerts nobody made a Certificate of."""
    for obj in facts.kcerts:
        ref = ref_of_kcert(obj)
        if facts.observation.get(CERTIFICATE, ref.name, ref.namespace) is None:
            fix = f"kubectl logs deployment/controller -n {facts.serving} --tail 50"
            yield Problem(ref, "there is no Certificate of that name", fix)


@check(
    "KN-KCERT-004",
    "every Certificate is Ready",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON,),
    causes=("KN-KCERT-001", "KN-SERVE-005", "KN-SERVE-006", "KN-SERVE-007"),
    why="cert-manager's view of Secret and spec: missing, wrong issuer, key mismatch, expired.",
    remedy="`cmctl status certificate NAME -n NAMESPACE` walks through what it waits for.",
)
def certificates_ready(facts: Facts) -> Iterator[Problem]:
    """The Certificates' Ready condition."""
    for leaf in facts.leaves:
        if not leaf.ready:
            ready = condition(leaf.certificate, "Ready")
            said = f"{ready.get('reason', 'no status')}: {ready.get('message', '')}".rstrip(": ")
            fix = f"cmctl status certificate {leaf.ref.name} -n {leaf.ref.namespace}"
            yield Problem(leaf.ref, f"not Ready: {said}", fix)


def _next_try(leaf: Leaf) -> str:
    """When cert-manager tries again: its pause doubles with every failure (cert-manager `trigger_controller.go`)."""
    failed = parse_time(dig(leaf.certificate, "status", "lastFailureTime"))
    attempts = int(dig(leaf.certificate, "status", "failedIssuanceAttempts", default=1))
    if failed is None:
        return ""
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
    return f"; cert-manager tries again at {(failed + pause).strftime('%Y-%m-%dT%H:%M:%SZ')}"


@check(
    "KN-KCERT-005",
    "no issuance failed",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON,),
    why="A failed issuance is tried again after 1, 2, 4 … 32 hours. The old certificate keeps serving until it ends, "
    "and the Certificate stays Ready meanwhile.",
    remedy="Mend what the message names, then have it issued again at once.",
)
def no_failures(facts: Facts) -> Iterator[Problem]:
    """Failures, and when the next try is."""
    for leaf in facts.leaves:
        if leaf.failure:
            yield Problem(leaf.ref, f"{leaf.failure}{_next_try(leaf)}", renew(leaf))


@check(
    "KN-KCERT-006",
    "no issuance is stuck",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON, PRESENT_TIME),
    why="A CA issuer signs within seconds. `Issuing` for longer means that nobody answers: webhook, approver, issuer.",
    remedy="Look at the CertificateRequest of that Certificate, and at cert-manager's log.",
)
def not_stuck(facts: Facts) -> Iterator[Problem]:
    """Issuances of more than ten minutes."""
    for leaf in facts.leaves:
        since = parse_time(condition(leaf.certificate, "Issuing").get("lastTransitionTime"))
        if leaf.issuing and since and facts.at - since > STUCK:
            minutes = int((facts.at - since).total_seconds() // 60)
            fix = f"kubectl get certificaterequests -n {leaf.ref.namespace}"
            yield Problem(leaf.ref, f"it is being issued for {minutes} minutes", fix)


@check(
    "KN-KCERT-007",
    "no two Certificates write the same Secret",
    ERROR,
    needs=(CERTIFICATE,),
    when=(ON,),
    causes=("KN-LEAF-002", "KN-LEAF-003", "KN-LEAF-007", "KN-KCERT-004"),
    why="They overwrite each other's Secret, each re-issue starting the next: servers get the other one's names.",
    remedy="Delete the Certificate that is not Knative's, or give it another secretName.",
)
def one_writer(facts: Facts) -> Iterator[Problem]:
    """Secrets with two owners."""
    writers: dict[tuple[str, str], list[Object]] = {}
    for obj in facts.observation.all(CERTIFICATE):
        writers.setdefault((namespace_of(obj), str(dig(obj, "spec", "secretName"))), []).append(obj)
    for (space, secret), found in writers.items():
        strangers = [obj for obj in found if owner_kind(obj) != OWNER] or found[1:]
        if len(found) > 1:
            names = ", ".join(sorted(name_of(obj) for obj in found))
            fix = f"kubectl delete {ref_of(strangers[0]).kubectl}"
            yield Problem(ObjectRef(SECRET, secret, space), f"written by Certificates {names}", fix)


@check(
    "KN-KCERT-008",
    "every Certificate belongs to its KCert",
    WARNING,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON,),
    why="Knative overwrites a Certificate of the right name that somebody else made, but never owns it: its changes "
    "and failures then go unnoticed.",
    remedy="Delete the Certificate (not its Secret) and restart the controller: Knative makes it again and owns it.",
)
def belongs(facts: Facts) -> Iterator[Problem]:
    """Certificates without the KCert as owner."""
    for leaf in facts.leaves:
        if owner_kind(leaf.certificate) != OWNER:
            fix = f"kubectl delete {leaf.ref.kubectl}; kubectl rollout restart deployment/controller -n {facts.serving}"
            yield Problem(leaf.ref, "it is not owned by its KCert", fix)


@check(
    "KN-KCERT-009",
    "every Certificate names the issuer that is configured",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE),
    when=(ON,),
    causes=("KN-KCERT-004", "KN-KCERT-001"),
    why="Knative rewrites the reference as soon as `config-certmanager` changes; where it has not, its controller is "
    "not at work.",
    remedy="Look at the controller's log, and restart it.",
)
def issuer_configured(facts: Facts) -> Iterator[Problem]:
    """Certificates with another issuerRef than the configuration's."""
    for leaf in facts.leaves:
        obj = facts.observation.get(KCERT, leaf.ref.name, leaf.ref.namespace)
        wanted = facts.issuers.get(surface_of(obj)) if obj is not None else None
        if wanted and leaf.issuer and leaf.issuer != wanted.name:
            fix = f"kubectl rollout restart deployment/controller -n {facts.serving}"
            yield Problem(leaf.ref, f"it names {leaf.issuer}, the configuration {wanted.name}", fix)


@check(
    "KN-KCERT-010",
    "no left-over request blocks an issuance",
    ERROR,
    needs=(CERTIFICATE, CERTIFICATE_REQUEST),
    when=(ON,),
    causes=("KN-KCERT-006", "KN-KCERT-001", "KN-KCERT-004"),
    why="Requests are named after Certificate and revision. One that a deleted Certificate left behind makes the new "
    "one's fail with `already exists`, for ever.",
    remedy="Delete the CertificateRequest.",
)
def no_orphans(facts: Facts) -> Iterator[Problem]:
    """Requests of a former Certificate under the next request's name."""
    for leaf in facts.leaves:
        following = int(dig(leaf.certificate, "status", "revision", default=0)) + 1
        name = f"{leaf.ref.name}-{following}"
        request = facts.observation.get(CERTIFICATE_REQUEST, name, leaf.ref.namespace)
        owners = dig(request or {}, "metadata", "ownerReferences", default=[])
        mine = str(dig(leaf.certificate, "metadata", "uid"))
        if request is not None and all(entry.get("uid") != mine for entry in owners):
            ref = ObjectRef(CERTIFICATE_REQUEST, name, leaf.ref.namespace)
            reason = f"it belongs to a Certificate that is gone, and blocks the next issuance of {leaf.ref}"
            yield Problem(ref, reason, f"kubectl delete {ref.kubectl}")


@check(
    "KN-KCERT-011",
    "every host fits into a certificate",
    ERROR,
    needs=(CONFIG_MAP, KCERT),
    when=(ON,),
    causes=("KN-KCERT-001", "KN-KCERT-003", "KN-SERVE-005", "KN-SERVE-006", "KN-SERVE-007"),
    why="A common name holds 63 characters. Knative helps itself with `k.<domain>`; where the domain is too long for "
    "that, or there is none (DomainMappings), it gives up with `CommonName Too Long`.",
    remedy="Use a shorter name or domain.",
)
def names_fit(facts: Facts) -> Iterator[Problem]:
    """KCerts Knative gave up on."""
    for obj in facts.kcerts:
        ready = condition(obj, "Ready")
        if "CommonName" in f"{ready.get('reason', '')}{ready.get('message', '')}" and not is_true(obj):
            reason = str(ready.get("message") or ready.get("reason"))
            yield Problem(ref_of_kcert(obj), reason, "shorten the Service's, the namespace's or the domain's name")


@check(
    "KN-KCERT-012",
    "nothing is left of surfaces that are off",
    INFO,
    needs=(CONFIG_MAP, KCERT),
    when=(INSTALLED,),
    why="Turning a surface off deletes nothing: cert-manager goes on renewing its certificates.",
    remedy="`kntls disable --clean` removes what is not needed (never `routing-serving-certs`, which nothing makes "
    "again).",
)
def no_leftovers(facts: Facts) -> Iterator[Problem]:
    """KCerts of surfaces that are off."""
    for obj in facts.observation.all(KCERT):
        surface = surface_of(obj)
        if facts.settings and surface not in facts.surfaces and name_of(obj) != ROUTING_CERTIFICATE:
            yield Problem(ref_of_kcert(obj), f"{surface} is off", f"kntls disable --{surface} --clean")


@check(
    "KN-KCERT-013",
    "every namespace with Services has a queue-proxy certificate",
    ERROR,
    needs=(CONFIG_MAP, KCERT, REVISION),
    when=(INTERNAL,),
    causes=("KN-SERVE-001", "KN-SERVE-008", "KN-RESTART-003"),
    why=f"The KCert `{USER_CERTIFICATE}` appears with the first reconcile of a Revision while the surface is on. "
    "Without its Secret no pod of the namespace can start.",
    remedy="Restart Knative's controller; then look at the Revisions' conditions.",
)
def namespace_covered(facts: Facts) -> Iterator[Problem]:
    """Namespaces with Revisions and no `serving-certs`."""
    for space in facts.tenants:
        if facts.observation.get(KCERT, USER_CERTIFICATE, space) is None:
            fix = f"kubectl rollout restart deployment/controller -n {facts.serving}"
            yield Problem(ObjectRef(NAMESPACE, space), f"it has Revisions but no KCert {USER_CERTIFICATE}", fix)


@check(
    "KN-KCERT-014",
    "every Route has a certificate for its cluster-local names",
    ERROR,
    needs=(CONFIG_MAP, KCERT, ROUTE),
    when=(LOCAL,),
    causes=("KN-SERVE-005", "KN-SERVE-007"),
    why="Every Route gets one, public ones too, at its first reconcile while the surface is on.",
    remedy="Restart Knative's controller; then look at the Route's conditions.",
)
def routes_covered(facts: Facts) -> Iterator[Problem]:
    """Routes without a cluster-local KCert. One that has no address yet has no Revision to send anybody to, and gets
    its certificate with the first (serving `pkg/reconciler/route`)."""
    covered = {(namespace_of(obj), labels_of(obj).get(ROUTE_LABEL)) for obj in local_certificates(facts.observation)}
    for route in facts.observation.all(ROUTE):
        served = dig(route, "status", "address", "url")
        if served and (namespace_of(route), name_of(route)) not in covered:
            fix = f"kubectl rollout restart deployment/controller -n {facts.serving}"
            ref = ObjectRef(ROUTE, name_of(route), namespace_of(route))
            yield Problem(ref, f"it has no KCert of type {Surface.CLUSTER_LOCAL.certificate_type}", fix)
