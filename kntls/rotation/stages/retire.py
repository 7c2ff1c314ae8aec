"""Stage 7, retire: after the grace time the old CA, and nothing else, leaves every bundle."""

from __future__ import annotations

from kntls.engine.run import some
from kntls.knative.names import ROUTING_CERTIFICATE
from kntls.model.kinds import CERTIFICATE, CONFIG_MAP, HANDSHAKES, KCERT, POD, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.reissue import wrong_with
from kntls.rotation.stages.serve import presenting
from kntls.rotation.stages.stage import Stage
from kntls.trust.bundles import Owner, TrustBundle, bundles, published
from kntls.trust.consumers import consumers, effective_trust
from kntls.trust.edit import removing
from kntls.trust.impact import impact

READS = frozenset({CONFIG_MAP, SECRET, CERTIFICATE, POD, KCERT, HANDSHAKES})
UNPROVEN = "that every consumer refuses a leaf of the old CA: no canary asks them yet"


def holders(now: Situation) -> tuple[TrustBundle, ...]:
    """Every bundle in a namespace that is read, or published, that still holds an old CA."""
    read = [bundle for space in now.installation.trust_namespaces for bundle in bundles(now.observation, space)]
    old = {ca.anchor for ca in now.olds}
    return tuple(bundle for bundle in (*read, *published(now.observation)) if old & set(bundle.certificates))


def _writable(bundle: TrustBundle, target: Target) -> bool:
    return bundle.owner == Owner.KNTLS or bundle.ref in target.adopted


def _has_successor(bundle: TrustBundle, now: Situation) -> bool:
    """Whether the new CA lies where the old one is to go: in that bundle, or in another one of its namespace."""
    beside = (bundle, *bundles(now.observation, bundle.ref.namespace))
    return now.new is not None and any(now.new.anchor in other.certificates for other in beside)


def still_trusted(now: Situation) -> dict[str, bool]:
    """Each place that may hold an old CA → whether it is free of it."""
    places = {str(ref): True for ref in _places(now)}
    places |= {f"{bundle.ref}{_remedy(bundle)}": False for bundle in holders(now)}
    for consumer in consumers(now.installation):
        trust = effective_trust(now.observation, consumer)
        for ca in now.olds:
            for source in trust.anchors.get(ca.anchor, ()):
                if source.ref.kind == SECRET and source.ref.name == ROUTING_CERTIFICATE:
                    places[str(source)] = False
    return places


def _places(now: Situation) -> tuple[ObjectRef, ...]:
    spaces = now.installation.trust_namespaces
    return tuple(bundle.ref for space in spaces for bundle in bundles(now.observation, space))


def _remedy(bundle: TrustBundle) -> str:
    if bundle.owner == Owner.TRUST_MANAGER:
        return f" (remove the old CA from the sources of trust-manager's Bundle {bundle.owner_name})"
    adopt = f" (remove it there, or `--adopt {bundle.ref.namespace}/{bundle.ref.name}`)"
    return "" if bundle.owner == Owner.KNTLS else adopt


def objection(now: Situation) -> str:
    """Why the old CA must not go yet: a leaf, a server or a handshake that still needs it."""
    if waiting := [f"{leaf.ref} {why}" for leaf in now.leaves if (why := wrong_with(leaf, now))]:
        return some(waiting)
    if showing := [name for name, new in presenting(now).items() if not new]:
        return f"still presenting a leaf of another CA: {some(showing)}"
    broken = [str(entry) for ca in now.olds for entry in impact(now.observation, now.installation, ca.anchor)]
    return some(broken)


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    def waited(observation: Observation) -> Progress:
        return Progress.of(presenting(situation(observation, target)))

    def changes(observation: Observation) -> tuple[Change, ...]:
        now = situation(observation, target)
        spots = [bundle.ref for bundle in holders(now) if _writable(bundle, target) and _has_successor(bundle, now)]
        old = [ca.anchor for ca in now.olds]
        return tuple(change for ref in spots for change in removing(observation, ref, old))

    def done(observation: Observation) -> Progress:
        return Progress.of(still_trusted(situation(observation, target)))

    def needless(observation: Observation) -> float | None:
        now = situation(observation, target)
        return None if holders(now) else target.grace

    grace = Action(
        "retire/grace",
        f"Wait {target.grace:.0f} s for pods that were starting meanwhile",
        waited,
        reads=READS,
        stage="retire",
        hold=target.grace,
        hold_since=needless,
    )
    remove = Action(
        "retire/old",
        f"Remove the CA of Secret {target.old_secret} from every bundle"
        if target.rollback
        else "Remove the old CA from every bundle",
        done,
        changes,
        guard=lambda observation: objection(situation(observation, target)),
        reads=READS,
        stage="retire",
        unproven=UNPROVEN,
    )
    return (grace, remove)


STAGE = Stage("retire", "the old CA is in no bundle and no trusted ca.crt", _actions)
