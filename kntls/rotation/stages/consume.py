"""Stage 3, consume: the consumers have had time to take the new CA up."""

from __future__ import annotations

from datetime import UTC, datetime

from kntls.model.kinds import CONFIG_MAP, SECRET
from kntls.model.objects import Object, dig
from kntls.model.observation import Observation
from kntls.model.plan import Action, Progress
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.distribute import both, destinations, holds
from kntls.rotation.stages.stage import Stage

UNPROVEN = (
    "that activator and Envoy have taken up the new CA: both watch the bundle and apply it within seconds, "
    "but neither says so"
)


def written_at(obj: Object) -> datetime | None:
    """When kntls last changed an object, from its managed fields."""
    times = [
        entry["time"]
        for entry in dig(obj, "metadata", "managedFields", default=[])
        if entry.get("manager") == "kntls" and entry.get("time")
    ]
    return datetime.strptime(max(times), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if times else None


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    def done(observation: Observation) -> Progress:
        now = situation(observation, target)
        return Progress.of({str(ref): holds(observation, ref, both(now)) for ref, _ in destinations(now)})

    def held(observation: Observation) -> float | None:
        now = situation(observation, target)
        found = [observation.find(ref) for ref, published in destinations(now) if not published]
        times = [written_at(obj) for obj in found if obj is not None]
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
