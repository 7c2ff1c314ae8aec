"""Stage 4, switch: the issuer, under the same name, signs with the new CA."""

from __future__ import annotations

from kntls.certmanager.authority import is_current
from kntls.engine.ownership import managers_of
from kntls.model.kinds import CLUSTER_ISSUER, CONFIG_MAP, SECRET
from kntls.model.objects import Object, ObjectRef, name_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.distribute import both, destinations, holds
from kntls.rotation.stages.prepare import problems
from kntls.rotation.stages.stage import Stage


def _note(issuer: Object) -> str:
    present = ", ".join(managers_of(issuer, "spec", "ca", "secretName"))
    return f"now managed by {present}" if present else ""


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    ref = ObjectRef(CLUSTER_ISSUER, target.issuer)

    def changes(observation: Observation) -> tuple[Change, ...]:
        now = situation(observation, target)
        if now.switched:
            return ()
        body = {"spec": {"ca": {"secretName": target.new_secret}}}
        return (Change(Verb.MERGE, ref, body, note=_note(now.issuer)),)

    def done(observation: Observation) -> Progress:
        now = situation(observation, target)
        said = f"ClusterIssuer {name_of(now.issuer)} Ready with Secret {target.new_secret}, of its present generation"
        return Progress.of({said: now.switched and is_current(now.issuer)})

    def guard(observation: Observation) -> str:
        now = situation(observation, target)
        if now.new is None:
            return f"{now.new_ref} does not exist"
        if fatal := next((problem.text for problem in problems(now) if problem.fatal), ""):
            return f"{now.new_ref}: {fatal}"
        lacking = [str(spot) for spot, _ in destinations(now) if not holds(observation, spot, both(now))]
        return f"{lacking[0]} does not hold both CAs" if lacking and not now.switched else ""

    return (
        Action(
            f"switch/{target.issuer}",
            f"Point ClusterIssuer {target.issuer} to Secret {target.new_secret}",
            done,
            changes,
            guard,
            reads=frozenset({CLUSTER_ISSUER, SECRET, CONFIG_MAP}),
            stage="switch",
        ),
    )


STAGE = Stage("switch", "the issuer, same name, signs with the new CA", _actions)
