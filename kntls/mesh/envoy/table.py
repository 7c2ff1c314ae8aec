"""A table of cases on real Envoys: one listener for each workload and port a case reaches, asked hop by hop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kntls.mesh.authz.engine import Engine
from kntls.mesh.authz.model import Workload
from kntls.mesh.cases import Case, Measure, Outcome, Skipped, Table, Worlds, case_routes
from kntls.mesh.envoy.client import NotRunnable
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle
from kntls.mesh.routing import Route
from kntls.mesh.walk import Arrow, World, seen_by_client

_PASSED = ("200", "hello ")


@contextmanager
def measuring(table: Table, worlds: Worlds, where: str) -> Iterator[Measure]:
    """Start the Envoys that enforce every case's policies; yields the measure for `cases.run`."""
    sites = _Sites()
    for case in table.cases:
        world = worlds.of(case, where)
        for route in case_routes(case, table, world.engine.mesh):
            for arrow in world.arrows(route.chain, case.call):
                sites.name(world.engine, arrow)
    with Oracle(sites.all) as oracle:

        def measure(case: Case, world: World, route: Route) -> Outcome:
            for arrow in world.arrows(route.chain, case.call):
                code = _ask(oracle, sites, world, arrow)
                if not code.startswith(_PASSED):
                    return Outcome(code, arrow.server.name)
            return Outcome(code)

        yield measure


class _Sites:
    """The listeners needed, each once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, tuple[tuple[str, str], ...], int, bool], Site] = {}

    @property
    def all(self) -> list[Site]:
        return list(self._found.values())

    def name(self, engine: Engine, arrow: Arrow) -> str:
        key = (id(engine), arrow.server.namespace, _labels(arrow.server), arrow.request.port, arrow.request.tcp)
        if key not in self._found:
            name = f"site-{len(self._found)}"
            self._found[key] = Site(name, engine, arrow.server, arrow.request.port, arrow.request.tcp)
        return self._found[key].name


def _labels(workload: Workload) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(workload.labels.items()))


def _ask(oracle: Oracle, sites: _Sites, world: World, arrow: Arrow) -> str:
    if world.disagreement(arrow):
        raise Skipped("client and server do not agree on TLS, which no server-side proxy shows")
    if not arrow.server.mesh:
        return f"hello port {arrow.request.port}" if arrow.request.tcp else "200"
    try:
        code = oracle.ask(sites.name(world.engine, arrow), arrow.request, arrow.token)
    except NotRunnable as error:
        raise Skipped(str(error)) from error
    return seen_by_client(arrow, code)
