"""Would this request pass: the verdict on every route it can take, and the smallest change that turns it round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kntls.errors import UsageError
from kntls.mesh.authz.engine import Cause
from kntls.mesh.authz.jwt import Token
from kntls.mesh.authz.model import Workload
from kntls.mesh.change import Change, turn_round
from kntls.mesh.routing import Route, is_knative, local_name, routes
from kntls.mesh.topology import Place, Topology
from kntls.mesh.walk import Call, Verdict, World
from kntls.mesh.why import NearMiss, advice, near_misses, remarks


@dataclass(frozen=True)
class Question:
    """What is asked: who calls, where to, with what."""

    source: Workload
    place: Place
    method: str = "GET"
    path: str = "/"
    host: str = ""
    """Empty takes the Service's own name."""
    headers: Mapping[str, str] = field(default_factory=dict)
    token: Token | None = None
    source_ip: str = ""
    remote_ip: str = ""
    plaintext: bool = False
    tcp: bool | None = None
    """None takes what the Service's port says."""


@dataclass(frozen=True)
class Explained:
    """One route with its verdict."""

    route: Route
    verdict: Verdict
    changes: tuple[Change, ...]
    """What would turn the verdict round, together."""
    remarks: tuple[str, ...] = ()
    nearest: NearMiss | None = None
    """The ALLOW rule that comes nearest, where none matches."""
    advice: str = ""
    """What the caller could send instead."""


def explain(world: World, scene: Topology, question: Question, *, now: float | None = None) -> tuple[Explained, ...]:
    """Every route the request can take, each with its verdict. Raises `UsageError` where there is none."""
    place = question.place
    tcp = place.tcp if question.tcp is None else question.tcp
    host = question.host or place.host
    found = routes(
        question.source,
        place.workload,
        host,
        scene.scene,
        tcp=tcp,
        plaintext=question.plaintext,
        activated=place.activated,
    )
    if not found:
        raise UsageError(f"no route leads from Host {host!r} to {place.workload.name}", where="--host")
    call = _call(question, host, tcp, scene)
    return tuple(_explained(world, route, call, now) for route in found)


def _call(question: Question, host: str, tcp: bool, scene: Topology) -> Call:
    place = question.place
    return Call(
        place.port,
        tcp,
        question.method,
        question.path,
        host,
        {**_routing_headers(question.place, host, scene), **question.headers},
        question.token,
        question.source_ip,
        question.remote_ip,
        question.plaintext,
        place.service_port,
        scene.gateway_port,
    )


def _routing_headers(place: Place, host: str, scene: Topology) -> dict[str, str]:
    """What the route of a Knative Service adds on the way (net-istio `virtual_service.go`)."""
    name = local_name(host, scene.scene)
    routed = is_knative(place.workload) and name is not None and name[1] == place.workload.namespace
    return {"Knative-Serving-Namespace": place.workload.namespace} if routed and not _private(host) else {}


def _private(host: str) -> bool:
    return host.partition(".")[0].endswith("-private")


def _explained(world: World, route: Route, call: Call, now: float | None) -> Explained:
    verdict = world.walk(route.chain, call, now=now)
    last = verdict.last
    enforced = world.engine.enforcement(last.server, tcp=last.request.tcp)
    misses = near_misses(enforced, last.request) if last.decision.cause is Cause.NO_ALLOW_MATCHES else ()
    return Explained(
        route,
        verdict,
        turn_round(world, route.chain, call),
        tuple(remarks(enforced, last.decision)),
        misses[0] if misses else None,
        advice(enforced, last.decision, last.request),
    )


def agreed(found: tuple[Explained, ...]) -> str:
    """The one code of all routes, or an empty string where they differ."""
    codes = {each.verdict.code for each in found}
    return codes.pop() if len(codes) == 1 else ""
