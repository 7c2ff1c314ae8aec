"""The queue-proxies' certificates, made before anybody needs them, exactly as Knative makes them later."""

from __future__ import annotations

from kntls.knative.config import Network
from kntls.knative.names import (
    CERTIFICATE_CLASS,
    CERTIFICATE_TYPE_LABEL,
    CLASS_ANNOTATION,
    LEGACY_SAN,
    USER_CERTIFICATE,
    Surface,
    user_san,
)
from kntls.model.kinds import KCERT, NAMESPACE, SECRET
from kntls.model.objects import Object, ObjectRef, dig, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Verb
from kntls.surfaces.request import Ground
from kntls.surfaces.rollout import revision_deployments
from kntls.surfaces.steps import issued, user_secrets


def namespaces(observation: Observation) -> tuple[str, ...]:
    """The namespaces with Revisions."""
    return tuple(sorted({namespace_of(obj) for obj in revision_deployments(observation)}))


def kcert(namespace: Object, network: Network) -> Object:
    """A namespace's KCert with the Namespace as its controller: with another owner Knative refuses to go on
    (serving `pkg/reconciler/revision/resources/certificate.go`)."""
    name = str(dig(namespace, "metadata", "name"))
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": name, "uid": dig(namespace, "metadata", "uid")}
    chosen = network.data.get("certificate-class") or network.data.get("certificate.class") or CERTIFICATE_CLASS
    return {
        "apiVersion": KCERT.api_version,
        "kind": KCERT.manifest_kind,
        "metadata": {
            "name": USER_CERTIFICATE,
            "namespace": name,
            "labels": {CERTIFICATE_TYPE_LABEL: Surface.SYSTEM_INTERNAL.certificate_type},
            "annotations": {CLASS_ANNOTATION: chosen},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {"dnsNames": [user_san(name), LEGACY_SAN], "secretName": USER_CERTIFICATE},
    }


def making(ground: Ground) -> Action:
    """Have a certificate in every namespace with Revisions."""

    def changes(observation: Observation) -> tuple[Change, ...]:
        lacking = [name for name in namespaces(observation) if not observation.get(KCERT, USER_CERTIFICATE, name)]
        found = [(name, observation.get(NAMESPACE, name)) for name in lacking]
        settings = ground.network(observation)
        made = [(ObjectRef(KCERT, USER_CERTIFICATE, name), kcert(space, settings)) for name, space in found if space]
        return tuple(Change(Verb.APPLY, ref, body) for ref, body in made)

    return Action(
        "certificates/queue-proxy",
        "Have the queue-proxies' certificates issued in every namespace with Revisions",
        lambda observation: issued(observation, user_secrets(namespaces(observation))),
        changes,
        reads=frozenset({KCERT, SECRET, NAMESPACE}),
        pace=0.5,
    )
