"""Versions of what is installed, and the traps of each."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.certmanager.installation import SURPRISE_REISSUE
from kntls.checks.check import ERROR, INSTALLED, INTERNAL, MANAGED, ON, WARNING, Phase, Problem, check
from kntls.checks.facts import Facts
from kntls.knative.installation import OLDEST, SHARED_ISSUER_BUG
from kntls.knative.names import CONTROLLER, VERSION_LABEL
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, DEPLOYMENT
from kntls.model.objects import ObjectRef, dig, labels_of, name_of, namespace_of

PRESTOP_FIXED = (1, 20)
"""From here on the queue-proxy's admin port is plain HTTP again (serving#16162)."""
OLDEST_CERT_MANAGER = (1, 12)
PANICS_ON_DISABLED = (1, 21, 0)
ONE_RELEASE = ("controller", "activator", "autoscaler", "webhook")


def _controller(facts: Facts) -> ObjectRef:
    return ObjectRef(DEPLOYMENT, CONTROLLER, facts.serving)


def _release(facts: Facts) -> tuple[int, ...]:
    return facts.installation.release if facts.installation else ()


def _version(facts: Facts) -> str:
    return facts.installation.version if facts.installation else ""


@check(
    "KN-VER-001",
    "Knative Serving is 1.14 or newer",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Before 1.14 certificates of the system-internal surface were made by Knative itself, cluster-local encryption "
    "did nothing, and the activator read no trust bundles: neither enabling nor rotating can be done safely.",
    remedy="Upgrade Knative Serving, one minor version at a time.",
)
def new_enough(facts: Facts) -> Iterator[Problem]:
    """The version of the controller."""
    if _release(facts) and _release(facts) < OLDEST:
        yield Problem(_controller(facts), f"it is {_version(facts)}", "upgrade Knative Serving to 1.14 or newer")


@check(
    "KN-VER-002",
    "each surface's issuer is really its own",
    ERROR,
    needs=(DEPLOYMENT, CONFIG_MAP),
    when=(INSTALLED, ON),
    why="Knative Serving 1.15.0 and 1.15.1 keep all three issuer references in one place: the last one parsed wins for "
    "every surface (serving#15433).",
    remedy="Upgrade to 1.15.2 or newer, or name the same issuer three times.",
)
def issuers_apart(facts: Facts) -> Iterator[Problem]:
    """Different issuers under a version that cannot hold them apart."""
    if _release(facts) in SHARED_ISSUER_BUG and len({ref.name for ref in facts.issuers.values()}) > 1:
        named = ", ".join(sorted({ref.name for ref in facts.issuers.values()}))
        yield Problem(_controller(facts), f"{_version(facts)} uses one issuer for all of {named}", "upgrade to 1.15.2")


@check(
    "KN-VER-003",
    "all of Knative Serving's components are of one version",
    WARNING,
    needs=(DEPLOYMENT,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="An upgrade that stopped half-way leaves components that disagree about Secrets, ports and names.",
    remedy="Finish the upgrade: apply the release's manifests again, or look at the KnativeServing's conditions.",
)
def one_version(facts: Facts) -> Iterator[Problem]:
    """Components whose version label differs from the controller's."""
    found = [obj for obj in facts.observation.all(DEPLOYMENT, namespace=facts.serving) if name_of(obj) in ONE_RELEASE]
    versions = {name_of(obj): labels_of(obj).get(VERSION_LABEL, "") for obj in found}
    main = versions.get(CONTROLLER, "")
    for name, version in versions.items():
        if version and main and version != main:
            ref = ObjectRef(DEPLOYMENT, name, facts.serving)
            yield Problem(ref, f"it is {version}, the controller {main}", "finish the upgrade of Knative Serving")


@check(
    "KN-VER-004",
    "scaling down does not cut requests",
    WARNING,
    needs=(DEPLOYMENT,),
    when=(INSTALLED, INTERNAL),
    why="Up to 1.19 the queue-proxy's admin port speaks TLS with this surface on, so the kubelet's PreStop call fails "
    "and requests in flight end in 502 on every scale-down (serving#16162).",
    remedy="Upgrade Knative Serving to 1.20 or newer.",
)
def prestop(facts: Facts) -> Iterator[Problem]:
    """A version whose PreStop hook cannot work."""
    if _release(facts) and _release(facts) < PRESTOP_FIXED:
        reason = f"{_version(facts)} answers PreStop calls with a TLS error: requests in flight are cut"
        yield Problem(_controller(facts), reason, "upgrade Knative Serving to 1.20 or newer")


@check(
    "KN-VER-005",
    "cert-manager is 1.12 or newer",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    phase=Phase.BOTH,
    why="Older releases re-issue by other rules; nothing here was tried with them.",
    remedy="Upgrade cert-manager.",
)
def cert_manager_new_enough(facts: Facts) -> Iterator[Problem]:
    """The version of cert-manager's controller."""
    manager = facts.manager
    if manager and manager.release and manager.release < OLDEST_CERT_MANAGER:
        yield Problem(manager.deployment, f"it is {manager.version}", "upgrade cert-manager to 1.12 or newer")


@check(
    "KN-VER-006",
    "cert-manager does not re-issue certificates by itself",
    ERROR,
    needs=(DEPLOYMENT,),
    when=(MANAGED,),
    phase=Phase.BOTH,
    why="1.19.0 fills in issuerRef defaults in its CRDs, which makes every Certificate look changed: all of them are "
    "re-issued at once, and Knative's comparison with its own wish never comes out equal. 1.19.1 took it back.",
    remedy="Upgrade cert-manager to 1.19.1 or newer.",
)
def no_surprise(facts: Facts) -> Iterator[Problem]:
    """The one release with that accident."""
    if facts.manager and facts.manager.release == SURPRISE_REISSUE:
        yield Problem(facts.manager.deployment, "it is 1.19.0", "upgrade cert-manager to 1.19.1 or newer")


@check(
    "KN-VER-007",
    "cert-manager can read every Certificate's renewal policy",
    ERROR,
    needs=(DEPLOYMENT, CERTIFICATE),
    when=(MANAGED,),
    why="1.21.0 crashes on a Certificate with `renewal.policy: Disabled`; then nothing is issued any more.",
    remedy="Upgrade cert-manager to 1.21.1 or newer.",
)
def policy_readable(facts: Facts) -> Iterator[Problem]:
    """Certificates that crash cert-manager 1.21.0."""
    if not facts.manager or facts.manager.release != PANICS_ON_DISABLED:
        return
    for obj in facts.observation.all(CERTIFICATE):
        if dig(obj, "spec", "renewal", "policy") == "Disabled":
            ref = ObjectRef(CERTIFICATE, name_of(obj), namespace_of(obj))
            yield Problem(ref, "renewal.policy Disabled crashes cert-manager 1.21.0", "upgrade to 1.21.1 or newer")
