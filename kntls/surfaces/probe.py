"""Ask an issuer whether it signs Knative's names, with a real CertificateRequest that is deleted afterwards."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from kntls.certmanager.leaves import leaves_of
from kntls.errors import InputError
from kntls.knative.names import LEGACY_SAN, ROUTING_SAN, Surface, user_san
from kntls.knative.sans import cluster_local_hosts
from kntls.model.kinds import CERTIFICATE_REQUEST
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.pki.certificate import Certificate
from kntls.pki.pem import certificates
from kntls.pki.request import signing_request
from kntls.surfaces.issuers import to_probe
from kntls.surfaces.request import Ground

USAGES = ("digital signature", "key encipherment")
"""What cert-manager asks for where a Certificate names no usages, as Knative's do not."""
READS = frozenset({CERTIFICATE_REQUEST})


def _ref(ground: Ground, issuer: str) -> ObjectRef:
    return ObjectRef(CERTIFICATE_REQUEST, f"kntls-probe-{issuer}"[:63].rstrip("-."), ground.namespace)


def names(surfaces: tuple[Surface, ...], namespace: str) -> tuple[str, ...]:
    """Names like those Knative will ask for."""
    internal = (ROUTING_SAN, LEGACY_SAN, user_san(namespace)) if Surface.SYSTEM_INTERNAL in surfaces else ()
    local = sorted(cluster_local_hosts("probe", namespace), key=len) if Surface.CLUSTER_LOCAL in surfaces else ()
    return (*internal, *local)


def _manifest(ref: ObjectRef, issuer: str, wanted: tuple[str, ...]) -> Object:
    return {
        "apiVersion": CERTIFICATE_REQUEST.api_version,
        "kind": CERTIFICATE_REQUEST.name,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {"app.kubernetes.io/managed-by": "kntls"},
        },
        "spec": {
            "request": b64encode(signing_request(wanted).encode()).decode(),
            "issuerRef": {"name": issuer, "kind": "ClusterIssuer", "group": "cert-manager.io"},
            "usages": list(USAGES),
            "duration": "1h",
        },
    }


def _from_request(request: Object) -> tuple[Certificate, ...]:
    """The CA that a signed request names, else the last certificate of its chain."""
    for key in ("ca", "certificate"):
        try:
            text = b64decode(str(dig(request, "status", key, default=""))).decode()
            found = certificates(text, "")
        except (InputError, Base64Error, UnicodeDecodeError):
            continue
        if found and found[-1].is_ca:
            return found[-1:]
    return ()


def anchors(observation: Observation, ground: Ground, issuer: str) -> tuple[Certificate, ...]:
    """The CA of an issuer whose CA is no Secret: as its leaves name it, else as the probe showed."""
    for leaf in leaves_of(observation, issuer):
        if leaf.material and leaf.material.ca_crt:
            return leaf.material.ca_crt[:1]
    request = observation.find(_ref(ground, issuer))
    return _from_request(request) if request else ()


def _failure(request: Object | None) -> str:
    for kind in ("Denied", "InvalidRequest"):
        if request is not None and is_true(request, kind):
            return str(condition(request, kind).get("message", kind))
    ready = condition(request or {}, "Ready")
    failed = ready.get("status") == "False" and ready.get("reason") in ("Failed", "Denied")
    return str(ready.get("message", "")) if failed else ""


def _is_new(observation: Observation, issuer: str) -> bool:
    """Whether the issuer has not signed anything for Knative yet: leaves that are there prove more than a probe."""
    return not any(leaf.x509 for leaf in leaves_of(observation, issuer))


def _asked(observation: Observation, ground: Ground) -> dict[str, tuple[str, ...]]:
    found = {issuer: names(surfaces, ground.namespace) for issuer, surfaces in to_probe(observation, ground).items()}
    return {issuer: wanted for issuer, wanted in found.items() if wanted and _is_new(observation, issuer)}


def actions(observation: Observation, ground: Ground) -> tuple[Action, ...]:
    """One probe for each issuer of which only a request tells what it signs."""
    return tuple(_probe(ground, issuer, wanted) for issuer, wanted in _asked(observation, ground).items())


def cleaning(observation: Observation, ground: Ground) -> tuple[Action, ...]:
    """Delete the probes."""
    return tuple(_clean(ground, issuer) for issuer in _asked(observation, ground))


def _probe(ground: Ground, issuer: str, wanted: tuple[str, ...]) -> Action:
    ref = _ref(ground, issuer)
    manifest = _manifest(ref, issuer, wanted)

    def changes(observation: Observation) -> tuple[Change, ...]:
        return () if observation.find(ref) else (Change(Verb.APPLY, ref, manifest),)

    def done(observation: Observation) -> Progress:
        found = observation.find(ref)
        return Progress.of({f"{ref} signed": found is not None and is_true(found)})

    def guard(observation: Observation) -> str:
        said = _failure(observation.find(ref))
        return f"ClusterIssuer {issuer} does not sign {', '.join(wanted)}: {said}" if said else ""

    return Action(
        f"probe/{issuer}",
        f"Ask ClusterIssuer {issuer} to sign Knative's names, once",
        done,
        changes,
        guard,
        inverse=lambda observation: _deleting(observation, ref),
        reads=READS,
        temporary=True,
    )


def _deleting(observation: Observation, ref: ObjectRef) -> tuple[Change, ...]:
    return (Change(Verb.DELETE, ref),) if observation.find(ref) else ()


def _clean(ground: Ground, issuer: str) -> Action:
    ref = _ref(ground, issuer)
    return Action(
        f"probe/{issuer}/delete",
        f"Delete {ref}",
        lambda observation: Progress.of({f"{ref} gone": observation.find(ref) is None}),
        lambda observation: _deleting(observation, ref),
        reads=READS,
        releases=(f"probe/{issuer}",),
    )
