"""Restarts, only where they are owed: a process that read its configuration at start and is older than it."""

from __future__ import annotations

from collections.abc import Callable

from kntls.knative.installation import Installation
from kntls.knative.leases import CERTIFICATE, elects, of_controller, pods_of, runs
from kntls.knative.names import ACTIVATOR, CONTROLLER, LEGACY_FLAG, Surface
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, LEASE, POD
from kntls.model.objects import ObjectRef, dig, name_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.surfaces.config import last_change
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import activators, rolled_out, younger_than

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` writes; the operator and Knative leave it alone."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"
BUILT_IN = (1, 15)
"""Since this version the controller makes certificates itself; before, net-certmanager does and needs no restart."""
READS = frozenset({DEPLOYMENT, POD, CONFIG_MAP, LEASE})


def _stamp(observation: Observation, ref: ObjectRef) -> str:
    template = dig(observation.find(ref) or {}, "spec", "template", default={})
    return str(dig(template, "metadata", "annotations", RESTARTED, default=""))


def _rolled(observation: Observation, ref: ObjectRef) -> bool:
    found = observation.find(ref)
    return found is not None and rolled_out(found)


def _restart(
    id: str, sentence: str, ref: ObjectRef, since: Callable[[Observation], str], is_new: Callable[[Observation], bool],
    limit: float, pace: float, releases: tuple[str, ...] = (),
) -> Action:  # fmt: skip
    """Restart that Deployment unless it is new already; `since` is the moment it must be younger than."""

    def changes(observation: Observation) -> tuple[Change, ...]:
        moment = since(observation)
        if is_new(observation) or _stamp(observation, ref) >= moment:
            return ()
        annotations = {"annotations": {RESTARTED: moment}}
        return (Change(Verb.MERGE, ref, {"spec": {"template": {"metadata": annotations}}}),)

    def done(observation: Observation) -> Progress:
        return Progress.of({f"{ref} restarted": is_new(observation) and _rolled(observation, ref)})

    return Action(id, sentence, done, changes, reads=READS, limit=limit, pace=pace, releases=releases)


def controller(ground: Ground, id: str = "restart/controller") -> Action:
    """Have the controller turn KCerts into certificates: it decides at its start whether it does."""
    ref = ground.installation.deployment(CONTROLLER)
    reconciler = of_controller(ground.installation, CERTIFICATE)

    def since(observation: Observation) -> str:
        return last_change(observation, ground.installation) or ground.started.strftime(STAMP)

    def is_new(observation: Observation) -> bool:
        if ground.installation.release[:2] < BUILT_IN:
            return True
        if elects(observation, ground.installation):
            return runs(observation, reconciler)
        return younger_than(pods_of(observation, reconciler), since(observation))

    return _restart(id, "Restart the controller: only then it makes certificates", ref, since, is_new, 0.0, 0.5)


def controller_again(ground: Ground) -> Action:
    """After the last surface is off: stop the certificate controller, which is decided at the start, too."""
    ref = ground.installation.deployment(CONTROLLER)
    reconciler = of_controller(ground.installation, CERTIFICATE)

    def since(observation: Observation) -> str:
        return last_change(observation, ground.installation) or ground.started.strftime(STAMP)

    def is_new(observation: Observation) -> bool:
        if elects(observation, ground.installation):
            return not runs(observation, reconciler)
        return younger_than(pods_of(observation, reconciler), since(observation))

    sentence = "Restart the controller: nothing is left for it to make certificates for"
    return _restart("restart/controller-off", sentence, ref, since, is_new, 0.0, 1.0)


def flag_changed(observation: Observation, ground: Ground) -> str:
    """When system-internal was last switched; empty where it never was."""
    if not {Surface.SYSTEM_INTERNAL.flag, LEGACY_FLAG} & set(ground.network(observation).data):
        return ""
    found = last_change(observation, ground.installation, Surface.SYSTEM_INTERNAL.flag, LEGACY_FLAG)
    return found or ground.started.strftime(STAMP)


def activators_are_new(observation: Observation, installation: Installation, since: str) -> bool:
    """Whether every activator that is not ending was made at that moment or later."""
    pods = (pod for pod in activators(observation, installation) if not dig(pod, "metadata", "deletionTimestamp"))
    return younger_than(pods, since)


def _present(observation: Observation, installation: Installation) -> bool:
    """Whether every activator was seen to present a certificate: better proof than any time."""
    shown = {entry.server.name for entry in observation.presented if entry.role == ACTIVATOR and entry.chain}
    live = [name_of(pod) for pod in activators(observation, installation)]
    return bool(live) and set(live) <= shown


def activator(ground: Ground, *, pace: float = 1.0, limit: float = 0.0) -> Action:
    """Have the activator read whether system-internal is on: it does so at its start."""
    installation = ground.installation

    def is_new(observation: Observation) -> bool:
        encrypted = ground.network(observation).on(Surface.SYSTEM_INTERNAL) and _present(observation, installation)
        return encrypted or activators_are_new(observation, installation, flag_changed(observation, ground))

    return _restart(
        "restart/activator",
        "Restart the activator: it reads whether system-internal is on when it starts",
        installation.deployment(ACTIVATOR),
        lambda observation: flag_changed(observation, ground),
        is_new,
        limit,
        pace,
    )
