"""Restarts owed: components that read their configuration once, when they start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kntls.checks.check import ERROR, INSTALLED, INTERNAL, NOT_INTERNAL, ON, WARNING, Problem, check
from kntls.checks.facts import Facts, parse_time
from kntls.knative.names import (
    ACTIVATOR,
    CONFIG_NETWORK,
    CONTROLLER,
    REVISION_LABEL,
    ROUTING_CERTIFICATE,
    USER_CERTIFICATE,
    Surface,
)
from kntls.knative.restarts import restarts_owed
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, CRD, DEPLOYMENT, HANDSHAKES, KCERT, POD, SECRET
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of, name_of, namespace_of

CRD_CERTIFICATES = "certificates.cert-manager.io"


def _restart(ref: ObjectRef) -> str:
    return f"kubectl rollout restart deployment/{ref.name} -n {ref.namespace}"


def started(pod: Object) -> datetime | None:
    """When the pod's containers last started."""
    states = dig(pod, "status", "containerStatuses", default=[])
    times = [parse_time(dig(entry, "state", "running", "startedAt")) for entry in states]
    return max((time for time in times if time), default=parse_time(dig(pod, "status", "startTime")))


def _pods(facts: Facts, app: str) -> Iterator[Object]:
    for pod in facts.observation.all(POD, namespace=facts.serving):
        if labels_of(pod).get("app") == app and not dig(pod, "metadata", "deletionTimestamp"):
            yield pod


def _written(obj: Object, key: str) -> datetime | None:
    """When whoever owns a ConfigMap's key last wrote the ConfigMap (`managedFields`)."""
    entries = dig(obj, "metadata", "managedFields", default=[])
    times = [
        parse_time(entry.get("time")) for entry in entries if f"f:{key}" in dig(entry, "fieldsV1", "f:data", default={})
    ]
    return max((time for time in times if time), default=None)


def _reconciled(facts: Facts) -> bool:
    """Whether anybody turns KCerts into Certificates."""
    return any(
        condition(obj, "Ready") or facts.observation.get(CERTIFICATE, name_of(obj), namespace_of(obj))
        for obj in facts.kcerts
    )


@check(
    "KN-RESTART-001",
    "the controller runs its certificate reconciler",
    ERROR,
    needs=(CONFIG_MAP, KCERT, CERTIFICATE, DEPLOYMENT),
    when=(ON,),
    causes=("KN-KCERT-001", "KN-KCERT-003", "KN-KCERT-013", "KN-KCERT-014", "KN-SERVE-001", "KN-SERVE-005",
            "KN-SERVE-004", "KN-SERVE-006", "KN-SERVE-007", "KN-SERVE-008", "KN-RESTART-002", "KN-RESTART-003",
            "KN-TRUST-023"),
    why="The controller decides once, at start, whether to make certificates. Turned on later, KCerts appear and stay "
    "without status, and with system-internal on no Revision anywhere is reconciled any more.",
    remedy="Restart the controller, wait for `routing-serving-certs`, then restart the activator.",
)  # fmt: skip
def controller(facts: Facts) -> Iterator[Problem]:
    """KCerts that nobody looks at."""
    installation = facts.installation
    owed = [] if installation is None else restarts_owed(facts.observation, installation)
    silent = bool(facts.kcerts) and not _reconciled(facts)
    for entry in owed:
        if entry.deployment.name == CONTROLLER and silent:
            yield Problem(entry.deployment, entry.reason, _restart(entry.deployment))


@check(
    "KN-RESTART-002",
    "every activator runs with the present system-internal-tls",
    ERROR,
    needs=(CONFIG_MAP, POD, HANDSHAKES),
    when=(INTERNAL,),
    causes=("KN-SERVE-001", "KN-SERVE-005"),
    why="The activator reads the flag once, at start. One that started before does not listen on port 8112: the "
    "gateway gets `connection refused` and answers 503; new Services stay `Uninitialized`.",
    remedy="Restart the activator, after `routing-serving-certs` is Ready: without its Secret it ends at start.",
)
def activator(facts: Facts) -> Iterator[Problem]:
    """Activators that do not listen with TLS."""
    for shown in facts.observation.presented:
        if shown.role == "activator" and shown.error == "connection refused":
            reason = f"nobody listens on {shown.address}: it started before system-internal-tls was turned on"
            secret = facts.observation.get(SECRET, ROUTING_CERTIFICATE, facts.serving)
            later = "" if secret else f"  # once Secret {ROUTING_CERTIFICATE} is there: without it the activator ends"
            yield Problem(shown.server, reason, _restart(ObjectRef(DEPLOYMENT, ACTIVATOR, facts.serving)) + later)


@check(
    "KN-RESTART-003",
    "every Service's pods were rolled with the certificate",
    ERROR,
    needs=(CONFIG_MAP, POD),
    when=(INTERNAL,),
    causes=("KN-SERVE-001", "KN-SERVE-004"),
    why="Knative rolls the pods itself when the flag changes: the new ones mount `serving-certs`. Until then activator "
    "and gateway dial a port nobody listens on.",
    remedy="See why the Revision is not reconciled; usually the certificate of its namespace is missing.",
)
def rolled(facts: Facts) -> Iterator[Problem]:
    """Ready pods of Revisions without the certificate's volume."""
    for pod in facts.observation.all(POD, label=REVISION_LABEL):
        volumes = dig(pod, "spec", "volumes", default=[])
        mounted = any(dig(entry, "secret", "secretName") == USER_CERTIFICATE for entry in volumes) or any(
            dig(source, "secret", "name") == USER_CERTIFICATE
            for entry in volumes
            for source in dig(entry, "projected", "sources", default=[])
        )
        if is_true(pod) and not mounted and not dig(pod, "metadata", "deletionTimestamp"):
            revision = labels_of(pod)[REVISION_LABEL]
            fix = f"kubectl describe revisions.serving.knative.dev/{revision} -n {namespace_of(pod)}"
            yield Problem(ObjectRef(POD, name_of(pod), namespace_of(pod)), "it does not mount serving-certs", fix)


@check(
    "KN-RESTART-004",
    "no activator is older than the setting it must have read",
    WARNING,
    needs=(CONFIG_MAP, POD),
    when=(INTERNAL,),
    why="Where no handshake can tell, the start time does: an activator that started before system-internal-tls was "
    "last written may run with the old value.",
    remedy="Restart the activator, after `routing-serving-certs` is Ready.",
)
def older(facts: Facts) -> Iterator[Problem]:
    """Activators that no handshake vouches for, started before the flag was written."""
    proven = {shown.server for shown in facts.observation.presented}
    obj = facts.observation.get(CONFIG_MAP, CONFIG_NETWORK, facts.serving)
    written = _written(obj or {}, Surface.SYSTEM_INTERNAL.flag)
    for pod in _pods(facts, ACTIVATOR):
        ref, since = ObjectRef(POD, name_of(pod), namespace_of(pod)), started(pod)
        if ref not in proven and is_true(pod) and written and since and since < written:
            fix = _restart(ObjectRef(DEPLOYMENT, ACTIVATOR, facts.serving))
            yield Problem(ref, f"it started {since.isoformat()}, the flag was written {written.isoformat()}", fix)


@check(
    "KN-RESTART-005",
    "the controller started after cert-manager's CRDs were there",
    ERROR,
    needs=(CONFIG_MAP, CRD, POD, KCERT, CERTIFICATE),
    when=(ON,),
    causes=("KN-RESTART-001", "KN-KCERT-001", "KN-KCERT-003", "KN-SERVE-001", "KN-SERVE-005", "KN-SERVE-006",
            "KN-SERVE-007", "KN-SERVE-008", "KN-TRUST-023"),
    why="A controller that started before cert-manager was installed has no certificate reconciler (or crash-loops "
    "with `Please install cert-manager`): Services wait for certificates that nobody makes.",
    remedy="Restart the controller.",
)  # fmt: skip
def after_crds(facts: Facts) -> Iterator[Problem]:
    """Controllers older than the CRDs, with KCerts waiting."""
    crd = facts.observation.get(CRD, CRD_CERTIFICATES)
    created = parse_time(dig(crd or {}, "metadata", "creationTimestamp"))
    if created is None or not facts.kcerts or _reconciled(facts):
        return
    for pod in _pods(facts, CONTROLLER):
        since = started(pod)
        if since and since < created:
            ref = ObjectRef(POD, name_of(pod), namespace_of(pod))
            reason = f"it started {since.isoformat()}, before the CRD {CRD_CERTIFICATES} was made"
            yield Problem(ref, reason, _restart(ObjectRef(DEPLOYMENT, CONTROLLER, facts.serving)))


@check(
    "KN-RESTART-006",
    "no activator still runs with system-internal-tls after it was turned off",
    ERROR,
    needs=(CONFIG_MAP, POD, SECRET, HANDSHAKES),
    when=(INSTALLED, NOT_INTERNAL),
    why="The activator reads the flag once, at start, in both directions. One that started before it was turned off "
    "goes on calling port 8112, on which the rolled queue-proxies no longer listen: 502 for whatever passes it.",
    remedy="Restart the activator.",
)
def formerly_on(facts: Facts) -> Iterator[Problem]:
    """Activators that present a certificate although the surface is off."""
    for shown in facts.observation.presented:
        if shown.role == "activator" and shown.chain:
            reason = f"it still answers with TLS at {shown.address}: it started before system-internal-tls was off"
            yield Problem(shown.server, reason, _restart(ObjectRef(DEPLOYMENT, ACTIVATOR, facts.serving)))
