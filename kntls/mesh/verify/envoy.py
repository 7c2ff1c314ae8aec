"""The same probes without a cluster: every hop asked of a real Envoy that enforces the same policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kntls.mesh.cases import Case, Skipped, Table, Worlds
from kntls.mesh.envoy.table import measuring
from kntls.mesh.resources import Resources, from_objects
from kntls.mesh.routing import Route
from kntls.mesh.topology import SERVING_GROUP
from kntls.mesh.verify.judge import Measured, Outcome, judge
from kntls.mesh.verify.probes import Probe
from kntls.mesh.verify.workloads import Images, of_tenant
from kntls.mesh.walk import World


def with_services(resources: Resources, tenants: Mapping[str, tuple[str, ...]]) -> tuple[Resources, tuple[str, ...]]:
    """The input with the test workloads of `--deploy` for each tenant without a Knative service, and who got them."""
    serving = {each.namespace for each in resources.in_group("Service", SERVING_GROUP)}
    bare = tuple(spaces[0] for spaces in tenants.values() if not serving & set(spaces))
    added = from_objects(made for namespace in bare for made in of_tenant(namespace, Images()))
    return Resources((*resources.objects, *added.objects), resources.bundles), bare


def _case(probe: Probe, number: int, route: Route) -> Case:
    source = route.chain[0]
    return Case(f"{number}", (), source, probe.target, probe.call, route.chain, "", "", probe.id)


def run(world: World, resources: Resources, found: Sequence[Probe]) -> Iterator[Outcome]:
    """Start the Envoys, ask every probe on every route, and judge each."""
    cases = [(probe, route, _case(probe, n, route)) for n, (probe, route) in enumerate(_pairs(found))]
    workloads = {each.name: each for _, route, _ in cases for each in route.chain}
    worlds = Worlds(resources, world.engine.mesh)
    with measuring(Table(workloads, tuple(case for _, _, case in cases)), worlds, "verify") as measure:
        for probe, route, case in cases:
            verdict = world.walk(route.chain, probe.call)
            try:
                got = measure(case, worlds.of(case, "verify"), route)
            except Skipped as error:
                yield judge(probe, [verdict], Measured("", problem=str(error)))
                continue
            seen = _seen(route, got.denied_at)
            yield judge(probe, [verdict], Measured(got.code, seen))


def _pairs(found: Sequence[Probe]) -> Iterator[tuple[Probe, Route]]:
    for probe in found:
        for route in probe.routes:
            yield probe, route


def _seen(route: Route, denied_at: str) -> frozenset[str] | None:
    """The proxies a request got to, from where it was refused; None where a name does not tell."""
    names = [each.name for each in route.chain[1:] if each.mesh]
    if not denied_at:
        return frozenset(names)
    return frozenset(names[: names.index(denied_at) + 1]) if denied_at in names else None
