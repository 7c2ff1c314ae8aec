"""The safe subset that `kntls check --fix` mends: nothing here can break a connection that works.

A repair is an entry: which check, what to write, and when not to. What is not mended is printed as a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kntls.certmanager.leaves import leaf_of, trigger
from kntls.checks.check import CHECKS, ERROR, Category, Problem
from kntls.checks.facts import Facts
from kntls.checks.run import Report
from kntls.engine.ownership import gitops_owner
from kntls.engine.predict import after
from kntls.knative.names import ACTIVATOR, CONTROLLER, ROUTING_CERTIFICATE, USER_CERTIFICATE, Surface
from kntls.model.kinds import (
    CERTIFICATE,
    CLUSTER_ISSUER,
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    HANDSHAKES,
    KCERT,
    POD,
    SECRET,
    Kind,
)
from kntls.model.objects import ObjectRef, dig
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from kntls.pki.bundle import is_strict, write
from kntls.trust.bundles import Owner, bundle_of, readings

ENOUGH = 2
"""Ready replicas with which a restart leaves somebody to serve."""
RESTARTED = "kntls.dev/restartedAt"
ISSUANCE = frozenset({CERTIFICATE, SECRET, KCERT, CONFIG_MAP, CLUSTER_ISSUER, DEPLOYMENT})


@dataclass(frozen=True)
class Repair:
    """How to mend what one check finds."""

    sentence: Callable[[Problem], str]
    changes: Callable[[Facts, Problem], tuple[Change, ...]]
    """What to write; empty while there is nothing to write."""
    obstacle: Callable[[Facts, Problem], str]
    """Why it is not mended by itself; empty where it is."""
    reads: frozenset[Kind]


# ------------------------------------------------------------------ bundles


def _strict_form(facts: Facts, problem: Problem) -> tuple[Change, ...]:
    """Every certificate of each value, in the form both consumers read."""
    obj = facts.observation.find(problem.object) if problem.object else None
    if obj is None or problem.object is None:
        return ()
    data = {
        key: write(readings(text)[0].accepted)
        for key, text in bundle_of(obj).data.items()
        if is_strict(text) and readings(text)[0].accepted
    }
    return (Change(Verb.MERGE, problem.object, {"data": data}),) if data else ()


def _bundle_obstacle(facts: Facts, problem: Problem) -> str:
    obj = facts.observation.find(problem.object) if problem.object else None
    if obj is None or problem.object is None or problem.object.kind != CONFIG_MAP:
        return "it is not a trust bundle"
    bundle = bundle_of(obj)
    if bundle.owner in (Owner.TRUST_MANAGER, Owner.EVENTING):
        return f"{bundle.owner} writes it: mend its source {bundle.owner_name}"
    if "PRIVATE KEY" in "".join(bundle.data.values()):
        return "it holds a private key: see KN-TRUST-010"
    if not _strict_form(facts, problem):
        return "no certificate can be read from it"
    return ""


# ------------------------------------------------------------------ certificates


def _certificate_ref(problem: Problem) -> ObjectRef | None:
    """The Certificate to issue again: that of the finding, or of the routing Secret it names."""
    ref = problem.object
    if ref and ref.kind == SECRET and ref.name == ROUTING_CERTIFICATE:
        return ObjectRef(CERTIFICATE, ROUTING_CERTIFICATE, ref.namespace)
    return ref if ref and ref.kind == CERTIFICATE else None


def _reissue(facts: Facts, problem: Problem) -> tuple[Change, ...]:
    ref = _certificate_ref(problem)
    obj = facts.observation.find(ref) if ref else None
    if obj is None:
        return ()
    leaf = leaf_of(facts.observation, obj)
    return () if leaf.issuing else (trigger(leaf, facts.at),)


def _reissue_obstacle(facts: Facts, problem: Problem) -> str:
    ref = _certificate_ref(problem)
    obj = facts.observation.find(ref) if ref else None
    if ref is None or obj is None:
        return "there is no Certificate to issue again"
    if ref.name not in (ROUTING_CERTIFICATE, USER_CERTIFICATE):
        return "re-issuing a Route's certificate closes its requests that outlast the gateway's drain time"
    if facts.authority_of(leaf_of(facts.observation, obj)) is None:
        return "nobody knows which CA would sign it"
    for id in _before_reissue():
        if any(True for _ in CHECKS[id].judge(facts)):
            return f"what would be issued could be refused: mend {id} first"
    return ""


def _before_reissue() -> Iterator[str]:
    """The checks that must find nothing before a working leaf is replaced: all that could spoil the next one."""
    yield from ("KN-TRUST-020", "KN-KCERT-007", "KN-CM-002", "KN-CM-003")
    for id, entry in CHECKS.items():
        if entry.category == Category.ISSUER and entry.severity == ERROR:
            yield id


# ------------------------------------------------------------------ restarts


def _restart(name: str) -> Callable[[Facts, Problem], tuple[Change, ...]]:
    def changes(facts: Facts, problem: Problem) -> tuple[Change, ...]:
        ref = ObjectRef(DEPLOYMENT, name, facts.serving)
        obj = facts.observation.find(ref) or {}
        marks = dig(obj, "spec", "template", "metadata", "annotations", default={})
        rolling = dig(obj, "status", "updatedReplicas", default=0) < dig(obj, "spec", "replicas", default=1)
        if rolling or (RESTARTED in marks and marks[RESTARTED] >= facts.at.strftime("%Y-%m-%dT%H:%M")):
            return ()
        stamp = facts.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}
        return (Change(Verb.MERGE, ref, body),)

    return changes


def _few(facts: Facts, name: str) -> str:
    obj = facts.observation.find(ObjectRef(DEPLOYMENT, name, facts.serving)) or {}
    ready = dig(obj, "status", "readyReplicas", default=0)
    return "" if ready >= ENOUGH else f"only {ready} replica of {name} is ready: a restart could leave nobody"


def _controller_obstacle(facts: Facts, problem: Problem) -> str:
    if Surface.SYSTEM_INTERNAL in facts.surfaces:
        return "it would turn system-internal encryption on, which needs an order: `kntls enable --system-internal`"
    return _few(facts, CONTROLLER)


def _activator_obstacle(facts: Facts, problem: Problem) -> str:
    shown = [entry for entry in facts.observation.presented if entry.role == ACTIVATOR]
    if not any(entry.chain for entry in shown):
        return "it would turn system-internal encryption on, which needs an order: `kntls enable --system-internal`"
    return _few(facts, ACTIVATOR)


_STRICT = Repair(
    lambda problem: f"Write {problem.object} in the form that all consumers read alike",
    _strict_form,
    _bundle_obstacle,
    frozenset({CONFIG_MAP}),
)
_ISSUE_AGAIN = Repair(
    lambda problem: f"Have {_certificate_ref(problem)} issued again", _reissue, _reissue_obstacle, ISSUANCE
)
REPAIRS: dict[str, Repair] = {
    "KN-TRUST-003": _STRICT,
    "KN-TRUST-022": _STRICT,
    "KN-TRUST-006": _ISSUE_AGAIN,
    "KN-LEAF-002": _ISSUE_AGAIN,
    "KN-LEAF-003": _ISSUE_AGAIN,
    "KN-RESTART-001": Repair(
        lambda problem: "Restart the controller: only then it makes certificates",
        _restart(CONTROLLER),
        _controller_obstacle,
        frozenset({DEPLOYMENT, KCERT, CERTIFICATE, CONFIG_MAP}),
    ),
    "KN-RESTART-005": Repair(
        lambda problem: "Restart the controller: only then it makes certificates",
        _restart(CONTROLLER),
        _controller_obstacle,
        frozenset({DEPLOYMENT, KCERT, CERTIFICATE, CONFIG_MAP, POD, CRD}),
    ),
    "KN-RESTART-002": Repair(
        lambda problem: "Restart the activator: one of its pods runs with an older configuration",
        _restart(ACTIVATOR),
        _activator_obstacle,
        frozenset({DEPLOYMENT, POD, CONFIG_MAP, KCERT, SECRET, HANDSHAKES}),
    ),
}
"""Check → its repair; a new one is one entry."""


def _still(check: str, object: ObjectRef | None, observation: Observation) -> bool:
    return any(problem.object == object for problem in CHECKS[check].judge(Facts(observation)))


def _action(check: str, problem: Problem) -> Action:
    repair = REPAIRS[check]
    name = f"{problem.object}: {CHECKS[check].sentence}" if problem.object else CHECKS[check].sentence
    return Action(
        f"{check}/{problem.object}",
        repair.sentence(problem),
        done=lambda observation: Progress.of({name: not _still(check, problem.object, observation)}),
        changes=lambda observation: repair.changes(Facts(observation), problem),
        guard=lambda observation: repair.obstacle(Facts(observation), problem),
        reads=repair.reads,
        stage=check,
    )


def _tracked(facts: Facts, changes: tuple[Change, ...]) -> str:
    """Which GitOps controller would write one of these objects back; empty where none does."""
    for change in changes:
        obj = facts.observation.find(change.ref)
        if obj is not None and (owner := gitops_owner(obj)):
            return f"{owner} tracks {change.ref} and would write it back"
    return ""


def _once(observation: Observation, changes: tuple[Change, ...]) -> Observation:
    """The observation as it will be once the changes are written."""
    for change in changes:
        kind = change.ref.kind
        others = [obj for obj in observation.all(kind) if obj is not observation.find(change.ref)]
        written = after(observation.find(change.ref), change)
        observation = observation.with_objects({kind: [*others, *([written] if written else [])]})
    return observation


def plan(observation: Observation, report: Report) -> Plan:
    """What can be mended safely, as a plan; everything else that was found is noted with its command.

    Each repair is judged on the world as those before it leave it: a bundle first, then what depends on it.
    """
    found = {result.check.id: result for result in report.results if result.found}
    actions: dict[str, Action] = {}
    obstacles: dict[str, str] = {}
    for check, repair in REPAIRS.items():
        for problem in (entry.problem for entry in found[check].found) if check in found else ():
            sentence, facts = repair.sentence(problem), Facts(observation)
            if sentence in actions:
                continue
            if obstacle := repair.obstacle(facts, problem) or _tracked(facts, repair.changes(facts, problem)):
                obstacles[check] = obstacle
            else:
                actions[sentence] = _action(check, problem)
                observation = _once(observation, repair.changes(facts, problem))
    return Plan("Mend what can be mended safely", tuple(actions.values()), tuple(_notes(report, actions, obstacles)))


def _notes(report: Report, actions: dict[str, Action], obstacles: dict[str, str]) -> Iterator[str]:
    """What is left to people."""
    mended = {action.stage for action in actions.values()}
    for result in report.results:
        why = f" ({obstacles[result.check.id]})" if result.check.id in obstacles else ""
        if result.check.id in mended and not why:
            continue
        for fix in dict.fromkeys(problem.fix for problem in result.roots if problem.fix):
            yield f"{result.check.id} is yours to mend{why}: {fix}"
