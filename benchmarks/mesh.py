"""Requests a second through 1,000 policies over 100 namespaces: compiled once, compiled anew, and by a real Envoy.

python benchmarks/mesh.py [--seconds 3]
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Callable, Iterator

from kntls.mesh import resources
from kntls.mesh.authz import Engine, Mesh, Request, Workload
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle
from kntls.mesh.world import build

NAMESPACES, POLICIES_EACH, REQUESTS = 100, 10, 2000


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


def _request(chance: random.Random) -> Request:
    peer = f"spiffe://cluster.local/ns/ns-{chance.randrange(NAMESPACES)}/sa/default"
    path = chance.choice(["/healthz", f"/v{chance.randrange(12)}/x", "/api/7/items", "/nothing"])
    headers = {"x-tenant": chance.choice(["tenant-1", "shared-a", "other"])}
    return Request(8080, peer=peer, method=chance.choice(["GET", "POST", "PUT"]), path=path, headers=headers)


def rate(action: Callable[[Workload, Request], object], asked: list[tuple[Workload, Request]], seconds: float) -> float:
    """How many requests a second `action` gets through."""
    done, started = 0, time.perf_counter()
    for workload, request in itertools.cycle(asked):
        action(workload, request)
        done += 1
        if time.perf_counter() - started >= seconds:
            break
    return done / (time.perf_counter() - started)


def measure(seconds: float) -> Iterator[tuple[str, float]]:
    """What is measured, and its rate."""
    objects, asked = policies(), requests(REQUESTS)
    engine = build(resources.from_objects(objects)).engine
    for workload, _ in asked:
        engine.enforcement(workload)
    yield "compiled once", rate(engine.decide, asked, seconds)

    def anew(workload: Workload, request: Request) -> object:
        return Engine(engine.policies, mesh=Mesh()).decide(workload, request)

    yield "compiled for each request", rate(anew, asked, seconds)

    def reread(workload: Workload, request: Request) -> object:
        return build(resources.from_objects(objects)).engine.decide(workload, request)

    yield "read and compiled for each request", rate(reread, asked, seconds)
    sites = {
        (w.namespace, w.labels["app"]): Site(f"{w.namespace}-{w.labels['app']}", engine, w, 8080) for w, _ in asked
    }
    with Oracle(list(sites.values())) as oracle:

        def real(workload: Workload, request: Request) -> object:
            return oracle.ask(sites[workload.namespace, workload.labels["app"]].name, request)

        yield "a real Envoy, one connection each", rate(real, asked, seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    base = 0.0
    print(f"{NAMESPACES * POLICIES_EACH} policies over {NAMESPACES} namespaces")
    for name, found in measure(parser.parse_args().seconds):
        base = base or found
        print(f"{name:36}{found:>12,.0f} requests/s   1/{base / found:,.0f}")


if __name__ == "__main__":
    main()
