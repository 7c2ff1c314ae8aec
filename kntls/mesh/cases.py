"""A table of requests with the outcome each must have: policy unit tests. Reading it, running it, judging it."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kntls.errors import InputError
from kntls.mesh.authz import validation
from kntls.mesh.authz.model import Mesh, Workload
from kntls.mesh.resources import Resources
from kntls.mesh.routing import Route, landscape, routes
from kntls.mesh.walk import Call, Verdict, World
from kntls.mesh.world import build
from kntls.observe.documents import once

_LOOPBACK = "127.0.0.1"
_HIGHEST_PORT = 65535
_OUTCOME = re.compile(r"[1-5][0-9]{2}|000|hello port [0-9]+|connection rejected")
_OUTCOMES = "a status code, 000, hello port N or connection rejected"
_REFUSED = frozenset({"000", "connection rejected"})
_CASE_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "src": str,
    "dst": str,
    "port": int,
    "expect": (int, str),
    "setup": list,
    "hops": list,
    "proto": str,
    "method": str,
    "path": str,
    "host": str,
    "headers": dict,
    "tls": str,
    "ip": str,
    "remoteIp": str,
    "jwt": (dict, str),
    "deny_at": str,
    "note": str,
    "seed": str,
    "basis": str,
}
_NEEDED = ("id", "src", "dst", "port", "expect")
_WORKLOAD_FIELDS: Mapping[str, type] = {"ns": str, "sa": str, "labels": dict, "mesh": bool}


@dataclass(frozen=True)
class Case:
    """One row: who calls whom with what, under which bundles, and what must come of it."""

    id: str
    setup: tuple[str, ...]
    source: Workload
    target: Workload
    call: Call
    hops: tuple[Workload, ...]
    """As the table gives them; empty where they are to be derived."""
    expect: str
    denied_at: str
    note: str


@dataclass(frozen=True)
class Table:
    """All rows, and the workloads they name."""

    workloads: Mapping[str, Workload]
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Outcome:
    """What the client sees, and whose proxy refused."""

    code: str
    denied_at: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one row, on one of its routes."""

    case: Case
    route: Route
    got: Outcome
    verdict: Verdict
    """The offline evaluator's, whoever measured `got`."""
    world: World
    reason: str = ""
    """Why it is a mismatch; empty when it is none."""
    skipped: str = ""
    """Why it could not be run."""

    @property
    def passed(self) -> bool:
        """Whether the outcome is the expected one."""
        return not self.reason and not self.skipped


def read_table(text: str, name: str) -> Table:
    """Read a table. Raises `InputError` with file, case and field for anything that is not as it must be."""
    document = _document(text, name)
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list):
        raise InputError("must be a JSON object with workloads and cases", where=name)
    _check_fields(document, {"workloads": dict, "cases": list}, (), name)
    if not document["cases"]:
        raise InputError("cases: holds none", where=name)
    workloads = dict(_workloads(document.get("workloads") or {}, name))
    cases = tuple(_case(item, index, workloads, name) for index, item in enumerate(document["cases"]))
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise InputError("id: there is another case of this name", where=f"{name} case {case.id}")
        seen.add(case.id)
    return Table(workloads, cases)


def _document(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=partial(once, name))
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", where=f"{name} line {error.lineno}") from error


def _workloads(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, Workload]]:
    for key, item in document.items():
        where = f"{name} workload {key}"
        _check_fields(item, _WORKLOAD_FIELDS, (), where)
        labels = {str(label): str(value) for label, value in (item.get("labels") or {}).items()}
        mesh = item.get("mesh") is not False
        if mesh and not item.get("ns"):
            raise InputError("ns: missing; only a workload with mesh: false may go without", where=where)
        yield key, Workload(key, item.get("ns") or "", item.get("sa") or "default", labels, mesh)


def _check_fields(item: Any, fields: Mapping[str, Any], needed: tuple[str, ...], where: str) -> None:
    if not isinstance(item, dict):
        raise InputError("must be an object", where=where)
    for key, value in item.items():
        if key not in fields:
            raise InputError(f"unknown field {key!r}; known here: {', '.join(fields)}", where=where)
        if value is not None and (
            not isinstance(value, fields[key]) or isinstance(value, bool) != (fields[key] is bool)
        ):
            raise InputError(f"{key}: {value!r} is of the wrong type", where=where)
    for key in needed:
        if item.get(key) is None:
            raise InputError(f"{key}: missing", where=where)


def _case(item: Any, index: int, workloads: Mapping[str, Workload], name: str) -> Case:
    where = f"{name} case {(item.get('id') if isinstance(item, dict) else None) or index}"
    _check_fields(item, _CASE_FIELDS, _NEEDED, where)
    hops = item.get("hops") or []
    named = [("src", item["src"]), ("dst", item["dst"]), *((f"hops[{i}]", hop) for i, hop in enumerate(hops))]
    for field, value in (*named, *([("deny_at", item["deny_at"])] if item.get("deny_at") else ())):
        if value not in workloads:
            raise InputError(f"{field}: unknown workload {value!r}", where=where)
    if len(hops) == 1:
        raise InputError("hops: must name a peer and at least one workload", where=where)
    if hops and hops[-1] != item["dst"]:
        raise InputError(f"hops: must end at {item['dst']}", where=where)
    if not _OUTCOME.fullmatch(str(item["expect"])):
        raise InputError(f"expect: {item['expect']!r} is no outcome; {_OUTCOMES}", where=where)
    return Case(
        item["id"],
        tuple(map(str, item.get("setup") or ())),
        workloads[item["src"]],
        workloads[item["dst"]],
        _call(item, where),
        tuple(workloads[hop] for hop in hops),
        str(item["expect"]),
        item.get("deny_at") or "",
        item.get("note") or "",
    )


def _call(item: Mapping[str, Any], where: str) -> Call:
    if not 1 <= item["port"] <= _HIGHEST_PORT:
        raise InputError(f"port: {item['port']} is no port", where=where)
    proto, tls = item.get("proto") or "http", item.get("tls")
    if proto not in ("http", "tcp"):
        raise InputError(f"proto: {proto!r} is neither http nor tcp", where=where)
    if tls not in (None, "plaintext"):
        raise InputError(f"tls: {tls!r} is not plaintext", where=where)
    return Call(
        item["port"],
        proto == "tcp",
        item.get("method") or "GET",
        item.get("path") or "/",
        item.get("host") or "",
        {str(key): str(value) for key, value in (item.get("headers") or {}).items()},
        item.get("jwt"),
        _address(item, "ip", where) or _LOOPBACK,
        _address(item, "remoteIp", where),
        tls == "plaintext",
    )


def _address(item: Mapping[str, Any], field: str, where: str) -> str:
    value = item.get(field) or ""
    try:
        return str(ipaddress.ip_address(value)) if value else ""
    except ValueError:
        raise InputError(f"{field}: {value!r} is no IP address", where=where) from None


class Worlds:
    """The world of each combination of bundles, built once.

    Raises `InputError` for a policy in a bundle that Istio would reject, used or not.
    """

    def __init__(self, resources: Resources, mesh: Mesh | None = None) -> None:
        self._resources, self._mesh = resources, mesh
        for found in (entry for bundle in resources.bundles.values() for entry in bundle):
            validation.check(found)
        self._built: dict[tuple[str, ...], World] = {}

    def of(self, case: Case, where: str) -> World:
        """The world of a case's setup. Raises `InputError` for a bundle that does not exist."""
        if case.setup not in self._built:
            for bundle in case.setup:
                if bundle not in self._resources.bundles:
                    known = ", ".join(self._resources.bundles) or "none"
                    raise InputError(
                        f"setup: unknown bundle {bundle!r} (there is {known})", where=f"{where} case {case.id}"
                    )
            self._built[case.setup] = build(self._resources.with_bundles(case.setup), self._mesh)
        return self._built[case.setup]


def case_routes(case: Case, table: Table, mesh: Mesh) -> tuple[Route, ...]:
    """The hops as given, or every route that explain would derive."""
    return (Route(case.hops, "as given"),) if case.hops else derived_routes(case, table, mesh)


def derived_routes(case: Case, table: Table, mesh: Mesh) -> tuple[Route, ...]:
    """The routes as explain derives them from Host, sidecar and what the target is."""
    scene = landscape(table.workloads.values(), mesh.cluster_domain)
    found = routes(case.source, case.target, case.call.host, scene, tcp=case.call.tcp, plaintext=case.call.plaintext)
    if not found:
        raise InputError(f"no route: the table has no gateway or activator for Host {case.call.host!r}", where=case.id)
    return found


Measure = Callable[[Case, World, Route], Outcome]
"""Another opinion on the outcome: what a real proxy answered. Raises `Skipped` where it cannot be asked."""


class Skipped(Exception):
    """A row that cannot be measured here, and why."""


def run(
    table: Table, worlds: Worlds, where: str, *, now: float | None = None, measure: Measure | None = None
) -> Iterator[Result]:
    """Judge every case on every of its routes, offline or by `measure`."""
    for case in table.cases:
        world = worlds.of(case, where)
        for route in case_routes(case, table, world.engine.mesh):
            verdict = world.walk(route.chain, case.call, now=now)
            yield _judge(case, route, verdict, world, measure)


def _judge(case: Case, route: Route, verdict: Verdict, world: World, measure: Measure | None) -> Result:
    try:
        got = measure(case, world, route) if measure else _offline(verdict)
    except Skipped as error:
        return Result(case, route, Outcome(""), verdict, world, skipped=str(error))
    return Result(case, route, got, verdict, world, _mismatch(case, got))


def _offline(verdict: Verdict) -> Outcome:
    return Outcome(verdict.code, verdict.denied_at.name if verdict.denied_at else "")


def _mismatch(case: Case, got: Outcome) -> str:
    if not same_outcome(case.expect, got.code, tcp=case.call.tcp):
        return f"expected {case.expect}, got {got.code}"
    if case.denied_at and got.denied_at != case.denied_at:
        return f"expected the denial at {case.denied_at}, got it at {got.denied_at or 'no hop'}"
    return ""


def same_outcome(expected: str, got: str, *, tcp: bool) -> bool:
    """Whether two outcomes are the same for the client; over TCP every refusal looks alike."""
    return expected == got or (tcp and {expected, got} <= _REFUSED)


def totals(results: Sequence[Result]) -> tuple[int, int, int]:
    """How many passed, failed and were skipped."""
    skipped = sum(bool(result.skipped) for result in results)
    passed = sum(result.passed for result in results)
    return passed, len(results) - passed - skipped, skipped
