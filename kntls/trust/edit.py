"""Writing bundles: anchors in and out, in the strict form, without losing anything that lay there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from kntls.knative.names import TRUST_BUNDLE_LABEL
from kntls.model.kinds import CONFIG_MAP, SECRET
from kntls.model.objects import Object, ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Change, Verb
from kntls.pki.bundle import is_strict, write
from kntls.pki.certificate import Certificate
from kntls.trust.bundles import (
    BUNDLE_KEY,
    BUNDLE_NAME,
    OURS,
    PUBLISHED_KEY,
    PUBLISHED_LABEL,
    Owner,
    TrustBundle,
    bundle_of,
)


def manifest(ref: ObjectRef, data: dict[str, str], *, published: bool) -> dict[str, Any]:
    """A bundle as kntls writes it: a ConfigMap, or a Secret for workloads that want one."""
    label = {PUBLISHED_LABEL: "true"} if published else {TRUST_BUNDLE_LABEL: "true"}
    head = {"apiVersion": "v1", "kind": ref.kind.name}
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": {OURS[0]: OURS[1], **label}}
    if ref.kind == SECRET:
        encoded = {key: b64encode(text.encode()).decode() for key, text in data.items()}
        return {**head, "metadata": metadata, "type": "Opaque", "data": encoded}
    return {**head, "metadata": metadata, "data": data}


def bundle_ref(namespace: str, name: str = BUNDLE_NAME) -> ObjectRef:
    """The ConfigMap kntls keeps in a namespace."""
    return ObjectRef(CONFIG_MAP, name, namespace)


def obstacle(observation: Observation, ref: ObjectRef, adopted: Iterable[ObjectRef] = ()) -> str:
    """Why kntls must not write that ConfigMap; empty where it may."""
    obj = observation.find(ref)
    if obj is None or ref in set(adopted):
        return ""
    bundle = bundle_of(obj)
    if bundle.owner == Owner.KNTLS:
        return ""
    if bundle.owner == Owner.TRUST_MANAGER:
        return f"{ref} is made by trust-manager's Bundle {bundle.owner_name}: add the CA to that Bundle's sources"
    if bundle.owner == Owner.EVENTING:
        return f"{ref} is a copy that Eventing makes: change the original in {bundle.owner_name}"
    return f"{ref} is not ours; `--adopt {ref.namespace}/{ref.name}` takes it over and keeps every key"


def _data_with(bundle: TrustBundle | None, key: str, wanted: Iterable[Certificate]) -> dict[str, str]:
    data = dict(bundle.data) if bundle else {}
    present = set(bundle.certificates) if bundle else set()
    here = [cert for cert in (bundle.certificates if bundle else ()) if bundle and bundle.key_of(cert) == key]
    missing = [cert for cert in wanted if cert not in present]
    if missing or not data or _flaw(data.get(key, "")):
        data[key] = write([*here, *missing])
    return data


def _current(observation: Observation, ref: ObjectRef) -> TrustBundle | None:
    obj: Object | None = observation.find(ref)
    return bundle_of(obj) if obj is not None else None


def _strict(bundle: TrustBundle) -> bool:
    return not any(_flaw(text) for text in bundle.data.values())


def _flaw(text: str) -> str:
    """Why a value is not in the strict form; an empty one, which adds nothing, is fine."""
    return is_strict(text) if text else ""


def adding(
    observation: Observation, ref: ObjectRef, anchors: Iterable[Certificate], *, published: bool = False
) -> tuple[Change, ...]:
    """The change that makes a bundle hold these anchors beside what it holds; empty where it does already."""
    anchors = tuple(anchors)
    bundle = _current(observation, ref)
    if bundle and bundle.owner == Owner.KNTLS and set(anchors) <= set(bundle.certificates) and _strict(bundle):
        return ()
    data = _data_with(bundle, PUBLISHED_KEY if published else BUNDLE_KEY, anchors)
    return (Change(Verb.APPLY, ref, manifest(ref, data, published=published), force=bundle is not None),)


def expecting(observation: Observation, ref: ObjectRef, what: str, *, published: bool = False) -> tuple[Change, ...]:
    """For a plan: the change that adds a CA which does not exist yet, told in words where its PEM will stand."""
    bundle = _current(observation, ref)
    key = PUBLISHED_KEY if published else BUNDLE_KEY
    data = dict(bundle.data) if bundle else {}
    data[key] = f"{data.get(key, '')}({what})\n"
    return (Change(Verb.APPLY, ref, manifest(ref, data, published=published)),)


def removing(observation: Observation, ref: ObjectRef, anchors: Iterable[Certificate]) -> tuple[Change, ...]:
    """The change that takes exactly these anchors out of a bundle; every key and every other certificate stays."""
    bundle, unwanted = _current(observation, ref), set(anchors)
    if bundle is None or not unwanted & set(bundle.certificates):
        return ()
    data = dict(bundle.data)
    for key in data:
        held = _in_key(bundle, key)
        if unwanted & set(held):
            data[key] = write([cert for cert in held if cert not in unwanted])
    return (Change(Verb.APPLY, ref, manifest(ref, data, published=bundle.published), force=True),)


def _in_key(bundle: TrustBundle, key: str) -> tuple[Certificate, ...]:
    only = TrustBundle(bundle.ref, bundle.owner, bundle.owner_name, {key: bundle.data[key]}, bundle.published)
    return only.certificates
