"""A plug-in CA in the cluster as a plan: the Secret, the control plane's setting, and the owed restarts in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kntls.mesh.cacerts.material import CA_CERT, CA_KEY, CHAIN, NAME, ROOT, CaMaterial, from_observed
from kntls.mesh.cacerts.rotation import MULTI_ROOT, Next, Step
from kntls.mesh.inventory import inventory
from kntls.mesh.resources import from_objects
from kntls.model.concealed import Concealed
from kntls.model.kinds import DEPLOYMENT, NAMESPACE, SECRET, SMCP, SMMR
from kntls.model.objects import Object, ObjectRef, dig, labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb

STAMP = "kntls.dev/cacerts"
"""Annotation on pod templates: which CA the pods were started with; its change is what restarts them."""

PLUGGED: Mapping[str, Any] = {
    "dataPlane": {"mtls": True},
    "certificateAuthority": {
        "type": "Istiod",
        "istiod": {"type": "PrivateKey", "privateKey": {"rootCADir": "/etc/cacerts"}},
    },
}
SELF_SIGNED: Mapping[str, Any] = {
    "certificateAuthority": {"type": "Istiod", "istiod": {"type": "SelfSigned", "privateKey": None}}
}
"""`spec.security` of an SMCP with and without a plug-in CA."""

READS = frozenset({SECRET, SMCP, SMMR, DEPLOYMENT, NAMESPACE})


class Turn(IntEnum):
    """When a Deployment is restarted: istiod first, so that nobody gets a certificate of the old CA again."""

    ISTIOD = 0
    GATEWAY = 1
    WORKLOAD = 2


@dataclass(frozen=True)
class Place:
    """Where the CA goes."""

    namespace: str = "istio-system"

    @property
    def secret(self) -> ObjectRef:
        """The Secret Istio reads."""
        return ObjectRef(SECRET, NAME, self.namespace)


def stamp(ca: CaMaterial | None) -> str:
    """A short name for the CA, its chain and its roots; `self-signed` without one."""
    if ca is None:
        return "self-signed"
    parts = "\n".join(each.fingerprint for each in (*ca.ca, *ca.chain, *ca.roots))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def current(observation: Observation, place: Place) -> CaMaterial | None:
    """The plug-in CA that lies in the cluster."""
    secret = observation.find(place.secret)
    return from_observed(secret) if secret else None


def _same(one: CaMaterial | None, other: CaMaterial) -> bool:
    same = one is not None and (one.ca, one.roots, one.chain) == (other.ca, other.roots, other.chain)
    return same and one is not None and one.public_key == other.public_key


def _secret_action(files: Mapping[str, str], ca: CaMaterial, place: Place) -> Action:
    texts = {name: Concealed(text) if name == CA_KEY else text for name, text in files.items()}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": place.namespace},
        "type": "Opaque",
        "stringData": texts,
    }
    change = Change(Verb.APPLY, place.secret, body, force=True, note="the key is not shown")
    return Action(
        id=f"secret/{NAME}",
        sentence=f"Write {place.secret}: CA {ca.signer}, roots {', '.join(map(str, ca.roots))}",
        done=lambda observation: Progress(int(_same(current(observation, place), ca)), 1),
        changes=lambda _: (change,),
        reads=frozenset({SECRET}),
    )


def next_plan(
    step: Next, files: Mapping[str, str], observation: Observation, place: Place, refusals: Iterable[str] = ()
) -> Plan:
    """One step of a root rotation: the Secret (only its roots, unless the CA changes), then the owed restarts.

    `files` are the new CA's; they are read in the step that changes the CA.
    """
    texts: dict[str, str] = {ROOT: "".join(each.pem() for each in step.roots)}
    if step.step is Step.SIGN:
        texts |= {CA_CERT: files[CA_CERT], CA_KEY: Concealed(files[CA_KEY]), CHAIN: files[CHAIN]}
    change = Change(Verb.MERGE, place.secret, {"stringData": texts}, note="a key is not shown")

    def done(observation: Observation) -> Progress:
        now = current(observation, place)
        arrived = now is not None and now.signer == step.signer and set(now.roots) == set(step.roots)
        return Progress(int(arrived), 1)

    write = Action(
        id=f"secret/{step.step}",
        sentence=f"In {place.secret}: {step.sentence}",
        done=done,
        changes=lambda _: (change,),
        reads=frozenset({SECRET}),
    )
    signers = (step.signer,) if step.signer else ()
    wanted = stamp(CaMaterial("", signers, step.roots))
    actions = (write, *_restarts(observation, place, wanted))
    notes = (*step.before, *_left_out(observation))
    return Plan(f"Root rotation: {step.step}", actions, notes=notes, refusals=tuple(refusals))


def multi_root(observation: Observation, place: Place) -> bool:
    """Whether istiod runs with ISTIO_MULTIROOT_MESH, by the environment of its Deployment."""
    return any(
        entry.get("name") == MULTI_ROOT and str(entry.get("value")).lower() in ("1", "t", "true")
        for each in observation.all(DEPLOYMENT, namespace=place.namespace)
        if turn_of(each, place.namespace) is Turn.ISTIOD
        for container in dig(each, "spec", "template", "spec", "containers", default=[])
        for entry in container.get("env") or ()
    )


def _smcp_actions(observation: Observation, place: Place, security: Mapping[str, Any]) -> list[Action]:
    return [_smcp_action(name_of(plane), place, security) for plane in observation.all(SMCP, namespace=place.namespace)]


def _smcp_action(name: str, place: Place, security: Mapping[str, Any]) -> Action:
    ref = ObjectRef(SMCP, name, place.namespace)
    change = Change(Verb.MERGE, ref, {"spec": {"security": dict(security)}})

    def done(observation: Observation) -> Progress:
        plane = observation.find(ref) or {}
        return Progress(int(_holds(dig(plane, "spec", "security", default={}), security)), 1)

    return Action(
        id=f"smcp/{name}",
        sentence=f"Tell {ref} which CA to use",
        done=done,
        changes=lambda _: (change,),
        reads=frozenset({SMCP}),
    )


def _holds(value: Any, wanted: Any) -> bool:
    """Whether a value already is what a merge patch would make of it."""
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    found = value if isinstance(value, Mapping) else {}
    return all(_holds(found.get(key), each) for key, each in wanted.items())


def turn_of(deployment: Object, root_namespace: str) -> Turn | None:
    """When a Deployment is restarted, by its labels; None for one that is neither istiod nor a gateway."""
    if namespace_of(deployment) != root_namespace:
        return None
    labels = {**labels_of(deployment), **dig(deployment, "spec", "template", "metadata", "labels", default={})}
    if labels.get("app") == "istiod":
        return Turn.ISTIOD
    gateway = "gateway" in labels.get("istio", "") or "gateway" in labels.get("app", "")
    return Turn.GATEWAY if gateway else None


def owed(observation: Observation, place: Place) -> list[tuple[Turn, Object]]:
    """The Deployments to restart, in order: istiod, gateways, then every workload with a sidecar.

    Deployments of Knative revisions are left out: their controller would take the annotation back.
    """
    deployments = list(observation.all(DEPLOYMENT))
    found = [(turn, each) for each in deployments if (turn := turn_of(each, place.namespace)) is not None]
    objects = [*deployments, *observation.all(NAMESPACE), *observation.all(SMMR), *observation.all(SMCP)]
    inside = {(m.namespace, m.name) for m in inventory(from_objects(objects)) if m.sidecar}
    done = {(namespace_of(each), name_of(each)) for _, each in found}
    found += [
        (Turn.WORKLOAD, each)
        for each in deployments
        if (namespace_of(each), name_of(each)) in inside - done and not is_revision(each)
    ]
    return sorted(found, key=lambda pair: (pair[0], namespace_of(pair[1]), name_of(pair[1])))


def is_revision(deployment: Object) -> bool:
    """Whether a Knative revision owns it."""
    return any(each.get("kind") == "Revision" for each in dig(deployment, "metadata", "ownerReferences", default=[]))


def _restart(turn: Turn, deployment: Object, wanted: str) -> Action:
    ref = ObjectRef(DEPLOYMENT, name_of(deployment), namespace_of(deployment))
    patch = {"spec": {"template": {"metadata": {"annotations": {STAMP: wanted}}}}}
    change = Change(Verb.MERGE, ref, patch)

    def changes(observation: Observation) -> tuple[Change, ...]:
        return () if _stamped(observation.find(ref), wanted) else (change,)

    return Action(
        id=f"restart/{ref.namespace}/{ref.name}",
        sentence=f"Restart {ref}",
        done=lambda observation: _rolled_out(observation.find(ref), wanted),
        changes=changes,
        reads=frozenset({DEPLOYMENT}),
        stage=f"restart {turn.name.lower()}s" if turn else "restart istiod",
    )


def _stamped(deployment: Object | None, wanted: str) -> bool:
    found = dig(deployment or {}, "spec", "template", "metadata", "annotations", STAMP)
    return bool(found == wanted)


def _rolled_out(deployment: Object | None, wanted: str) -> Progress:
    """Whether every replica runs with that stamp, as `kubectl rollout status` judges it."""
    if deployment is None:
        return Progress(1, 1)
    status = dig(deployment, "status", default={})
    replicas = int(dig(deployment, "spec", "replicas", default=1))
    seen = int(status.get("observedGeneration") or 0) >= int(dig(deployment, "metadata", "generation", default=0))
    fresh = _stamped(deployment, wanted) and seen
    counts = [int(status.get(key) or 0) for key in ("updatedReplicas", "availableReplicas")]
    done = min(*counts, replicas) if fresh else 0
    left = int(status.get("replicas") or 0) - replicas
    missing = () if fresh and done >= replicas and left <= 0 else (f"{namespace_of(deployment)}/{name_of(deployment)}",)
    return Progress(done, replicas, missing)


def _restarts(observation: Observation, place: Place, wanted: str) -> list[Action]:
    return [_restart(turn, each, wanted) for turn, each in owed(observation, place)]


def _left_out(observation: Observation) -> tuple[str, ...]:
    revisions = sum(map(is_revision, observation.all(DEPLOYMENT)))
    note = f"{revisions} Deployments of Knative revisions are not restarted: delete their pods when the rest is done"
    return (note,) if revisions else ()


def install_plan(
    files: Mapping[str, str], ca: CaMaterial, observation: Observation, place: Place, refusals: Iterable[str] = ()
) -> Plan:
    """Write the Secret, set the SMCP where there is one, restart istiod, gateways and workloads in that order."""
    actions = [
        _secret_action(files, ca, place),
        *_smcp_actions(observation, place, PLUGGED),
        *_restarts(observation, place, stamp(ca)),
    ]
    notes = [*_left_out(observation), "afterwards: kntls mesh cacerts check looks at what workloads present"]
    return Plan(
        f"Plug in the CA {ca.signer}",
        tuple(actions),
        notes=tuple(notes),
        interruptions=_interruptions(observation, place, ca),
        refusals=tuple(refusals),
    )


def _interruptions(observation: Observation, place: Place, ca: CaMaterial) -> tuple[str, ...]:
    before = current(observation, place)
    if before and set(before.roots) <= set(ca.roots):
        return ()
    return ("between two restarts, workloads of the old and of the new root refuse each other's certificates",)


def remove_plan(observation: Observation, place: Place) -> Plan:
    """Back to istiod's self-signed CA: the SMCP's setting, the Secret, the restarts."""
    ref = place.secret
    delete = Action(
        id=f"delete/{NAME}",
        sentence=f"Delete {ref}",
        done=lambda observation: Progress(int(observation.find(ref) is None), 1),
        changes=lambda _: (Change(Verb.DELETE, ref),),
        reads=frozenset({SECRET}),
    )
    actions = [
        *_smcp_actions(observation, place, SELF_SIGNED),
        delete,
        *_restarts(observation, place, stamp(None)),
    ]
    interruption = "istiod makes a new root: until all are restarted, workloads refuse each other's certificates"
    return Plan("Remove the plug-in CA", tuple(actions), notes=_left_out(observation), interruptions=(interruption,))
