"""Judging requests by 1,000 policies over 100 namespaces: compiled once, compiled anew, and by a real Envoy."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Row, arguments, race, report
from kntls.mesh import resources
from kntls.mesh.authz import Engine, Mesh, Request, Workload
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle
from kntls.mesh.world import build

NAMESPACES, POLICIES_EACH = 100, 10


def policies() -> list[dict]:
    """Ten policies a namespace: by caller, method, path, host, header and port, some of them DENY."""
    return [_policy(namespace, index) for namespace in range(NAMESPACES) for index in range(POLICIES_EACH)]


def _policy(namespace: int, index: int) -> dict:
    rule = {
        "from": [{"source": {"namespaces": [f"ns-{(namespace + offset) % NAMESPACES}" for offset in (0, index)]}}],
        "to": [{"operation": {"methods": ["GET", "POST"], "paths": [f"/v{index}/*", "/healthz", "/api/{*}/items"]}}],
        "when": [{"key": "request.headers[X-Tenant]", "values": [f"tenant-{index}", "shared*"]}],
    }
    spec = {"action": "DENY" if index == 9 else "ALLOW", "rules": [rule]}
    if index % 3 == 0:
        spec["selector"] = {"matchLabels": {"app": f"app-{index % 2}"}}
    metadata = {"name": f"policy-{index}", "namespace": f"ns-{namespace}"}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def requests(count: int) -> list[tuple[Workload, Request]]:
    """Random callers, workloads and paths; always the same ones."""
    chance = random.Random(1)
    return [(_workload(chance.randrange(NAMESPACES), chance), _request(chance)) for _ in range(count)]


def _workload(namespace: int, chance: random.Random) -> Workload:
    return Workload("app", f"ns-{namespace}", labels={"app": f"app-{chance.randrange(2)}"})


def site_name(workload: Workload) -> str:
    """The name of a workload's listener."""
    return f"{workload.namespace}-{workload.labels['app']}"


def _request(chance: random.Random) -> Request:
    peer = f"spiffe://cluster.local/ns/ns-{chance.randrange(NAMESPACES)}/sa/default"
    path = chance.choice(["/healthz", f"/v{chance.randrange(12)}/x", "/api/7/items", "/nothing"])
    headers = {"x-tenant": chance.choice(["tenant-1", "shared-a", "other"])}
    return Request(8080, peer=peer, method=chance.choice(["GET", "POST", "PUT"]), path=path, headers=headers)


def judge(action: Callable[[Workload, Request], object], asked: Sequence[tuple[Workload, Request]]) -> float:
    """Seconds for one request, over all of these."""
    started = time.perf_counter()
    for workload, request in asked:
        action(workload, request)
    return (time.perf_counter() - started) / len(asked)


def main() -> None:
    """Every way in turn, round after round; the slow ones get fewer requests."""
    wanted = arguments(__doc__ or "", rounds=3, requests=2000)
    objects, asked = policies(), requests(wanted.requests)
    engine = build(resources.from_objects(objects)).engine
    for workload, _ in asked:
        engine.enforcement(workload)

    def anew(workload: Workload, request: Request) -> object:
        return Engine(engine.policies, mesh=Mesh()).decide(workload, request)

    def reread(workload: Workload, request: Request) -> object:
        return build(resources.from_objects(objects)).engine.decide(workload, request)

    sites = {site_name(workload): Site(site_name(workload), engine, workload, 8080) for workload, _ in asked}
    with Oracle(list(sites.values())) as oracle:

        def real(workload: Workload, request: Request) -> object:
            return oracle.ask(site_name(workload), request)

        ways = {
            "compiled once": lambda: judge(engine.decide, asked),
            "compiled for each request": lambda: judge(anew, asked[:200]),
            "read and compiled for each request": lambda: judge(reread, asked[:5]),
            "a real Envoy, one connection each": lambda: judge(real, asked[:500]),
        }
        best = race(ways, wanted.rounds)
    title = f"Judging a request: {NAMESPACES * POLICIES_EACH} policies over {NAMESPACES} namespaces"
    report(title, [Row(name, seconds, 1) for name, seconds in best.items()], as_json=wanted.json)


main()
