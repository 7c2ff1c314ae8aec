"""How a verdict is told: the answer first, then every route hop by hop, then what would turn it round."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from kntls.mesh.authz.selection import is_gateway
from kntls.mesh.explain import Explained, Question, agreed
from kntls.mesh.topology import Topology
from kntls.mesh.walk import Hop
from kntls.mesh.why import sentence
from kntls.model.observation import Unread

WIDTH = 80

_WORDS = {
    "200": "passes",
    "400": "bad request",
    "401": "unauthenticated",
    "403": "denied",
    "503": "fails in the caller's own sidecar",
    "000": "refused: no connection",
}


def text(
    question: Question, scene: Topology, found: tuple[Explained, ...], unread: Sequence[Unread] = ()
) -> Iterator[str]:
    """The verdict, then every route hop by hop, as lines of 80 columns."""
    code = agreed(found)
    what = f"{question.source.name} → {question.place.workload.name}"
    if code:
        yield f"{code} {_WORDS.get(code, '')}  {what}".rstrip()
    else:
        codes = " or ".join(dict.fromkeys(each.verdict.code for each in found))
        yield f"{codes}, depending on the route  {what}"
    for each in found:
        yield ""
        yield from _route_text(each)
    for note in (
        *_notes(question, scene, found),
        *(f"not looked at: {entry.what} ({entry.reason})" for entry in unread),
    ):
        yield ""
        yield from wrap(f"note: {note}", "")


def _route_text(each: Explained) -> Iterator[str]:
    yield from wrap(f"{each.verdict.code}  {each.route.reason}", "")
    for number, hop in enumerate(each.verdict.hops, start=1):
        yield from _hop_text(number, hop, each)
    for remark in each.remarks:
        yield from wrap(f"note: {remark}", "     ")
    if each.advice:
        yield from wrap(f"the caller can {each.advice}", "  ")
    for index, change in enumerate(each.changes):
        yield from wrap(f"{'and then' if index else 'to turn it round'}: {change.text}", "  ")


def _hop_text(number: int, hop: Hop, each: Explained) -> Iterator[str]:
    wire = f"{hop.connection.wire} ({hop.connection.reason})"
    yield from wrap(f"{number}. {hop.client.name} → {hop.server.name}:{hop.request.port}  {wire}", "  ")
    yield from wrap(sentence(hop), "     ")
    policy = hop.decision.policy
    if policy is not None and policy.location:
        yield from wrap(f"({policy.location})", "     ")
    if each.nearest and hop is each.verdict.last:
        failing = "; ".join(map(str, each.nearest.failing))
        yield from wrap(
            f"nearest: {each.nearest.rule.policy} rule {each.nearest.rule.index} fails at {failing}", "     "
        )


def _notes(question: Question, scene: Topology, found: tuple[Explained, ...]) -> Iterator[str]:
    """What was assumed of the workloads on these routes."""
    passed = {workload.name: workload for each in found for workload in each.route.chain}
    for workload, text in scene.assumed:
        if workload.name in passed:
            yield text
    for name, workload in passed.items():
        if name in scene.unsure and workload.mesh:
            yield f"the input does not say whether {name} has a sidecar: it is assumed to have one"
    if question.place.assumed:
        yield question.place.assumed
    if question.source.mesh and question.source.name not in scene.names:
        yield f"{question.source.name} is not in the input: it is assumed to have a sidecar"
    if question.source.mesh:
        for twin in _twins_outside(question, scene):
            yield f"{twin} has the same service account and no sidecar: --no-sidecar asks for it"
    if not scene.gateway_known and any(_enters_in_plaintext(each) for each in found):
        yield "the input has no Gateway knative-local-gateway: it is assumed to take plaintext"


def _twins_outside(question: Question, scene: Topology) -> list[str]:
    """One workload, if there is any, that the caller's service account names as well and that has no sidecar."""
    source = question.source
    return [
        each.name
        for each in scene.workloads
        if (each.namespace, each.service_account) == (source.namespace, source.service_account) and not each.mesh
    ][:1]


def _enters_in_plaintext(each: Explained) -> bool:
    first = each.verdict.hops[0]
    return (
        len(each.route.chain) > 2 and is_gateway(first.server) and first.request.peer is None and first.decision.allowed
    )


def wrap(text: str, indent: str) -> list[str]:
    """The text in lines of 80 columns, continued a little further in."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def body(
    question: Question, scene: Topology, found: tuple[Explained, ...], unread: Sequence[Unread] = ()
) -> dict[str, Any]:
    """The same for JSON and YAML."""
    return {
        "from": question.source.name,
        "to": question.place.workload.name,
        "verdict": agreed(found),
        "routes": [_route_body(each) for each in found],
        "assumed": list(_notes(question, scene, found)),
        "unread": [{"what": entry.what, "reason": entry.reason} for entry in unread],
    }


def _route_body(each: Explained) -> dict[str, Any]:
    return {
        "reason": each.route.reason,
        "verdict": each.verdict.code,
        "deniedAt": each.verdict.denied_at.name if each.verdict.denied_at else "",
        "hops": [_hop_body(hop) for hop in each.verdict.hops],
        "changes": [change.text for change in each.changes],
        "advice": each.advice,
        "nearest": _nearest_body(each),
        "remarks": list(each.remarks),
    }


def _nearest_body(each: Explained) -> dict[str, Any] | None:
    if each.nearest is None:
        return None
    policy = each.nearest.rule.policy
    return {
        "policy": f"{policy.namespace}/{policy.name}",
        "rule": each.nearest.rule.index,
        "failing": [str(clause) for clause in each.nearest.failing],
    }


def _hop_body(hop: Hop) -> dict[str, Any]:
    policy = hop.decision.policy
    return {
        "from": hop.client.name,
        "to": hop.server.name,
        "port": hop.request.port,
        "wire": str(hop.connection.wire),
        "wireReason": hop.connection.reason,
        "mode": str(hop.decision.mode.mode),
        "code": hop.decision.code,
        "policy": f"{policy.namespace}/{policy.name}" if policy else "",
        "rule": hop.decision.rule.index if hop.decision.rule else None,
        "location": policy.location if policy else "",
        "reason": sentence(hop),
    }
