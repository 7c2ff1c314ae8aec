"""The CA behind an issuer, and where its Secret lies."""

from __future__ import annotations

from dataclasses import dataclass

from kntls.certmanager.issuers import kind_of
from kntls.certmanager.material import Material, material_of
from kntls.errors import NotFound, Refused
from kntls.model.kinds import CLUSTER_ISSUER, SECRET
from kntls.model.objects import Object, ObjectRef, condition, dig, name_of
from kntls.model.observation import Observation
from kntls.pki.authority import anchor
from kntls.pki.certificate import Certificate


@dataclass(frozen=True)
class Authority:
    """A CA that lies in a Secret."""

    material: Material
    signer: Certificate
    """The certificate whose key signs."""
    anchor: Certificate
    """What must be trusted: `ca.crt`'s first, else the last certificate of `tls.crt`."""

    @property
    def secret(self) -> ObjectRef:
        """The CA's Secret."""
        return self.material.ref


def authority_in(observation: Observation, secret: ObjectRef) -> Authority | None:
    """The CA in a Secret; None where the Secret does not exist or holds no certificate."""
    found = material_of(observation, secret)
    if found is None or found.leaf is None:
        return None
    return Authority(found, found.leaf, anchor(found.chain, found.ca_crt))


def cluster_issuer(observation: Observation, name: str) -> Object:
    """The ClusterIssuer of that name. Raises `NotFound`."""
    found = observation.get(CLUSTER_ISSUER, name)
    if found is None:
        raise NotFound("no such ClusterIssuer", where=name, fix="`kubectl get clusterissuers` lists them")
    return found


def secret_of(issuer: Object, resource_namespace: str) -> ObjectRef:
    """The Secret a CA ClusterIssuer signs with. Raises `Refused` for another kind of issuer."""
    name = dig(issuer, "spec", "ca", "secretName")
    if not name:
        kind = kind_of(issuer)
        raise Refused(f"not a CA issuer but {kind.name}: {kind.reason}", where=f"ClusterIssuer {name_of(issuer)}")
    return ObjectRef(SECRET, str(name), resource_namespace)


def is_current(issuer: Object) -> bool:
    """Whether cert-manager has acknowledged the issuer's present spec: Ready, of this generation.

    The only acknowledgement of a swapped Secret there is (cert-manager `pkg/api/util/conditions.go`).
    """
    ready = condition(issuer, "Ready")
    generation = dig(issuer, "metadata", "generation", default=0)
    return ready.get("status") == "True" and int(ready.get("observedGeneration") or 0) >= int(generation)
