"""Stage 6, serve: every server presents a leaf of the new CA, seen in a handshake with each pod."""

from __future__ import annotations

from kntls.knative.servers import servers
from kntls.model.kinds import CERTIFICATE, HANDSHAKES, KCERT, POD, SECRET
from kntls.model.observation import Observation, Presented
from kntls.model.plan import Action, Progress
from kntls.pki.certificate import Certificate
from kntls.rotation.situation import Situation, Target, situation
from kntls.rotation.stages.stage import Stage

STEADY = 2.0
"""Seconds all servers must be seen right, so that a pod that appears meanwhile is met as well."""


def of_new(shown: Presented | None, now: Situation) -> bool:
    """Whether what a server presented is signed by the new CA."""
    if shown is None or not shown.chain or now.new is None:
        return False
    return Certificate.from_der(shown.chain[0]).signed_by(now.new.signer)


def presenting(now: Situation) -> dict[str, bool]:
    """Each listener of the issuer's leaves → whether it presents one of the new CA."""
    shown = {(entry.server, entry.role, entry.server_name): entry for entry in now.observation.presented}
    ours = {leaf.material.ref for leaf in now.leaves if leaf.material}
    wanted = [server for server in servers(now.observation, now.installation) if server.secret in ours]
    return {
        f"{server.role} {server.pod.namespace}/{server.pod.name} ({server.server_name})": of_new(
            shown.get((server.pod, server.role, server.server_name)), now
        )
        for server in wanted
    }


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    def done(observation: Observation) -> Progress:
        return Progress.of(presenting(situation(observation, target)))

    return (
        Action(
            "serve/handshakes",
            f"See every server pod present a leaf of the {target.ca}",
            done,
            reads=frozenset({POD, CERTIFICATE, KCERT, SECRET, HANDSHAKES}),
            stage="serve",
            hold=STEADY,
        ),
    )


STAGE = Stage("serve", "every server presents a leaf of the new CA", _actions)
