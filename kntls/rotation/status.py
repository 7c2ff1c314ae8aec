"""Where a rotation stands: a pure classification of what is seen, with what is missing and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from kntls.certmanager import installation as certmanager
from kntls.certmanager.authority import Authority, cluster_issuer
from kntls.knative import installation as knative
from kntls.model.objects import dig
from kntls.model.observation import Observation
from kntls.model.plan import Progress
from kntls.rotation.situation import Target, generations, signing, situation
from kntls.rotation.stages import STAGES


@dataclass(frozen=True)
class StageState:
    """One stage as seen."""

    name: str
    achieves: str
    progress: Progress


@dataclass(frozen=True)
class RotationStatus:
    """A rotation as seen."""

    issuer: str
    secret: str
    """What the issuer signs with now."""
    generations: tuple[Authority, ...]
    under_way: bool
    target: str
    """The Secret the rotation goes to; the present one where none is under way."""
    retiring: tuple[str, ...]
    """Secrets whose CA is still trusted or in use and is to go."""
    stages: tuple[StageState, ...]

    @property
    def stage(self) -> StageState | None:
        """The first stage that is not done; None where all are."""
        return next((state for state in self.stages if not state.progress.complete), None)


def guess_target(observation: Observation, issuer: str) -> str:
    """The Secret a half-way rotation goes to: the newest CA of the series, unless the issuer has moved past it.

    With every leaf signed by the CA that the issuer names and an older one merely trusted, the older one is what is
    left to retire; with a newer one trusted, that is what was being rotated to.
    """
    installation, manager = knative.detect(observation), certmanager.detect(observation)
    found = generations(observation, installation, manager, issuer)
    named = str(dig(cluster_issuer(observation, issuer), "spec", "ca", "secretName", default=""))
    signers = signing(observation, manager, issuer)
    newest = max(found, key=lambda ca: ca.signer.not_before, default=None)
    if newest is None or len(found) == 1:
        return named
    going_back = newest.secret.name != named and newest in signers
    return named if going_back else newest.secret.name


def status(observation: Observation, issuer: str, target: str = "") -> RotationStatus:
    """Classify by looking: bundles, issuer, which key signed each leaf, what servers present."""
    secret = target or guess_target(observation, issuer)
    aim = Target(issuer, secret)
    now = situation(observation, aim)
    found = generations(observation, now.installation, now.manager, issuer)
    states = []
    for stage in STAGES:
        seen = [action.done(observation) for action in stage.actions(now, aim)]
        missing = tuple(name for progress in seen for name in progress.missing)
        total = sum(progress.total for progress in seen)
        states.append(StageState(stage.name, stage.achieves, Progress(total - len(missing), total, missing)))
    named = str(dig(now.issuer, "spec", "ca", "secretName", default=""))
    retiring = tuple(ca.secret.name for ca in now.olds)
    return RotationStatus(issuer, named, found, bool(retiring) or named != secret, secret, retiring, tuple(states))
