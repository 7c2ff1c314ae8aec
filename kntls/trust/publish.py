"""Publishing trust into user namespaces, and what a rotation will ask of the workloads that use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kntls.certmanager.authority import authority_in, secret_of
from kntls.certmanager.issuers import kind_of
from kntls.errors import NotFound, NotInstalled, Refused
from kntls.knative.config import configured_issuers
from kntls.knative.names import EVENTING, TRUST_BUNDLE_LABEL
from kntls.model.kinds import BUNDLE, CLUSTER_ISSUER, CONFIG_MAP, CRD, NAMESPACE, SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from kntls.pki.bundle import write
from kntls.pki.certificate import Certificate
from kntls.trust.bundles import BUNDLE_NAME, PUBLISHED_KEY, bundle_of
from kntls.trust.edit import adding, obstacle

MOUNT = "/etc/knative-ca"


@dataclass(frozen=True)
class Way:
    """One way a workload can take the published CAs, and what a rotation needs of it."""

    name: str
    rotation: str
    """`nothing`, `restart`, `rebuild`."""
    snippet: dict[str, Any] | str


def ways(name: str = BUNDLE_NAME, kind: str = "ConfigMap") -> tuple[Way, ...]:
    """The four ways, each with a snippet for a Knative Service's `spec.template.spec`."""
    source = {"secretName": name} if kind == "Secret" else {"name": name}
    volume = {"name": "knative-ca", kind[0].lower() + kind[1:]: source}
    key = "secretKeyRef" if kind == "Secret" else "configMapKeyRef"
    mounted = {
        "containers": [{"volumeMounts": [{"name": "knative-ca", "mountPath": MOUNT, "readOnly": True}]}],
        "volumes": [volume],
    }
    variable = {"name": "KNATIVE_CA", "valueFrom": {key: {"name": name, "key": PUBLISHED_KEY}}}
    resource = "secret" if kind == "Secret" else "configmap"
    read = f"kubectl get {resource} {name} -o go-template='{{{{index .data \"{PUBLISHED_KEY}\"}}}}'"
    return (
        Way("mounted", "nothing where the file is read for each connection; else a restart after distribute", mounted),
        Way(
            "environment",
            "a restart after distribute: variables are set once, at start",
            {"containers": [{"env": [variable]}]},
        ),
        Way("Kubernetes API", "nothing where it is read again; needs a Role with get on it", read),
        Way("image", "a rebuild and a new Revision before switch", f"COPY {PUBLISHED_KEY} {MOUNT}/{PUBLISHED_KEY}"),
    )


def anchors_in_use(
    observation: Observation, serving_namespace: str, resource_namespace: str
) -> tuple[Certificate, ...]:
    """The anchors of every CA issuer that a surface in use names.

    Raises `Refused` where there is none: then nothing could be published.
    """
    found: dict[Certificate, None] = {}
    for reference in configured_issuers(observation, serving_namespace).values():
        issuer = observation.get(CLUSTER_ISSUER, reference.name)
        if issuer is None or not kind_of(issuer).rotatable:
            continue
        authority = authority_in(observation, secret_of(issuer, resource_namespace))
        if authority is not None:
            found[authority.anchor] = None
    if not found:
        raise Refused(
            "no surface is on with a CA issuer, so there is no CA to publish", fix="`kntls enable --cluster-local`"
        )
    return tuple(found)


def _missing_namespace(observation: Observation, namespace: str) -> str:
    known = observation.get(NAMESPACE, namespace) is not None
    return "" if known else f"there is no namespace {namespace}"


def publish_action(ref: ObjectRef, anchors: tuple[Certificate, ...]) -> Action:
    """Put the CAs into a ConfigMap or Secret of a user namespace (no trust-bundle label: Eventing overwrites those)."""

    def changes(observation: Observation) -> tuple[Change, ...]:
        return adding(observation, ref, anchors, published=True)

    def done(observation: Observation) -> Progress:
        obj = observation.find(ref)
        held = set(bundle_of(obj).certificates) if obj else set()
        return Progress.of({str(ref): set(anchors) <= held and not changes(observation)})

    def guard(observation: Observation) -> str:
        return _missing_namespace(observation, ref.namespace) or obstacle(observation, ref)

    sentence = f"Publish {len(anchors)} CA{'s' if len(anchors) > 1 else ''} as {ref}"
    return Action(
        f"publish/{ref.namespace}", sentence, done, changes, guard, reads=frozenset({CONFIG_MAP, SECRET, NAMESPACE})
    )


def trust_manager_bundle(name: str, namespaces: Iterable[str], anchors: tuple[Certificate, ...]) -> dict[str, Any]:
    """A trust-manager Bundle that writes the CAs into these namespaces."""
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": sorted(namespaces)}
    return {
        "apiVersion": BUNDLE.api_version,
        "kind": "Bundle",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kntls"}},
        "spec": {
            "sources": [{"inLine": write(anchors)}],
            "target": {"configMap": {"key": PUBLISHED_KEY}, "namespaceSelector": {"matchExpressions": [names]}},
        },
    }


def has_trust_manager(observation: Observation) -> bool:
    """Whether trust-manager's Bundles exist here."""
    return observation.get(CRD, BUNDLE.resource) is not None or any(observation.all(BUNDLE))


def eventing_action(anchors: tuple[Certificate, ...]) -> Action:
    """Put the CAs into a bundle of knative-eventing: its sources copy it to where they need it."""
    ref = ObjectRef(CONFIG_MAP, BUNDLE_NAME, EVENTING)

    def changes(observation: Observation) -> tuple[Change, ...]:
        return adding(observation, ref, anchors)

    def done(observation: Observation) -> Progress:
        return Progress.of({f"{ref} labelled {TRUST_BUNDLE_LABEL}": not changes(observation)})

    return Action(
        "publish/eventing",
        f"Give Eventing the CAs as {ref}",
        done,
        changes,
        guard=lambda observation: _missing_namespace(observation, EVENTING) or obstacle(observation, ref),
        reads=frozenset({CONFIG_MAP, NAMESPACE}),
    )


def publish_plan(
    observation: Observation, namespaces: tuple[str, ...], anchors: tuple[Certificate, ...], *, kind: str, name: str,
    eventing: bool,
) -> Plan:  # fmt: skip
    """The plan that publishes into these namespaces, as `configmap`, `secret` or trust-manager `bundle`.

    Raises `NotInstalled` without trust-manager, and `NotFound` where Eventing is asked for and is not there.
    """
    if kind == "bundle" and not has_trust_manager(observation):
        raise NotInstalled("trust-manager is not installed (no Bundle resource)", fix="--as-kind configmap or secret")
    if eventing and _missing_namespace(observation, EVENTING):
        raise NotFound("no such namespace", where=EVENTING, fix="leave --eventing out where Eventing is not installed")
    actions: list[Action] = []
    if kind == "bundle":
        actions.append(_bundle_action(name, namespaces, anchors))
    else:
        of = SECRET if kind == "secret" else CONFIG_MAP
        actions += [publish_action(ObjectRef(of, name, space), anchors) for space in namespaces]
    actions += [eventing_action(anchors)] if eventing else []
    refusals = tuple(reason for action in actions if (reason := action.guard(observation)))
    return Plan("Publish trust to workloads", tuple(actions), refusals=refusals)


def _bundle_action(name: str, namespaces: tuple[str, ...], anchors: tuple[Certificate, ...]) -> Action:
    ref = ObjectRef(BUNDLE, name)
    body = trust_manager_bundle(name, namespaces, anchors)

    def done(observation: Observation) -> Progress:
        current = observation.find(ref)
        return Progress.of({str(ref): current is not None and current.get("spec") == body["spec"]})

    def changes(observation: Observation) -> tuple[Change, ...]:
        return () if done(observation).complete else (Change(Verb.APPLY, ref, body),)

    def guard(observation: Observation) -> str:
        return "" if has_trust_manager(observation) else "trust-manager is not installed (no Bundle resource)"

    return Action("publish/bundle", f"Have trust-manager write {ref}", done, changes, guard, reads=frozenset({BUNDLE}))
