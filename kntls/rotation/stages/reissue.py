"""Stage 5, reissue: every leaf is signed by the new key — in windows, the routing certificate first."""

from __future__ import annotations

from datetime import UTC, datetime

from kntls.certmanager.leaves import Leaf, trigger
from kntls.engine.run import some
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, SECRET
from kntls.model.objects import dig
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.rotation.situation import Situation, Target, phase, situation
from kntls.rotation.stages.stage import Stage


def wrong_with(leaf: Leaf, now: Situation) -> str:
    """What a leaf still lacks; empty when it is signed by the new key, complete, and for the right names."""
    if leaf.material is None or leaf.x509 is None:
        return "has no certificate yet"
    if now.new is None or not leaf.signed_by(now.new.signer):
        return "is signed by another CA"
    if not leaf.material.key_matches:
        return "its key does not match"
    wanted = frozenset(dig(leaf.certificate, "spec", "dnsNames", default=[]))
    if missing := wanted - leaf.x509.sans.dns:
        return f"lacks the name {sorted(missing)[0]}"
    return "is still being issued" if leaf.issuing or not leaf.ready else ""


def _failed(leaf: Leaf, since: datetime | None) -> str:
    """The message of an issuance that failed after the rotation (or its resumption) began."""
    stamp = dig(leaf.certificate, "status", "lastFailureTime", default="")
    if not leaf.failure or not stamp or since is None:
        return ""
    failed_at = datetime.strptime(str(stamp), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return leaf.failure if failed_at >= since.replace(microsecond=0) else ""


def _window(now: Situation) -> tuple[Leaf, ...]:
    """The leaves to trigger now: of the first phase that is not through, as many as the window has room for."""
    waiting = [leaf for leaf in now.leaves if wrong_with(leaf, now)]
    if not waiting:
        return ()
    first = phase(waiting[0])
    busy = [leaf for leaf in waiting if leaf.issuing]
    room = max(0, now.target.window - len(busy))
    return tuple(leaf for leaf in waiting if phase(leaf) == first and not leaf.issuing)[:room]


def _actions(now: Situation, target: Target) -> tuple[Action, ...]:
    def changes(observation: Observation) -> tuple[Change, ...]:
        current = situation(observation, target)
        return tuple(trigger(leaf, observation.taken_at) for leaf in _window(current))

    def done(observation: Observation) -> Progress:
        current = situation(observation, target)
        return Progress.of({str(leaf.ref): not wrong_with(leaf, current) for leaf in current.leaves})

    def guard(observation: Observation) -> str:
        current = situation(observation, target)
        if not current.switched:
            return f"ClusterIssuer {target.issuer} no longer names Secret {target.new_secret}"
        failed = {leaf.ref: _failed(leaf, target.started_at) for leaf in current.leaves}
        said = [f"{ref}: {message}" for ref, message in failed.items() if message]
        return f"cert-manager could not issue: {some(said)}" if said else ""

    return (
        Action(
            "reissue/leaves",
            f"Have {len(now.leaves)} certificates issued again, {target.window} at a time",
            done,
            changes,
            guard,
            reads=frozenset({CERTIFICATE, SECRET, CLUSTER_ISSUER, CONFIG_MAP}),
            stage="reissue",
        ),
    )


STAGE = Stage("reissue", "every leaf is signed by the new key", _actions)
