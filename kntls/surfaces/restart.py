"""Restarts, only where they are owed: a process that read its configuration at start and is older than it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
    ground: Ground, id: str, sentence: str, ref: ObjectRef, since: Callable[[Observation], str],
    is_new: Callable[[Observation], bool],
) -> Action:  # fmt: skip
    """Restart that Deployment once in this plan, unless it is new; `since` is the change it must know of.

    What was written is compared for equality only: others write their own clocks and time zones there.
    """

    def changes(observation: Observation) -> tuple[Change, ...]:
        moment = max(since(observation), ground.started.strftime(STAMP))
        if is_new(observation) or _stamp(observation, ref) == moment:
            return ()
        annotations = {"annotations": {RESTARTED: moment}}
        return (Change(Verb.MERGE, ref, {"spec": {"template": {"metadata": annotations}}}),)

    def done(observation: Observation) -> Progress:
        return Progress.of({f"{ref} restarted": is_new(observation) and _rolled(observation, ref)})

    return Action(id, sentence, done, changes, reads=READS, pace=0.5)


def again(observation: Observation, ref: ObjectRef) -> Change:
    """Restart that Deployment now, whatever its age."""
    annotations = {"annotations": {RESTARTED: observation.taken_at.strftime(STAMP)}}
    return Change(Verb.MERGE, ref, {"spec": {"template": {"metadata": annotations}}})


def _makes_certificates(observation: Observation, ground: Ground) -> bool | None:
    """Whether the controller makes certificates now; None where it has no Leases by which to tell."""
    if not elects(observation, ground.installation):
        return None
    return runs(observation, of_controller(ground.installation, CERTIFICATE))


def _controllers_are_new(observation: Observation, ground: Ground) -> bool:
    """Whether the controller is younger than its configuration."""
    pods = pods_of(observation, of_controller(ground.installation, CERTIFICATE))
    return younger_than(pods, last_change(observation, ground.installation))


def controller(ground: Ground) -> Action:
    """Have the controller turn KCerts into certificates: it decides at its start whether it does."""

    def is_new(observation: Observation) -> bool:
        if ground.installation.release[:2] < BUILT_IN:
            return True
        makes = _makes_certificates(observation, ground)
        return _controllers_are_new(observation, ground) if makes is None else makes

    return _restart(
        ground,
        "restart/controller",
        "Restart the controller: only then it makes certificates",
        ground.installation.deployment(CONTROLLER),
        lambda observation: last_change(observation, ground.installation),
        is_new,
    )


def controller_again(ground: Ground) -> Action:
    """After the last surface is off: stop the certificate controller, which is decided at the start, too."""

    def is_new(observation: Observation) -> bool:
        makes = _makes_certificates(observation, ground)
        return _controllers_are_new(observation, ground) if makes is None else not makes

    return _restart(
        ground,
        "restart/controller-off",
        "Restart the controller: nothing is left for it to make certificates for",
        ground.installation.deployment(CONTROLLER),
        lambda observation: last_change(observation, ground.installation),
        is_new,
    )


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

    action = _restart(
        ground,
        "restart/activator",
        "Restart the activator: it reads whether system-internal is on when it starts",
        installation.deployment(ACTIVATOR),
        lambda observation: flag_changed(observation, ground),
        is_new,
    )
    return replace(action, pace=pace, limit=limit)
