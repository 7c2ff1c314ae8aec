"""Namespaces: names that fit, and certificates that belong to them."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.checks.check import ERROR, INSTALLED, INTERNAL, Phase, Problem, check
from kntls.checks.facts import Facts
from kntls.knative.names import LONGEST_NAMESPACE, USER_CERTIFICATE
from kntls.model.kinds import KCERT, NAMESPACE, REVISION
from kntls.model.objects import ObjectRef, dig


@check(
    "KN-NS-001",
    f"every namespace with Services has a name of at most {LONGEST_NAMESPACE} characters",
    ERROR,
    needs=(REVISION,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    causes=("KN-KCERT-001", "KN-KCERT-003", "KN-KCERT-011", "KN-SERVE-006", "KN-SERVE-008", "KN-RESTART-003"),
    why="The common name `kn-user-<namespace>` must fit 63 characters. In a longer namespace no queue-proxy gets a "
    "certificate, and once system-internal encryption is on no Revision in it becomes Ready.",
    remedy="Move the Services to a namespace with a shorter name before turning the surface on.",
)
def short_enough(facts: Facts) -> Iterator[Problem]:
    """Namespaces whose queue-proxies can have no certificate."""
    for name in facts.tenants:
        if len(name) > LONGEST_NAMESPACE:
            reason = f"its name has {len(name)} characters: its queue-proxies can get no certificate"
            yield Problem(ObjectRef(NAMESPACE, name), reason, "move its Services to a namespace with a shorter name")


@check(
    "KN-NS-002",
    "every namespace's queue-proxy certificate belongs to that namespace",
    ERROR,
    needs=(KCERT,),
    when=(INTERNAL,),
    causes=("KN-SERVE-008",),
    why="A KCert `serving-certs` that is not owned by its Namespace (made by hand, restored from a backup) makes every "
    "Revision in it fail with `NotOwned`.",
    remedy="Delete the KCert (not its Secret) and restart the controller: Knative makes it again and owns it.",
)
def owned(facts: Facts) -> Iterator[Problem]:
    """`serving-certs` without its Namespace as owner."""
    for obj in facts.observation.all(KCERT):
        space, name = dig(obj, "metadata", "namespace"), dig(obj, "metadata", "name")
        owners = dig(obj, "metadata", "ownerReferences", default=[])
        mine = any(entry.get("kind") == "Namespace" and entry.get("name") == space for entry in owners)
        if name == USER_CERTIFICATE and not mine:
            ref = ObjectRef(KCERT, USER_CERTIFICATE, str(space))
            # Nobody watches what it does not own: only a start has everything reconciled.
            fix = f"kubectl delete {ref.kubectl}; kubectl rollout restart deployment/controller -n {facts.serving}"
            yield Problem(ref, "it is not owned by its Namespace", fix)
