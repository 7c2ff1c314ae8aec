"""The law of the tenant generator: whatever tenants are called, they reach themselves and nobody else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kntls.mesh.authz.validation import problems
from kntls.mesh.generate.baseline import baseline
from kntls.mesh.generate.control_plane import ControlPlane, control_plane
from kntls.mesh.generate.integration import Integration, integration
from kntls.mesh.generate.jwt import Jwt, jwt
from kntls.mesh.generate.member_roll import Members, member_roll
from kntls.mesh.generate.model import Flavour, Target
from kntls.mesh.generate.mtls import Mtls, mtls
from kntls.mesh.generate.tenant import Tenant, tenant
from kntls.mesh.matrix import matrix
from kntls.mesh.resources import from_objects
from kntls.mesh.topology import topology
from kntls.mesh.world import build

PLATFORM = {"svc", "cluster", "local", "knative-serving", "knative-eventing", "knative-serving-ingress", "istio-system"}
NAMES = st.sampled_from(["a", "a-a", "aa", "svc-a", "a-svc", "team", "team-1", "team-11", "eam", "serving", "x-local"])
OTHERS = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,3})?", fullmatch=True)
NAMESPACES = st.lists((NAMES | OTHERS).filter(lambda name: name not in PLATFORM), min_size=2, max_size=4, unique=True)


def ksvc(namespace, name, **scaling):
    annotations = {f"autoscaling.knative.dev/{key.replace('_', '-')}": value for key, value in scaling.items()}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"metadata": {"annotations": {"sidecar.istio.io/inject": "true", **annotations}}}},
    }


def services(namespace):
    yield ksvc(namespace, "scaled", min_scale="1", target_burst_capacity="0")
    yield ksvc(namespace, "activated", target_burst_capacity="-1")


@settings(max_examples=40, deadline=None)
@given(NAMESPACES, st.booleans(), st.booleans(), st.integers(0, 2))
def test_tenants_reach_themselves_and_nobody_else(names, eventing, harden, shared):
    target = Target()
    cut = max(1, min(len(names) - 1, shared))
    spaces = {"first": tuple(names[:cut]), "second": tuple(names[cut:])}
    objects = [*baseline(target).objects, *mtls(Mtls(), target).objects]
    for name, own in spaces.items():
        objects += tenant(Tenant(name, own, True, eventing, harden), target).objects
    objects += [made for name in names for made in services(name)]
    resources = from_objects(objects)
    world = build(resources)
    found = matrix(world, topology(resources, world.engine.mesh), spaces)
    assert [(cell.source, cell.target, cell.path, cell.codes) for cell in found.cells if not cell.right] == []


def test_the_law_can_fail():
    """Without the policies of one tenant's namespace the matrix shows the leak."""
    target = Target()
    objects = [*mtls(Mtls(), target).objects, *services("one"), *services("two")]
    resources = from_objects(objects)
    world = build(resources)
    assert not matrix(world, topology(resources, world.engine.mesh), {}).isolated


@pytest.mark.parametrize("flavour", Flavour)
def test_istio_would_accept_everything_that_is_generated(flavour):
    target = Target(flavour)
    token = Jwt("j", "web", "https://i", jwks_uri="https://i/keys", claims=("a=b",), labels={"app": "x"})
    made = (
        *baseline(target).objects,
        *tenant(Tenant("t", ("t-1", "t-2"), harden=True), target).objects,
        *mtls(Mtls(namespaces=("web",), labels={"app": "x"}, local_gateway=True), target).objects,
        *integration(Integration("a.b"), target).objects,
        *member_roll(Members(("t-1",)), target).objects,
        *control_plane(ControlPlane(mtls=True, knative=True), target).objects,
        *jwt(token, target).objects,
    )
    for found in from_objects(made).objects:
        assert list(problems(found)) == [], found.where
