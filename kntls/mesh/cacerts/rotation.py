"""Replacing a plug-in CA's root without a refused handshake: which Secret may follow which, and the next one.

Source: istio pilot/pkg/bootstrap/istio_ca.go (handleEvent: a root change needs ISTIO_MULTIROOT_MESH and one set of
roots must contain the other), sail-operator docs/general/plugin-ca.adoc (the order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kntls.mesh.cacerts.material import CaMaterial
from kntls.pki.certificate import Certificate

MULTI_ROOT = "ISTIO_MULTIROOT_MESH"
XDS_AGENT = "PROXY_CONFIG_XDS_AGENT"


class Step(StrEnum):
    """What is to be done next."""

    TRUST = "trust"
    """Old CA, both roots."""
    SIGN = "sign"
    """New CA, both roots."""
    RETIRE = "retire"
    """New CA, new root."""
    DONE = "done"


@dataclass(frozen=True)
class Next:
    """The next Secret, in words and as sets of certificates."""

    step: Step
    sentence: str
    signer: Certificate | None = None
    """Whose certificate and key the Secret holds."""
    roots: tuple[Certificate, ...] = ()
    before: tuple[str, ...] = ()
    """What must hold first."""
    after: tuple[str, ...] = ()
    """What is owed afterwards, in order."""


RESTARTS = ("restart istiod", "restart the gateways", "restart the workloads")
"""In this order, so that nobody verifies with fewer roots than its peers' certificates need."""


def union(old: Sequence[Certificate], new: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Old roots, then those that are new."""
    return tuple(dict.fromkeys((*old, *new)))


def next_step(current: CaMaterial, target: CaMaterial) -> Next:
    """The next allowed Secret on the way from the current CA to the target's, by looking at the certificates alone."""
    both = union(current.roots, target.roots)
    new_root = set(target.roots) <= set(current.roots)
    signs = current.signer == target.signer
    if signs and set(current.roots) == set(target.roots):
        return Next(Step.DONE, "the new CA signs and its root alone is trusted")
    if signs and new_root:
        old = [each for each in current.roots if each not in target.roots]
        return Next(
            Step.RETIRE,
            f"drop {_names(old)} from root-cert.pem",
            target.signer,
            target.roots,
            ("every workload's certificate is signed by the new CA (kntls mesh cacerts check)",),
            RESTARTS,
        )
    if new_root:
        return Next(
            Step.SIGN,
            f"replace ca-cert.pem, ca-key.pem and cert-chain.pem by those of {target.signer}; keep both roots",
            target.signer,
            current.roots,
            ("every workload trusts both roots (kntls mesh cacerts check)",),
            ("restart istiod", *RESTARTS[1:]),
        )
    added = [each for each in target.roots if each not in current.roots]
    return Next(
        Step.TRUST,
        f"add {_names(added)} to root-cert.pem; keep the CA, its key and its chain",
        current.signer,
        both,
        (f"istiod runs with {MULTI_ROOT}=true and proxies with {XDS_AGENT}=true",),
        RESTARTS,
    )


def _names(certificates: Sequence[Certificate]) -> str:
    return ", ".join(map(str, certificates)) or "nothing"


def objections(current: CaMaterial, proposed: CaMaterial, *, multi_root: bool) -> tuple[str, ...]:
    """Why this Secret must not follow the current one; empty where it may."""
    old, new = set(current.roots), set(proposed.roots)
    found = []
    if old != new and not multi_root:
        found.append(f"istiod refuses new roots without {MULTI_ROOT}=true and goes on with the old ones")
    if not (old <= new or new <= old):
        found.append("istiod refuses roots of which neither set contains the other: go through both roots at once")
    if proposed.signer != current.signer and not _trusted(proposed, old):
        found.append("workloads do not trust the new CA's root yet: they would refuse every certificate it signs")
    if new < old and proposed.signer != current.signer:
        found.append("a root is dropped in the step that changes the CA: certificates of the old CA are still in use")
    return tuple(found)


def _trusted(ca: CaMaterial, roots: set[Certificate]) -> bool:
    """Whether the CA's line ends at one of these roots."""
    line = [*ca.ca[:1], *ca.chain]
    return any(each in roots or any(each.signed_by(root) for root in roots) for each in line)
