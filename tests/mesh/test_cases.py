"""The table of requests from real installations: every row, offline and on real Envoys, with hops given and derived."""

import json
import time
from pathlib import Path

import pytest

from kntls.errors import InputError
from kntls.mesh import cases, resources
from kntls.mesh.envoy.table import measuring

HERE = Path(__file__).parent / "cases"
TABLE = cases.read_table((HERE / "mesh-cases.json").read_text(), "mesh-cases.json")
WORLDS = cases.Worlds(resources.read([str(HERE / "mesh-policies.yaml")]))
COUNTERFACTUAL = {"001-x1", "001-x2"}
"""What would happen if a client with a sidecar really went through the gateway; it never does."""


COMMON = cases.read_table((HERE / "common-cases.json").read_text(), "common-cases.json")
COMMON_WORLDS = cases.Worlds(resources.read([str(HERE / f"{name}-policies.yaml") for name in ("mesh", "common")]))
EVERY_CASE = (*TABLE.cases, *COMMON.cases)
TABLES = ((TABLE, WORLDS), (COMMON, COMMON_WORLDS))


def results(table, worlds, measure=None):
    return {result.case.id: result for result in cases.run(table, worlds, "", measure=measure, now=time.time())}


@pytest.fixture(scope="module")
def offline():
    return {key: result for pair in TABLES for key, result in results(*pair).items()}


@pytest.fixture(scope="module")
def on_envoy():
    found = {}
    for table, worlds in TABLES:
        with measuring(table, worlds, "") as measure:
            found |= results(table, worlds, measure)
    return found


@pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.id)
def test_the_evaluator_decides_every_row_as_it_was_seen(case, offline):
    assert offline[case.id].reason == ""


@pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.id)
def test_a_real_envoy_decides_every_row_as_it_was_seen(case, on_envoy):
    assert (on_envoy[case.id].reason, on_envoy[case.id].skipped) == ("", "")


@pytest.mark.parametrize("case", [c for c in TABLE.cases if c.id not in COUNTERFACTUAL], ids=lambda case: case.id)
def test_the_hops_of_every_row_are_among_those_derived(case):
    derived = cases.derived_routes(case, TABLE, WORLDS.of(case, "").engine.mesh)
    assert case.hops in [route.chain for route in derived]


@pytest.mark.parametrize("case", [c for c in TABLE.cases if c.id in COUNTERFACTUAL], ids=lambda case: case.id)
def test_a_client_with_a_sidecar_is_never_led_through_the_gateway(case):
    derived = cases.derived_routes(case, TABLE, WORLDS.of(case, "").engine.mesh)
    assert all(route.chain[0] == case.source for route in derived)


def test_a_row_without_hops_must_hold_on_every_route():
    text = json.loads((HERE / "mesh-cases.json").read_text())
    row = next(item for item in text["cases"] if item["id"] == "001-07")
    del row["hops"], row["deny_at"]
    table = cases.read_table(json.dumps({**text, "cases": [row]}), "rows")
    found = list(cases.run(table, WORLDS, "rows"))
    assert [(result.route.names, result.got.denied_at, result.passed) for result in found] == [
        (("t2-curl", "t1-act"), "t1-act", True),
        (("t2-curl", "activator", "t1-act"), "activator", True),
    ]


def test_a_wrong_expectation_is_a_mismatch_with_its_hop():
    text = json.loads((HERE / "mesh-cases.json").read_text())
    row = next(item for item in text["cases"] if item["id"] == "000-3a")
    for change, reason in (
        ({"expect": 200}, "expected 200, got 403"),
        ({"deny_at": "bravo-ksvc"}, "expected the denial at bravo-ksvc, got it at activator"),
    ):
        table = cases.read_table(json.dumps({**text, "cases": [row | change]}), "rows")
        assert [result.reason for result in cases.run(table, WORLDS, "rows")] == [reason]


ROW = {"id": "r", "src": "c", "dst": "s", "port": 80, "expect": 200}
PAIR = {"c": {"ns": "a"}, "s": {"ns": "b"}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "t.json line 1: not JSON: Expecting property name enclosed in double quotes"),
        ([], "t.json: must be a JSON object with workloads and cases"),
        ({"workloads": PAIR, "cases": [ROW | {"dst": "x"}]}, "t.json case r: dst: unknown workload 'x'"),
        ({"workloads": PAIR, "cases": [ROW | {"hops": ["c", "x"]}]}, "t.json case r: hops[1]: unknown workload 'x'"),
        (
            {"workloads": PAIR, "cases": [ROW | {"hops": ["c"]}]},
            "t.json case r: hops: must name a peer and at least one",
        ),
        (
            {"workloads": PAIR, "cases": [ROW | {"prot": "tcp"}]},
            "t.json case r: unknown field 'prot'; known here: id, src",
        ),
        ({"workloads": PAIR, "cases": [ROW | {"port": "80"}]}, "t.json case r: port: '80' is of the wrong type"),
        ({"workloads": PAIR, "cases": [ROW | {"port": True}]}, "t.json case r: port: True is of the wrong type"),
        ({"workloads": PAIR, "cases": [ROW | {"proto": "udp"}]}, "t.json case r: proto: 'udp' is neither http nor tcp"),
        ({"workloads": PAIR, "cases": [ROW | {"tls": "none"}]}, "t.json case r: tls: 'none' is not plaintext"),
        ({"workloads": PAIR, "cases": [ROW | {"ip": "10.1"}]}, "t.json case r: ip: '10.1' is no IP address"),
        ({"workloads": PAIR, "cases": [{"id": "r"}]}, "t.json case r: src: missing"),
        ({"workloads": PAIR, "cases": [ROW, ROW]}, "t.json case r: id: there is another case of this name"),
        ({"workloads": {"c": {"namespace": "a"}}, "cases": [ROW]}, "t.json workload c: unknown field 'namespace'"),
        ({"workloads": {"c": {"sa": "a"}}, "cases": [ROW]}, "t.json workload c: ns: missing"),
        ({"workloads": [], "cases": [ROW]}, "t.json: workloads: [] is of the wrong type"),
        ({"workload": PAIR, "cases": [ROW]}, "t.json: unknown field 'workload'; known here: workloads, cases"),
        ({"workloads": PAIR, "cases": []}, "t.json: cases: holds none"),
        ('{"cases": [], "cases": []}', "t.json: 'cases' is given twice in one object"),
        ({"workloads": PAIR, "cases": [ROW | {"port": 0}]}, "t.json case r: port: 0 is no port"),
        ({"workloads": PAIR, "cases": [ROW | {"deny_at": "x"}]}, "t.json case r: deny_at: unknown workload 'x'"),
        ({"workloads": PAIR, "cases": [ROW | {"hops": ["s", "c"]}]}, "t.json case r: hops: must end at s"),
        ({"workloads": PAIR, "cases": [ROW | {"expect": "denied"}]}, "t.json case r: expect: 'denied' is no outcome"),
        ({"workloads": PAIR, "cases": [ROW | {"expect": 2000}]}, "t.json case r: expect: 2000 is no outcome"),
    ],
)
def test_a_table_that_is_not_as_it_must_be_is_refused_in_one_line(document, message):
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(InputError) as caught:
        cases.read_table(text, "t.json")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_setup_that_names_no_bundle_is_refused_with_those_there_are():
    table = cases.read_table(json.dumps({"workloads": PAIR, "cases": [ROW | {"setup": ["strict"]}]}), "t.json")
    with pytest.raises(InputError, match=r"t.json case r: setup: unknown bundle 'strict' \(there is serverless-base, "):
        list(cases.run(table, WORLDS, "t.json"))
