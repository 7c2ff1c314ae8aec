from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.loop import Loop
from kntls.lab.workloads.deployments import DEPLOYMENTS, REVISION, Deployments, rollout, share
from tests.lab.small import new_store, until


@given(st.integers(1, 12), st.sampled_from(["25%", "100%", 1, 0]), st.sampled_from(["25%", 0, 1]))
def test_a_rollout_ends_and_never_falls_below_what_must_be_available(replicas, surge, unavailable):
    up, down = share(surge, replicas, up=True), share(unavailable, replicas, up=False)
    old, new = replicas, 0
    for _ in range(4 * replicas + 4):
        new, (old,) = rollout(replicas, up, down, new, [(old, old)], new)
        assert old + new >= replicas - down
        assert old + new <= replicas + max(up, 1)
    assert (new, old) == (replicas, 0)


def test_going_back_to_an_earlier_template_is_a_revision_of_its_own():
    store, loop = new_store(), Loop()
    client = Client(store, "kubectl")
    controller = Deployments(client, Clock(3600.0), loop)
    store.subscribe(lambda event: controller.changed(event.resource.key, event.obj))
    client.create("namespaces", {"metadata": {"name": "team"}})
    client.create(DEPLOYMENTS, deployment("one"))
    loop.start()
    try:
        for image, revision in (("one", "1"), ("two", "2"), ("one", "3")):
            found = client.get(DEPLOYMENTS, "team", "web")
            client.change(DEPLOYMENTS, found, spec={**found["spec"], **deployment(image)["spec"]})
            until(lambda revision=revision: rolled_out(client) == revision, f"revision {revision}")
    finally:
        loop.stop()


def deployment(image):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": image}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web", "namespace": "team"}, "spec": spec}


def rolled_out(client):
    return client.get(DEPLOYMENTS, "team", "web")["metadata"].get("annotations", {}).get(REVISION)


def test_percentages_round_up_for_a_surge_and_down_for_the_unavailable():
    assert share("25%", 1, up=True) == 1
    assert share("25%", 1, up=False) == 0
    assert share(None, 4, up=True) == 1
