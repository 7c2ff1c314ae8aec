"""Plans: a rotation from the stages, judged before anything is written; a rollback is the same towards the old CA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kntls.certmanager import installation as certmanager
from kntls.certmanager.authority import Authority, authority_in, is_current
from kntls.certmanager.issuers import kind_of
from kntls.engine.run import some
from kntls.errors import KntlsError, NotFound, Refused, UsageError
from kntls.knative import installation as knative
from kntls.knative.config import configured_issuers
from kntls.knative.names import POLL_SECONDS
from kntls.model.kinds import CLUSTER_ISSUER, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Plan
from kntls.rotation.situation import Situation, Target, generations, signing, situation
from kntls.rotation.stages import STAGES, by_name
from kntls.rotation.stages.distribute import destinations
from kntls.rotation.stages.prepare import problems
from kntls.rotation.stages.retire import holders
from kntls.trust.bundles import Owner
from kntls.trust.edit import obstacle

ISSUED_PER_SECOND = 2.0
"""A cautious rate for the estimate; cert-manager 1.21 did 20/s where it was measured, older ones about 1/s."""


def choose_issuer(observation: Observation, wanted: str = "") -> str:
    """The CA issuer to rotate: the wanted one, else the only one that surfaces in use name.

    Raises `Refused` where no surface is on or where several issuers are in use, naming them.
    """
    if wanted:
        return wanted
    place = knative.detect(observation).namespace
    names = sorted({ref.name for ref in configured_issuers(observation, place).values()})
    if not names:
        fix = "`kntls enable --system-internal` turns it on; `--issuer NAME` rotates an issuer nothing uses yet"
        raise NotFound("no surface is encrypted, so no issuer is in use", fix=fix)
    cas = [name for name in names if _is_ca(observation, name)]
    if len(names) > 1 and len(cas) != 1:
        raise Refused(f"several issuers are in use: {', '.join(names)}", fix=f"`--issuer {names[0]}` says which")
    return (cas or names)[0]


def _is_ca(observation: Observation, name: str) -> bool:
    issuer = observation.get(CLUSTER_ISSUER, name)
    return issuer is not None and kind_of(issuer).rotatable


def _foreign(now: Situation) -> Iterator[str]:
    if now.foreign and not now.target.accept_foreign:
        names = some(f"{leaf.ref.namespace}/{leaf.ref.name}" for leaf in now.foreign)
        yield (
            f"Certificates of this issuer that are not Knative's: {names}; their clients do not get the new CA from us "
            "(fix: --include NS/NAME re-issues one with the others, --accept-foreign leaves them to their next renewal)"
        )


def _other_rotation(now: Situation) -> Iterator[str]:
    if now.target.rollback or now.target.old_secret:
        return
    target, issuer = now.target.new_secret, now.target.issuer
    series = generations(now.observation, now.installation, now.manager, issuer)
    current = now.current.secret.name if now.current else ""
    others = [ca.secret.name for ca in series if ca.secret.name not in (current, target)]
    if others and not now.switched:
        yield (
            f"another rotation of ClusterIssuer {issuer} is half-way: {some(others)} is still in use or trusted "
            f"(fix: finish it or `kntls rotate-ca rollback`; or, if it has nothing to do with this issuer, "
            f"`--old-secret {current}` says which CA is to go)"
        )
    elif len(now.olds) > 1 and not _signs(now):
        names = ", ".join(ca.secret.name for ca in now.olds)
        yield f"several CAs might be the old one: {names} (fix: `--old-secret NAME` says which)"


def _signs(now: Situation) -> bool:
    return bool(set(now.olds) & set(signing(now.observation, now.manager, now.target.issuer)))


def _bundles(now: Situation) -> Iterator[str]:
    for ref, _ in destinations(now):
        if reason := obstacle(now.observation, ref, now.target.adopted):
            yield reason
    for bundle in holders(now):
        if bundle.owner == Owner.OTHER and (reason := obstacle(now.observation, bundle.ref, now.target.adopted)):
            yield reason


def _issuer(now: Situation) -> Iterator[str]:
    if now.current is None and not now.switched:
        yield f"ClusterIssuer {now.target.issuer} names a Secret that holds no CA"
    elif not is_current(now.issuer):
        name = now.target.issuer
        yield f"ClusterIssuer {name} is not Ready (fix: `kubectl describe clusterissuer {name}`)"
    for problem in problems(now):
        if problem.fatal:
            yield f"{now.new_ref}: {problem.text}"


def _refusals(now: Situation) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_issuer(now), *_foreign(now), *_other_rotation(now), *_bundles(now))))


def describe(ca: Authority) -> str:
    """`Secret ca1 (CN=selfsigned-ca, 1f2e3d4c…)`."""
    return f"Secret {ca.secret.name} (CN={ca.signer.common_name}, {ca.anchor.fingerprint[:12]}…)"


def _notes(now: Situation) -> Iterator[str]:
    if now.olds:
        yield f"to retire: {some(describe(ca) for ca in now.olds)}"
    for problem in problems(now):
        if not problem.fatal:
            yield f"{now.new_ref}: {problem.text}"
    if now.foreign and now.target.accept_foreign:
        yield f"left to their next renewal: {some(str(leaf.ref) for leaf in now.foreign)}"
    for bundle in holders(now):
        if bundle.owner == Owner.TRUST_MANAGER:
            name = bundle.owner_name
            yield f"{bundle.ref} is trust-manager's: add the new CA to Bundle {name} now, remove the old one at the end"
    for bundle in now.published:
        yield f"workloads that read {bundle.ref} only at start need a restart between distribute and switch"


def _interruptions(now: Situation) -> Iterator[str]:
    drain = knative.drain_seconds(now.observation, now.installation)
    yield (
        f"TLS requests to a Route's host that run longer than {drain} s (the gateway's drain time) are closed, once, "
        "when that Route's certificate is re-issued; nobody else"
    )


WORK = {"prepare": 5.0, "switch": 5.0, "serve": float(POLL_SECONDS)}
"""Seconds that what is not done of a stage takes beside its waits."""


def _eta(now: Situation, actions: Iterable[Action]) -> float:
    """About how many seconds what is left takes; a wait counts as far as it is not over."""
    left = 0.0
    for action in actions:
        progress = action.done(now.observation)
        if progress.complete:
            left += max(0.0, action.hold - (action.hold_since(now.observation) or 0.0))
        else:
            left += action.hold + WORK.get(action.stage, 0.0)
            left += len(progress.missing) / ISSUED_PER_SECOND if action.stage == "reissue" else 0.0
    return left


def _upto(until: str) -> Iterator[str]:
    for stage in STAGES:
        yield stage.name
        if stage.name == until:
            return


def rotation(observation: Observation, target: Target, until: str = "") -> Plan:
    """The plan that rotates to `target.new_secret`, up to and including the stage `until`.

    Raises what detection raises (`NotInstalled`, `NotFound`) and `Refused` for versions and issuers that cannot;
    `NotFound` where the Secret of the old CA is not there.
    """
    if until and by_name(until) is None:
        stages = ", ".join(stage.name for stage in STAGES)
        raise UsageError(f"no such stage: {until}", where="--until", fix=f"one of {stages}")
    now = situation(observation, target)
    knative.require_supported(now.installation)
    certmanager.require_supported(now.manager)
    if target.old_secret:
        _require_ca(observation, now.manager, target.old_secret)
    wanted = set(_upto(until))
    actions = tuple(action for stage in STAGES if stage.name in wanted for action in stage.actions(now, target))
    verb = "Roll back" if target.rollback else "Rotate"
    title = f"{verb} the CA of ClusterIssuer {target.issuer} to Secret {target.new_secret}"
    return Plan(
        title,
        actions,
        tuple(_notes(now)),
        tuple(_interruptions(now)),
        _refusals(now),
        _eta(now, actions),
        _resume(target),
    )


def _resume(target: Target) -> str:
    if target.rollback:
        return "`kntls rotate-ca rollback` goes on"
    return f"`kntls rotate-ca --new-secret {target.new_secret}` goes on, `kntls rotate-ca rollback` goes back"


def finished(now: Situation) -> bool:
    """Whether there is nothing left to do for this target."""
    return now.switched and not now.olds


def _require_ca(observation: Observation, manager: certmanager.CertManager, secret: str) -> None:
    ref = ObjectRef(SECRET, secret, manager.resource_namespace)
    if authority_in(observation, ref) is None:
        raise NotFound("no such Secret with a CA in it", where=str(ref), fix="`kntls rotate-ca status` lists them")


def previous_secret(observation: Observation, issuer: str, to_secret: str = "") -> tuple[str, str]:
    """For a rollback: the Secret to go back to and the one to retire, told by keys.

    Raises `Refused` where no other CA of the series is left, or several are; `NotFound` where `to_secret` holds none.
    """
    installation, manager = knative.detect(observation), certmanager.detect(observation)
    found = generations(observation, installation, manager, issuer)
    if to_secret:
        _require_ca(observation, manager, to_secret)
        others = [ca.secret.name for ca in found if ca.secret.name != to_secret]
        return to_secret, (others[0] if len(others) == 1 else "")
    if len(found) < 2:
        fix = "`--to-secret NAME` names the Secret to go back to"
        raise Refused("nothing to roll back: only one CA of this issuer is trusted or in use", fix=fix)
    if len(found) > 2:
        names = ", ".join(ca.secret.name for ca in found)
        raise Refused(f"several CAs might be the previous one: {names}", fix="`--to-secret NAME` says which")
    previous, newest = sorted(found, key=lambda ca: ca.signer.not_before)
    return previous.secret.name, newest.secret.name


def rollback(observation: Observation, target: Target, to_secret: str = "") -> Plan:
    """The plan that goes back: the same stages towards the previous Secret, the new one retired at the end."""
    to, away = previous_secret(observation, target.issuer, to_secret)
    return rotation(observation, replace(target, new_secret=to, old_secret=away, rollback=True))


def pending(plan: Plan, observation: Observation) -> Iterator[tuple[Action, bool]]:
    """Each action with whether it is done already, as far as an observation tells."""
    for action in plan.actions:
        try:
            yield action, action.done(observation).complete
        except KntlsError:
            yield action, False
