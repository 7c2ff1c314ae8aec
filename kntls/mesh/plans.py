"""Generated manifests as a plan: one server-side apply an object, judged and shown before it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kntls.engine.predict import before_and_after
from kntls.errors import Refused
from kntls.model.concealed import Concealed
from kntls.model.kinds import Kind, by_manifest
from kntls.model.objects import Object, ObjectRef, dig, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from kntls.pki.pem import certificates, public_key_hash_of_private_key


def kind_of(manifest: Object) -> Kind:
    """The manifest's kind in the manifest's own version (OSSM 2 serves Istio's kinds as v1beta1 only)."""
    version = str(manifest["apiVersion"])
    known = by_manifest(version, str(manifest["kind"]))
    if known is None:
        raise ValueError(f"unknown kind {version} {manifest['kind']}")
    return replace(known, version=version.rpartition("/")[2])


def reference(manifest: Object) -> ObjectRef:
    """The object a manifest stands for."""
    return ObjectRef(kind_of(manifest), name_of(manifest), namespace_of(manifest))


def _action(manifest: Mapping[str, Any]) -> Action:
    ref = reference(manifest)
    change = Change(Verb.APPLY, ref, manifest)

    def done(observation: Observation) -> Progress:
        current = observation.find(ref)
        if current is None:
            return Progress(0, 1)
        before, after = before_and_after(current, change)
        return Progress(int(before == after), 1)

    return Action(
        id=f"apply/{ref.kind.resource}/{ref.namespace}/{ref.name}",
        sentence=f"Apply {ref}",
        done=done,
        changes=lambda _: (change,),
        reads=frozenset({ref.kind}),
    )


def tls_secret(ref: ObjectRef, certificate: str, key: str) -> Action:
    """A TLS Secret whose key is written and never shown. Raises `Refused` for a key of another certificate."""
    found = certificates(certificate, str(ref))
    public_key = public_key_hash_of_private_key(key.encode())
    if not found or found[0].public_key_hash != public_key:
        raise Refused("the key does not belong to the certificate", where=str(ref))
    texts = {"tls.crt": certificate, "tls.key": Concealed(key)}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "kubernetes.io/tls",
        "stringData": texts,
    }

    def done(observation: Observation) -> Progress:
        current = observation.find(ref) or {}
        same = dig(current, "data", "tls.crt") == certificate and current.get("publicKey") == public_key
        return Progress(int(same), 1)

    return Action(
        id=f"apply/{ref.kind.resource}/{ref.namespace}/{ref.name}",
        sentence=f"Write {ref}: {found[0]}",
        done=done,
        changes=lambda _: (Change(Verb.APPLY, ref, body, note="the key is not shown"),),
        reads=frozenset({ref.kind}),
    )


def apply_plan(
    title: str, manifests: Iterable[Mapping[str, Any]], *, more: Iterable[Action] = (), notes: Iterable[str] = ()
) -> Plan:
    """A plan that applies these manifests in order, then carries out `more`."""
    return Plan(title, (*map(_action, manifests), *more), notes=tuple(notes))


def kinds_of(plan: Plan) -> frozenset[Kind]:
    """The kinds a plan reads."""
    return frozenset(kind for action in plan.actions for kind in action.reads)
