"""cert-manager itself: there, healthy, and looking where the CA's Secret lies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kntls.certmanager.leaves import owner_kind
from kntls.checks.check import ERROR, MANAGED, PRESENT_TIME, WARNING, WHOLE_MANAGER, Phase, Problem, check
from kntls.checks.facts import Facts, available, parse_time
from kntls.model.kinds import CERTIFICATE_REQUEST, CRD, DEPLOYMENT, NAMESPACE
from kntls.model.objects import Object, ObjectRef, condition, dig, labels_of, name_of, namespace_of

REQUIRED_CRDS = tuple(
    f"{plural}.{group}"
    for plural, group in (
        ("certificates", "cert-manager.io"),
        ("certificaterequests", "cert-manager.io"),
        ("issuers", "cert-manager.io"),
        ("clusterissuers", "cert-manager.io"),
        ("challenges", "acme.cert-manager.io"),
    )
)
"""Without these Knative's controller ends at start with `Please install cert-manager` (serving `cmd/controller`)."""
UNANSWERED = timedelta(minutes=5)
FEW = 1000
"""Leaves that even 20 requests a second re-issue in about a quarter of an hour."""


def _webhook(facts: Facts) -> Object | None:
    space = facts.manager.deployment.namespace if facts.manager else ""
    found = facts.observation.all(DEPLOYMENT, namespace=space)
    return next(
        (obj for obj in found if labels_of(obj).get("app.kubernetes.io/component") == "webhook"
         or name_of(obj).endswith("cert-manager-webhook")),
        None,
    )  # fmt: skip


def _arguments(facts: Facts) -> list[str]:
    obj = facts.observation.find(facts.manager.deployment) if facts.manager else None
    containers = dig(obj or {}, "spec", "template", "spec", "containers", default=[])
    return [word for entry in containers for word in (*entry.get("command", []), *entry.get("args", []))]


def down(ref: ObjectRef, obj: Object) -> Problem:
    """A Deployment that nobody answers for: scaled to none, or failing."""
    if dig(obj, "spec", "replicas", default=1) == 0:
        return Problem(
            ref, "it is scaled to none", f"kubectl scale deployment/{ref.name} -n {ref.namespace} --replicas=1"
        )
    return Problem(ref, "no replica is available", f"kubectl logs deployment/{ref.name} -n {ref.namespace} --tail 50")


@check(
    "KN-CM-001",
    "cert-manager is installed",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(WHOLE_MANAGER,),
    phase=Phase.BOTH,
    causes=("KN-CM-004", "KN-SERVE-009", "KN-SERVE-010", "KN-ISSUER-001", "KN-KCERT-001", "KN-KCERT-003",
            "KN-KCERT-004", "KN-KCERT-013", "KN-LEAF-001", "KN-RESTART-001", "KN-RESTART-005", "KN-SERVE-008",
            "KN-TRUST-023"),
    why="Every certificate of Knative's transport encryption is issued by cert-manager; without its CRDs Knative's "
    "controller ends at start with `Please install cert-manager` as soon as a surface is on.",
    remedy="Install cert-manager, then restart Knative's controller.",
)  # fmt: skip
def installed(facts: Facts) -> Iterator[Problem]:
    """Whether there is a cert-manager controller."""
    if facts.manager is None:
        fix = "install cert-manager 1.12 or newer: https://cert-manager.io/docs/installation/"
        yield Problem(None, "no Deployment here is cert-manager's controller", fix)


@check(
    "KN-CM-002",
    "cert-manager's controller is available",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    phase=Phase.BOTH,
    causes=("KN-KCERT-001", "KN-KCERT-004", "KN-KCERT-006", "KN-CM-006", "KN-LEAF-001", "KN-LEAF-006",
            "KN-ISSUER-003", "KN-ISSUER-005", "KN-SERVE-008"),
    why="While it is down nothing is issued or renewed; what was issued keeps working until it ends.",
    remedy="Look at its log and events.",
)  # fmt: skip
def controller_up(facts: Facts) -> Iterator[Problem]:
    """The controller's Available condition."""
    manager = facts.manager
    found = facts.observation.find(manager.deployment) if manager else None
    if manager and found and not available(found):
        yield down(manager.deployment, found)


@check(
    "KN-CM-003",
    "cert-manager's webhook is available",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    phase=Phase.BOTH,
    causes=("KN-KCERT-003", "KN-KCERT-006"),
    why="Its webhook must agree to every write of a Certificate, status included: while it is down nothing can be "
    "created, triggered or issued, and a rotation stops.",
    remedy="Look at its log and events; check that the API server can reach its Service.",
)
def webhook_up(facts: Facts) -> Iterator[Problem]:
    """The webhook's Available condition."""
    found, space = _webhook(facts), facts.manager.deployment.namespace if facts.manager else ""
    if found is None:
        ref = ObjectRef(DEPLOYMENT, "cert-manager-webhook", space)
        yield Problem(ref, "there is no such Deployment", "install cert-manager's webhook")
    elif not available(found):
        yield down(ObjectRef(DEPLOYMENT, name_of(found), space), found)


@check(
    "KN-CM-004",
    "cert-manager's CRDs are installed",
    ERROR,
    needs=(CRD,),
    phase=Phase.BOTH,
    causes=("KN-ISSUER-001", "KN-KCERT-001", "KN-KCERT-003", "KN-RESTART-001", "KN-SERVE-009", "KN-SERVE-010"),
    why="Knative's controller looks for five of them when it starts with a surface on, and ends with "
    "`Please install cert-manager` where one is missing.",
    remedy="Apply cert-manager's CRDs, then restart Knative's controller.",
)
def crds(facts: Facts) -> Iterator[Problem]:
    """The CRDs Knative's controller insists on."""
    for name in REQUIRED_CRDS:
        if facts.observation.get(CRD, name) is None:
            yield Problem(ObjectRef(CRD, name), "it does not exist", "install cert-manager with its CRDs")


@check(
    "KN-CM-005",
    "the namespace of ClusterIssuers' Secrets exists",
    ERROR,
    needs=(DEPLOYMENT, NAMESPACE),
    when=(MANAGED,),
    phase=Phase.BOTH,
    why="cert-manager looks for the Secrets of ClusterIssuers in `--cluster-resource-namespace` only (the binary's "
    "default is kube-system, not cert-manager). CA issuers whose Secret lies elsewhere never become Ready.",
    remedy="Set `--cluster-resource-namespace` on cert-manager's controller, usually to `$(POD_NAMESPACE)`.",
)
def resource_namespace(facts: Facts) -> Iterator[Problem]:
    """Whether the cluster-resource namespace is there."""
    manager = facts.manager
    if manager and facts.observation.get(NAMESPACE, manager.resource_namespace) is None:
        reason = f"it looks in namespace {manager.resource_namespace}, which does not exist"
        yield Problem(manager.deployment, reason, f"kubectl create namespace {manager.resource_namespace}")


@check(
    "KN-CM-006",
    "certificate requests are approved or denied in time",
    WARNING,
    needs=(CERTIFICATE_REQUEST,),
    when=(MANAGED, PRESENT_TIME),
    causes=("KN-KCERT-001", "KN-KCERT-004", "KN-KCERT-006"),
    why="With cert-manager's own approver off (`disableAutoApproval`, approver-policy) a request nobody answers waits "
    "for ever: the Certificate stays `Issuing`.",
    remedy="Allow the signer in the approver's policy, or turn the built-in approver on again.",
)
def answered(facts: Facts) -> Iterator[Problem]:
    """Requests older than five minutes without an answer."""
    for obj in facts.observation.all(CERTIFICATE_REQUEST):
        created = parse_time(dig(obj, "metadata", "creationTimestamp"))
        waiting = not condition(obj, "Approved") and not condition(obj, "Denied")
        if waiting and created and facts.at - created > UNANSWERED:
            ref = ObjectRef(CERTIFICATE_REQUEST, name_of(obj), namespace_of(obj))
            yield Problem(ref, "nobody approved or denied it", f"cmctl approve {ref.name} -n {ref.namespace}")


@check(
    "KN-CM-007",
    "deleting a Certificate does not delete its key",
    WARNING,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    phase=Phase.BOTH,
    why="With `--enable-certificate-owner-ref=true` a deleted CA Certificate takes its Secret, and so the CA's key, "
    "with it: there is no way back to the old CA in a rotation.",
    remedy="Remove the flag, or never delete a CA's Certificate before its CA is retired.",
)
def keeps_secrets(facts: Facts) -> Iterator[Problem]:
    """The owner-reference flag."""
    manager = facts.manager
    if manager and any(word.startswith("--enable-certificate-owner-ref=true") for word in _arguments(facts)):
        fix = f"kubectl edit {manager.deployment.kubectl}  # remove --enable-certificate-owner-ref"
        yield Problem(manager.deployment, "it runs with --enable-certificate-owner-ref=true", fix)


@check(
    "KN-CM-008",
    "cert-manager can re-issue all leaves in reasonable time",
    WARNING,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    why="Up to 1.20 cert-manager asks the API server 20 times a second at most, and one re-issued leaf takes about 16 "
    "requests: more than a thousand leaves take hours.",
    remedy="Start it with `--kube-api-qps` and `--kube-api-burst`, or upgrade to 1.21, which needs no limit.",
)
def fast_enough(facts: Facts) -> Iterator[Problem]:
    """Many leaves under an old request limit."""
    manager = facts.manager
    many = sum(1 for leaf in facts.leaves if owner_kind(leaf.certificate))
    limited = manager and (0,) < manager.release < (1, 21) and not any("kube-api-qps" in w for w in _arguments(facts))
    if manager and limited and many > FEW:
        reason = f"{many} leaves at 20 requests a second take about {many * 16 // 20 // 60} minutes to re-issue"
        yield Problem(manager.deployment, reason, "start it with --kube-api-qps=200 --kube-api-burst=400")
