"""Impact: which handshakes stop verifying when a CA is removed from trust."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kntls.certmanager.leaves import Leaf, leaves
from kntls.knative.installation import Installation
from kntls.knative.names import ACTIVATOR, LEGACY_SAN, ROUTING_CERTIFICATE, ROUTING_SAN, USER_CERTIFICATE, user_san
from kntls.model.objects import dig
from kntls.model.observation import Observation
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Verdict, verify
from kntls.trust.bundles import published
from kntls.trust.consumers import Consumer, EffectiveTrust, consumers, effective_trust

Chain = tuple[Certificate, ...]
"""A leaf and what was sent with it."""


@dataclass(frozen=True)
class Broken:
    """One handshake that would fail: who verifies, whose leaf, and why."""

    consumer: str
    leaf: str
    reason: str

    def __str__(self) -> str:
        return f"{self.consumer} would refuse {self.leaf}: {self.reason}"


def names_asked(consumer: Consumer, leaf: Leaf) -> tuple[str, ...]:
    """The names a consumer may accept on that leaf; empty where it never meets it.

    The activator asks for the namespace's name behind `data-plane.knative.dev`; Kourier for `kn-routing` or
    `kn-user-<ns>` (serving `pkg/activator/certificate`, net-kourier `pkg/generator`).
    """
    secret = dig(leaf.certificate, "spec", "secretName", default="")
    if secret == USER_CERTIFICATE:
        user = user_san(leaf.ref.namespace)
        return (LEGACY_SAN, user) if consumer.name == ACTIVATOR else (user,)
    if secret == ROUTING_CERTIFICATE and consumer.name != ACTIVATOR:
        return (ROUTING_SAN,)
    return ()


def _refusal(
    chain: tuple[Certificate, ...],
    roots: tuple[Certificate, ...],
    observation: Observation,
    name: str,
    judge: Callable[..., Verdict] = verify,
) -> str:
    verdict = judge(chain[0], intermediates=chain[1:], roots=roots, at=observation.taken_at, name=name)
    return "" if verdict.ok else verdict.reason


def _leaf_chains(observation: Observation) -> Iterator[tuple[Leaf, Chain, str]]:
    """Every leaf as it lies in its Secret, and every chain of it that some server still presents."""
    presented: dict[tuple[str, str], set[tuple[bytes, ...]]] = {}
    for shown in observation.presented:
        if shown.chain:
            secret = USER_CERTIFICATE if shown.role == "queue-proxy" else ROUTING_CERTIFICATE
            space = shown.server.namespace
            presented.setdefault((space, secret), set()).add(shown.chain)
    for leaf in leaves(observation):
        if leaf.material is None or not leaf.material.chain:
            continue
        yield leaf, leaf.material.chain, f"{leaf.ref}"
        key = (leaf.ref.namespace, leaf.material.ref.name)
        for chain in presented.get(key, set()):
            parsed = tuple(Certificate.from_der(der) for der in chain)
            if parsed[0] != leaf.material.chain[0]:
                yield leaf, parsed, f"what a pod in {leaf.ref.namespace} still presents of {leaf.ref}"


def _without(trust: EffectiveTrust, removed: Certificate) -> tuple[Certificate, ...]:
    return tuple(root for root in trust.roots if root != removed)


def impact(observation: Observation, installation: Installation, removed: Certificate) -> tuple[Broken, ...]:
    """What Knative's own consumers and published bundles would no longer verify without that anchor.

    Only what verifies today counts: something broken already is not this removal's doing.
    """
    chains = list(_leaf_chains(observation))
    broken: list[Broken] = []
    for consumer in consumers(installation):
        trust = effective_trust(observation, consumer)
        left = _without(trust, removed)
        for leaf, chain, what in chains:
            for name in names_asked(consumer, leaf):
                if not _refusal(chain, trust.roots, observation, name, consumer.verify) and (
                    why := _refusal(chain, left, observation, name, consumer.verify)
                ):
                    broken.append(Broken(f"{consumer.name} in {consumer.namespace}", what, why))
                    break
    broken += _published_impact(observation, chains, removed)
    return tuple(dict.fromkeys(broken))


def _published_impact(
    observation: Observation, chains: list[tuple[Leaf, Chain, str]], removed: Certificate
) -> Iterator[Broken]:
    """Workloads that use a published bundle call cluster-local names: those leaves must stay covered."""
    for bundle in published(observation):
        left = tuple(cert for cert in bundle.certificates if cert != removed)
        for leaf, chain, what in chains:
            if leaf.material and leaf.material.ref.name in (USER_CERTIFICATE, ROUTING_CERTIFICATE):
                continue
            covered = not _refusal(chain, bundle.certificates, observation, "")
            if covered and (why := _refusal(chain, left, observation, "")):
                yield Broken(f"workloads that use {bundle.ref}", what, why)
