"""Restarts owed: components that read a setting only at start and run with an older one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kntls.knative.config import network
from kntls.knative.installation import Installation
from kntls.knative.names import ACTIVATOR, CONTROLLER, ROUTING_CERTIFICATE, Surface
from kntls.model.kinds import KCERT
from kntls.model.objects import ObjectRef, dig
from kntls.model.observation import Observation


@dataclass(frozen=True)
class Owed:
    """One restart that is owed."""

    deployment: ObjectRef
    reason: str

    @property
    def command(self) -> str:
        """The command that pays it."""
        return f"kubectl rollout restart deploy/{self.deployment.name} -n {self.deployment.namespace}"


def _controller(observation: Observation, installation: Installation) -> Iterator[Owed]:
    """The certificate controller runs only if a surface was on when the process started: then KCerts have a status."""
    if not network(observation, installation.namespace).surfaces:
        return
    kcert = observation.get(KCERT, ROUTING_CERTIFICATE, installation.namespace)
    if kcert is not None and not dig(kcert, "status", "conditions"):
        yield Owed(installation.deployment(CONTROLLER), "a surface is on, but nobody turns KCerts into certificates")


def _activator(observation: Observation, installation: Installation) -> Iterator[Owed]:
    """The activator listens with TLS only if system-internal was on when it started: then port 8112 answers."""
    if not network(observation, installation.namespace).on(Surface.SYSTEM_INTERNAL):
        return
    shown = [entry for entry in observation.presented if entry.role == "activator"]
    if any(entry.error == "connection refused" for entry in shown):
        yield Owed(installation.deployment(ACTIVATOR), "system-internal is on, but port 8112 is closed")


def restarts_owed(observation: Observation, installation: Installation) -> tuple[Owed, ...]:
    """What must be restarted for the configuration to take effect, as far as the observation shows."""
    return (*_controller(observation, installation), *_activator(observation, installation))
