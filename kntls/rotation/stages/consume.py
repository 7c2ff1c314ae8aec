"""Stage 3, consume: the consumers have had time to take the new CA up."""

from __future__ import annotations

from kntls.engine.ownership import changed_at
from kntls.model.kinds import CONFIG_MAP, SECRET
from kntls.model.observation import Observation
from kntls.model.plan import Action, Progress
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.distribute import both, destinations, holds
from kntls.rotation.stages.reissue import wrong_with
from kntls.rotation.stages.stage import Stage

UNPROVEN = (
    "that activator and Envoy have taken up the new CA: both watch the bundle and apply it within seconds, "
    "but neither says so"
)


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    def done(observation: Observation) -> Progress:
        now = situation(observation, target)
        return Progress.of({str(ref): holds(observation, ref, both(now)) for ref, _ in destinations(now)})

    def held(observation: Observation) -> float | None:
        now = situation(observation, target)
        if not any(wrong_with(leaf, now) for leaf in now.leaves):  # they meet the new CA's leaves already
            return target.soak
        found = [observation.find(ref) for ref, published in destinations(now) if not published]
        times = [changed_at(obj, by="kntls") for obj in found if obj is not None]
        known = [time for time in times if time is not None]
        return (observation.taken_at - max(known)).total_seconds() if known and len(known) == len(times) else None

    return (
        Action(
            "consume/soak",
            f"Give activator and Envoy {target.soak:.0f} s to take up the {target.ca}",
            done,
            reads=frozenset({CONFIG_MAP, SECRET}),
            stage="consume",
            hold=target.soak,
            hold_since=held,
            unproven=UNPROVEN,
        ),
    )


STAGE = Stage("consume", "the consumers have taken up the new CA", _actions)
