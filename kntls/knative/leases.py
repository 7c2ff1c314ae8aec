"""Leases of the reconcilers in Knative's controller: each has its own, and works only while its process holds it.

`controller.knative.dev.serving.pkg.reconciler.revision.reconciler.00-of-01` for one bucket; there are as many as
config-leader-election says (knative.dev/pkg `leaderelection`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kntls.knative.installation import Installation
from kntls.knative.names import CONTROLLER
from kntls.model.kinds import LEASE, POD
from kntls.model.objects import Object, dig, labels_of, name_of
from kntls.model.observation import Observation

PREFIX = "controller.knative.dev.serving.pkg.reconciler."
REVISION = "revision"
"""Writes the Deployments of Revisions, so it rolls the queue-proxies."""
ROUTE = "route"
"""Writes the KIngresses, so it says which port Envoy dials."""
CERTIFICATE = "certificate"
"""Makes cert-manager Certificates from KCerts; runs only if a surface was on when the controller started."""
OURS = "kntls "
"""How holders begin that are runs of kntls."""


def leases_of(observation: Observation, installation: Installation, reconciler: str) -> tuple[Object, ...]:
    """The Leases of one reconciler, one a bucket."""
    start = f"{PREFIX}{reconciler}.reconciler."
    every = observation.all(LEASE, namespace=installation.namespace)
    return tuple(lease for lease in every if name_of(lease).startswith(start))


def holder_of(lease: Object) -> str:
    """Who holds it; empty where nobody does."""
    return str(dig(lease, "spec", "holderIdentity", default=""))


def controller_pods(observation: Observation, installation: Installation) -> Iterator[Object]:
    """The controller's pods that are not about to end."""
    for pod in observation.all(POD, namespace=installation.namespace):
        if labels_of(pod).get("app") == CONTROLLER and not dig(pod, "metadata", "deletionTimestamp"):
            yield pod


def is_live(lease: Object, pods: Iterable[Object]) -> bool:
    """Whether a running controller holds it: it was taken after the oldest of these pods was made.

    A process that was killed does not give its Leases back, so a holder alone proves nothing; nor does it if it is us.
    """
    if holder_of(lease).startswith(OURS):
        return False
    made = [str(dig(pod, "metadata", "creationTimestamp", default="")) for pod in pods]
    acquired = str(dig(lease, "spec", "acquireTime", default=""))
    return bool(holder_of(lease) and made) and acquired[:19] >= min(made)[:19]


def runs(observation: Observation, installation: Installation, reconciler: str) -> bool:
    """Whether every bucket of that reconciler is worked on by a running controller."""
    found = leases_of(observation, installation, reconciler)
    pods = tuple(controller_pods(observation, installation))
    return bool(found) and all(is_live(lease, pods) for lease in found)
