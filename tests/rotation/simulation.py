"""A world that answers writes as a cluster would: cert-manager issues, servers present, at once or late.

It carries out plans by the same functions the engine calls, one write at a time, and after each write looks at every
handshake there is: does each consumer accept what each server presents?
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kntls.knative.installation import detect
from kntls.knative.names import LEGACY_SAN, ROUTING_SAN, user_san
from kntls.model import kinds as k
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Verb
from kntls.pki.certificate import Certificate
from kntls.pki.chain import verify
from kntls.pki.create import KeyPair, new_ca
from kntls.trust.consumers import consumers, effective_trust
from tests.world import AT, ENABLED, ISSUER, World, leaf


class Simulation:
    """A world, the CAs in it by Secret name, and what servers still present although their Secret has moved on."""

    def __init__(self, world: World, cas: dict[str, KeyPair], *, slow_servers: bool = False) -> None:
        self.world = world
        self.cas = cas
        self.slow = slow_servers
        self.failed: list[str] = []
        self.handshakes = 0

    def observation(self) -> Observation:
        return self.world.observation()

    # ---------------------------------------------------------------- writes

    def write(self, change: Change) -> None:
        handler: dict[Any, Callable[[Change], None]] = {
            k.CONFIG_MAP: self._config_map,
            k.CERTIFICATE: self._certificate,
            k.CLUSTER_ISSUER: self._issuer,
        }
        handler[change.ref.kind](change)
        self.look()

    def _config_map(self, change: Change) -> None:
        assert change.verb == Verb.APPLY
        metadata = {"labels": change.body["metadata"]["labels"]}
        self.world.put(k.CONFIG_MAP, change.ref.name, change.ref.namespace, metadata=metadata, data=change.body["data"])

    def _certificate(self, change: Change) -> None:
        name, space = change.ref.name, change.ref.namespace
        if change.verb == Verb.APPLY:
            begin = ENABLED + timedelta(days=len(self.cas))
            pair = new_ca(change.body["spec"]["commonName"], lifetime=timedelta(days=3650), at=begin)
            self.cas[name] = self.world.add_ca(name, pair)
            return
        before = self.world.get(k.CERTIFICATE, name, space)
        signer = self.cas[self.world.get(k.CLUSTER_ISSUER, ISSUER)["spec"]["ca"]["secretName"]]
        if self.slow:
            self._keep_presenting(before)
        self.world.sign(name, space, signer, begin=AT - timedelta(hours=1))

    def _keep_presenting(self, certificate: Any) -> None:
        """Servers of this Secret go on with what they have; a late start is the queue-proxy's minute."""
        namespace, secret = certificate["metadata"]["namespace"], certificate["spec"]["secretName"]
        for shown in self.observation().presented:
            mine = shown.server.namespace == namespace and shown.role == "queue-proxy" and secret == "serving-certs"
            if mine and shown.chain:
                old = next(pair for pair in self._leaves() if pair.certificate.der == shown.chain[0])
                self.world.shows.setdefault(f"{namespace}/{shown.server.name}", old)

    def _leaves(self) -> list[KeyPair]:
        begins, tenants = (ENABLED, AT - timedelta(hours=1)), ("team-a", "team-b")
        combinations = itertools.product(self.cas.values(), tenants, begins)
        return [leaf((user_san(space), LEGACY_SAN), signer, begin, 90) for signer, space, begin in combinations]

    def _issuer(self, change: Change) -> None:
        self.world.switch(change.body["spec"]["ca"]["secretName"])

    def poll(self) -> None:
        """A minute passes: every queue-proxy presents what its Secret holds."""
        self.world.shows.clear()
        self.look()

    # ---------------------------------------------------------------- handshakes

    def look(self) -> None:
        """Every handshake between Knative's components: the activator with queue-proxies, Envoy with both."""
        seen = self.observation()
        for consumer in consumers(detect(seen)):
            roots = effective_trust(seen, consumer).roots
            for shown in seen.presented:
                names = self._names(consumer.name, shown.role, shown.server.namespace)
                for name in names if shown.chain else ():
                    chain = tuple(Certificate.from_der(der) for der in shown.chain)
                    verdict = verify(chain[0], intermediates=chain[1:], roots=roots, at=AT, name=name)
                    self.handshakes += 1
                    if not verdict.ok:
                        self.failed.append(f"{consumer.name} → {shown.role} {shown.server}: {verdict.reason}")

    @staticmethod
    def _names(consumer: str, role: str, namespace: str) -> tuple[str, ...]:
        if role == "queue-proxy":
            return (user_san(namespace),) if consumer != "activator" else (user_san(namespace), LEGACY_SAN)
        return (ROUTING_SAN,) if role == "activator" and consumer != "activator" else ()

    # ---------------------------------------------------------------- plans

    def carry_out(self, plan: Plan, *, stop_after: int | None = None) -> int:
        """Do what the engine does, until the plan is done or so many writes are made; the number of writes."""
        assert not plan.refusals, plan.refusals
        writes = 0
        for action in plan.actions:
            for _ in range(50):
                if action.done(self.observation()).complete:
                    break
                writes = self._advance(action, writes, stop_after)
                if writes == stop_after:
                    return writes
            else:
                raise AssertionError(f"{action.id} never became done: {action.done(self.observation()).missing}")
        return writes

    def _advance(self, action: Action, writes: int, stop_after: int | None) -> int:
        seen = self.observation()
        changes = action.changes(seen)
        assert action.guard(seen) == ""
        for change in changes:
            self.write(change)
            writes += 1
            if writes == stop_after:
                return writes
        if not changes:
            self.poll()
        return writes
