"""Paths after normalization, held against what a real Envoy hands to its filters."""

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kntls.mesh.authz import Engine, Mesh, Normalization, Request, Workload
from kntls.mesh.authz.normalize import normalize
from kntls.mesh.envoy.config import Site
from kntls.mesh.envoy.oracle import Oracle

WORKLOAD = Workload("web", "a")
ATOMS = [
    "/",
    "a",
    ".",
    "..",
    "..;",
    ";",
    "%2e",
    "%2F",
    "%5c",
    "\\",
    "%",
    "%41",
    "%2",
    "b%20",
    "~",
    "//",
    "?",
    "^",
    "|",
    "[",
]
FIXED = [
    *(f"/a{chr(code)}b" for code in range(33, 127)),
    *(f"/a%{code:02x}/b" for code in range(256)),
    *("/a/../b", "/..", "/a/.", "/a/b/..", "//a//b", "/a//../b", "/a%2f..%2fb", "/a/..;x/b", "///", "/a/?b/../c", "*"),
]


@pytest.fixture(scope="module")
def oracle():
    sites = [Site(mode.value, Engine(mesh=Mesh(normalization=mode)), WORKLOAD, 80) for mode in Normalization]
    with Oracle(sites) as running:
        yield running


def differs(oracle, mode, path):
    code, seen = oracle.ask_with_path(mode.value, Request(80, path=path, authority="x"))
    mine = normalize(path, mode)
    return (mine is None) != (code == "400") or (mine is not None and mine != seen)


@pytest.mark.parametrize("mode", Normalization)
def test_every_character_and_every_escape_is_treated_as_envoy_does(oracle, mode):
    assert [path for path in FIXED if differs(oracle, mode, path)] == []


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(ATOMS), max_size=9).map(lambda atoms: "/" + "".join(atoms)))
def test_random_paths_come_out_as_envoy_makes_them(oracle, path):
    assert [mode for mode in Normalization if differs(oracle, mode, path)] == []


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", Normalization)
def test_all_short_paths_come_out_as_envoy_makes_them(oracle, mode):
    paths = ("/" + "".join(atoms) for atoms in product(ATOMS, repeat=3))
    assert [path for path in paths if differs(oracle, mode, path)] == []
