"""A plan shows what will be written: new objects whole, deletions in a line, each diff on top of the ones before it."""

from __future__ import annotations

import re
from base64 import b64encode

from kntls.knative.names import Surface
from kntls.model import kinds as k
from kntls.model.concealed import Concealed
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from kntls.report.plans import body, diff, render
from kntls.report.text import Paint
from kntls.rotation.plan import rotation
from kntls.rotation.situation import Target
from kntls.surfaces.enable import enable
from tests.surfaces.worlds import cluster, request
from tests.world import ISSUER, ca, healthy

BUNDLE = "ConfigMap knative-serving/knative-ca-bundle"
POD = ObjectRef(k.POD, "activator-0", "knative-serving")


def shown(plan: Plan, observation: Observation, *, whole: bool = False) -> str:
    return render(plan, observation, Paint(False), whole=whole)


def block(text: str, change: str, turn: int = 0) -> list[str]:
    """The diff below the `turn`th line that tells that change."""
    lines = text.splitlines()
    start = [number for number, line in enumerate(lines) if line.strip().startswith(change)][turn] + 1
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith(" " * 9)), len(lines))
    return [line[9:] for line in lines[start:end]]


def saying(*changes: Change) -> Plan:
    action = Action("a", "Do it", lambda _: Progress(0, 1), lambda _: changes)
    return Plan("A plan", (action,))


def test_the_bundle_of_a_ca_that_is_not_made_yet_is_shown_as_a_whole_new_object() -> None:
    world = cluster()
    world.drop(k.CONFIG_MAP, "knative-ca-bundle", world.serving)
    world.drop(k.CLUSTER_ISSUER, ISSUER)
    world.objects[k.SECRET].clear()
    plan = enable(world.observation(), request(Surface.CLUSTER_LOCAL))
    found = block(shown(plan, world.observation()), f"apply {BUNDLE}")
    assert all(line.startswith("+") for line in found)
    assert "+kind: ConfigMap" in found
    assert f"+    (the CA of {ISSUER}, once it is made)" in found


def test_a_rotation_shows_where_the_new_ca_will_stand_before_it_is_made() -> None:
    seen = healthy().observation()
    found = block(shown(rotation(seen, Target(ISSUER, "ca2")), seen), f"apply {BUNDLE}")
    assert [line for line in found if line[0] in "+-"] == [
        "+    (the CA that prepare makes in Secret cert-manager/ca2)"
    ]


def test_what_is_deleted_is_one_line() -> None:
    world = healthy()
    name = next(name for space, name in world.objects[k.POD] if space == world.serving and name.startswith("activator"))
    ref = ObjectRef(k.POD, name, world.serving)
    seen, plan = world.observation(), saying(Change(Verb.DELETE, ref))
    assert seen.find(ref) is not None
    lines = shown(plan, seen).splitlines()
    assert lines[lines.index("  1. Do it") + 1 :][:2] == [f"       delete Pod {ref.namespace}/{ref.name}", ""]
    assert body(plan, seen)["actions"][0]["changes"][0]["diff"] == ""


def test_each_diff_is_against_what_the_actions_before_it_leave() -> None:
    world = cluster()
    text = shown(enable(world.observation(), request(Surface.SYSTEM_INTERNAL)), world.observation())
    kourier = "merge Deployment knative-serving/net-kourier-controller"
    assert {"-  replicas: 1", "+  replicas: 0"} <= set(block(text, kourier))
    assert {"-  replicas: 0", "+  replicas: 1"} <= set(block(text, kourier, turn=1))
    assert re.search(r"release Lease .*\n.*spec:\n.*-  holderIdentity: kntls ", text)


def test_a_secrets_data_is_shown_as_text_and_a_private_key_is_not() -> None:
    pair = ca("team")
    ref = ObjectRef(k.SECRET, "published", "team-a")
    texts = {"ca.crt": pair.certificate.pem(), "tls.key": pair.key_pem()}
    data = {name: b64encode(text.encode()).decode() for name, text in texts.items()} | {"other.key": Concealed("k")}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "published"}, "data": data}
    found = diff(Change(Verb.APPLY, ref, manifest), healthy().observation(), whole=True)
    assert "+    -----BEGIN CERTIFICATE-----" in found
    assert "PRIVATE KEY" not in found
    assert "+  tls.key: (not shown)" in found
    assert "+  other.key: (not shown)" in found


def test_pem_blocks_are_whole_only_where_that_is_asked_for() -> None:
    pem = ca().certificate.pem()
    manifest = {"kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"ca.crt": pem}}
    change = Change(Verb.APPLY, ObjectRef(k.CONFIG_MAP, "new", "team-a"), manifest)
    seen = healthy().observation()
    assert pem.splitlines()[3] not in shown(saying(change), seen)
    assert pem.splitlines()[3] in shown(saying(change), seen, whole=True)
