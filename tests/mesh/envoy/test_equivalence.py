"""The law of the evaluator: on any policies and any request it says what a real Envoy with Istio's filters does."""

import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kntls.mesh import resources
from kntls.mesh.authz import Workload
from kntls.mesh.cases import same_outcome
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle
from kntls.mesh.world import build
from tests.mesh import strategies

WORLDS, REQUESTS = 6, 8
WORKLOAD = Workload("web", "a", labels=strategies.WORKLOAD_LABELS)
UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
seen = Counter()


@st.composite
def worlds(draw):
    tcp = draw(st.integers(0, 3)) == 0
    asked = st.tuples(strategies.requests(tcp), st.none() if tcp else strategies.tokens())
    return (
        draw(strategies.objects()),
        draw(strategies.meshes()),
        tcp,
        draw(st.lists(asked, min_size=REQUESTS, max_size=REQUESTS)),
    )


batches = st.lists(worlds(), min_size=WORLDS, max_size=WORLDS)


def differences(batch):
    """Every pair on which the evaluator and Envoy differ."""
    engines = [build(resources.from_objects(objects), mesh).engine for objects, mesh, _, _ in batch]
    sites = [
        Site(f"site-{i}", engine, WORKLOAD, 80, world[2])
        for i, (engine, world) in enumerate(zip(engines, batch, strict=True))
    ]
    with Oracle(sites) as oracle:
        for engine, site, (objects, mesh, tcp, asked) in zip(engines, sites, batch, strict=True):
            for request, token in asked:
                decision = engine.decide(WORKLOAD, request, token, now=time.time())
                real = oracle.ask(site.name, request, token)
                seen[real.partition(" port")[0]] += 1
                if not same_outcome(decision.code, real, tcp=tcp):
                    yield real, decision, request, token, mesh, objects


@settings(max_examples=7, **UNHURRIED)
@given(batches)
def test_the_evaluator_says_what_a_real_envoy_does(batch):
    assert list(differences(batch)) == []


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@settings(max_examples=105, **UNHURRIED)
@given(batches)
def test_the_evaluator_says_what_a_real_envoy_does_on_thousands_of_pairs(batch):
    assert list(differences(batch)) == []


def test_the_random_pairs_are_neither_all_allowed_nor_all_denied():
    assert seen["200"] > 20
    assert seen["403"] > 20
