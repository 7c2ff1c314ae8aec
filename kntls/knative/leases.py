"""Leases of reconcilers: each has its own, and works only while a process of its Deployment holds it.

`controller.knative.dev.serving.pkg.reconciler.revision.reconciler.00-of-01` for one bucket; there are as many as
config-leader-election says (knative.dev/pkg `leaderelection`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kntls.knative.installation import Installation
from kntls.knative.names import CONTROLLER
from kntls.model.kinds import DEPLOYMENT, LEASE, POD
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Observation

REVISION = "revision"
"""Writes the Deployments of Revisions, so it rolls the queue-proxies."""
ROUTE = "route"
"""Writes the KIngresses, so it says which port Envoy dials."""
CERTIFICATE = "certificate"
"""Makes cert-manager Certificates from KCerts; runs only if a surface was on when the controller started."""
OPERATOR = "knative-operator"
CONTROLLER_PREFIX = "controller.knative.dev.serving.pkg.reconciler."
OURS = "kntls "
"""How holders begin that are runs of kntls."""


@dataclass(frozen=True)
class Reconciler:
    """One reconciler: what it is called, how its Leases begin, and whose pods work with them."""

    name: str
    prefix: str
    deployment: ObjectRef
    label: tuple[str, str]
    """The label its pods carry."""


def of_controller(installation: Installation, name: str) -> Reconciler:
    """A reconciler in Knative Serving's controller."""
    prefix = f"{CONTROLLER_PREFIX}{name}.reconciler."
    return Reconciler(name, prefix, installation.deployment(CONTROLLER), ("app", CONTROLLER))


def of_operator(observation: Observation) -> Reconciler | None:
    """The operator's reconciler of KnativeServing; None where no operator's Deployment is found."""
    found = next((obj for obj in observation.all(DEPLOYMENT) if name_of(obj) == OPERATOR), None)
    if found is None:
        return None
    prefix = "knative-operator.knative.dev.operator.pkg.reconciler.knativeserving.reconciler."
    ref = ObjectRef(DEPLOYMENT, OPERATOR, namespace_of(found))
    return Reconciler("operator", prefix, ref, ("name", OPERATOR))


def leases_of(observation: Observation, reconciler: Reconciler) -> tuple[Object, ...]:
    """Its Leases, one a bucket."""
    every = observation.all(LEASE, namespace=reconciler.deployment.namespace)
    return tuple(lease for lease in every if name_of(lease).startswith(reconciler.prefix))


def holder_of(lease: Object) -> str:
    """Who holds it; empty where nobody does."""
    return str(dig(lease, "spec", "holderIdentity", default=""))


def _is_ending(pod: Object) -> bool:
    return bool(dig(pod, "metadata", "deletionTimestamp"))


def _pods(observation: Observation, reconciler: Reconciler) -> Iterator[Object]:
    key, value = reconciler.label
    every = observation.all(POD, namespace=reconciler.deployment.namespace)
    return (pod for pod in every if labels_of(pod).get(key) == value)


def pods_of(observation: Observation, reconciler: Reconciler) -> tuple[Object, ...]:
    """The pods that may work with its Leases; those that are about to end left out."""
    return tuple(pod for pod in _pods(observation, reconciler) if not _is_ending(pod))


def ending_pods_of(observation: Observation, reconciler: Reconciler) -> tuple[Object, ...]:
    """The pods that are about to end: without a Lease, but what they are writing they still write."""
    return tuple(pod for pod in _pods(observation, reconciler) if _is_ending(pod))


def is_live(lease: Object, pods: Iterable[Object]) -> bool:
    """Whether one of these pods holds it: it was taken after the oldest of them was made.

    A process that was killed does not give its Leases back, so a holder alone proves nothing; nor does it if it is us.
    """
    if holder_of(lease).startswith(OURS):
        return False
    made = [str(dig(pod, "metadata", "creationTimestamp", default="")) for pod in pods]
    acquired = str(dig(lease, "spec", "acquireTime", default=""))
    return bool(holder_of(lease) and made) and acquired[:19] >= min(made)[:19]


def elects(observation: Observation, installation: Installation) -> bool:
    """Whether the controller's reconcilers have Leases at all: with `--disable-ha` they have none."""
    every = observation.all(LEASE, namespace=installation.namespace)
    return any(name_of(lease).startswith(CONTROLLER_PREFIX) for lease in every)


def runs(observation: Observation, reconciler: Reconciler) -> bool:
    """Whether every bucket of it is worked on by a running process."""
    found, pods = leases_of(observation, reconciler), pods_of(observation, reconciler)
    return bool(found) and all(is_live(lease, pods) for lease in found)
