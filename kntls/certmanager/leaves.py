"""The certificates of an issuer as they stand in their Secrets, and how to have them issued again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kntls.certmanager.material import Material, material_of
from kntls.model.kinds import CERTIFICATE, SECRET
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Change, Verb
from kntls.pki.certificate import Certificate
from kntls.pki.chain import made_by

MANUAL = ("ManuallyTriggered", "Certificate re-issuance manually triggered")
"""Reason and message `cmctl renew` sets; the documented way for others too (`types_certificate.go`)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A cert-manager Certificate with what its Secret holds."""

    certificate: Object
    ref: ObjectRef
    material: Material | None

    @property
    def x509(self) -> Certificate | None:
        """The issued certificate."""
        return self.material.leaf if self.material else None

    @property
    def issuing(self) -> bool:
        """Whether cert-manager is at it."""
        return is_true(self.certificate, "Issuing")

    @property
    def ready(self) -> bool:
        """cert-manager's Ready; it says nothing about which CA signed."""
        return is_true(self.certificate)

    @property
    def failure(self) -> str:
        """What the last failed issuance said; empty where the last one went well."""
        issuing = condition(self.certificate, "Issuing")
        return (
            str(issuing.get("message", ""))
            if issuing.get("status") == "False" and issuing.get("reason") != "Issued"
            else ""
        )

    @property
    def issuer(self) -> str:
        """The name in `spec.issuerRef`."""
        return str(dig(self.certificate, "spec", "issuerRef", "name", default=""))

    def signed_by(self, ca: Certificate) -> bool:
        """Whether the issued certificate carries a signature of that CA's key."""
        return self.x509 is not None and self.x509.issuer_der == ca.subject_der and made_by(self.x509, ca)


def leaf_of(observation: Observation, certificate: Object) -> Leaf:
    """One Certificate with its Secret."""
    space = namespace_of(certificate)
    secret = ObjectRef(SECRET, str(dig(certificate, "spec", "secretName", default="")), space)
    return Leaf(certificate, ObjectRef(CERTIFICATE, name_of(certificate), space), material_of(observation, secret))


def leaves(observation: Observation) -> Iterator[Leaf]:
    """Every Certificate that is no CA."""
    for certificate in observation.all(CERTIFICATE):
        if not dig(certificate, "spec", "isCA", default=False):
            yield leaf_of(observation, certificate)


def leaves_of(observation: Observation, issuer: str, kind: str = "ClusterIssuer") -> Iterator[Leaf]:
    """Every Certificate that names this issuer and is no CA."""
    for leaf in leaves(observation):
        reference = dig(leaf.certificate, "spec", "issuerRef", default={})
        if reference.get("name") == issuer and (reference.get("kind") or "Issuer") == kind:
            yield leaf


def owner_kind(certificate: Object) -> str:
    """`apiVersion/kind` of the controller that owns a Certificate, empty where none does."""
    owners = dig(certificate, "metadata", "ownerReferences", default=[])
    owner: dict[str, str] = next((entry for entry in owners if entry.get("controller")), {})
    return f"{owner['apiVersion'].partition('/')[0]}/{owner['kind']}" if owner else ""


def trigger(leaf: Leaf, at: datetime) -> Change:
    """Have a Certificate issued again.

    `lastTransitionTime` must be set: without it a request that failed long ago is taken for the new one
    (cert-manager `issuing_controller.go`).
    """
    reason, message = MANUAL
    body = {
        "type": "Issuing",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": dig(leaf.certificate, "metadata", "generation", default=1),
    }
    return Change(Verb.CONDITION, leaf.ref, body)
