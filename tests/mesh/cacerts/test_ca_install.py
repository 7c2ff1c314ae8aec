import pytest
import yaml
from cacerts_world import ca, deployment, namespace, observe, read, roll, secret, smcp

from kntls.mesh.cacerts.install import STAMP, Place, install_plan, multi_root, next_plan, owed, remove_plan, stamp
from kntls.mesh.cacerts.rotation import next_step
from kntls.model.concealed import Concealed
from kntls.model.plan import Verb
from kntls.report.document import dump_yaml, render
from kntls.report.plans import body
from kntls.report.plans import render as show
from kntls.report.text import Paint

OLD, NEW = ca("old"), ca("new")
PLACE = Place()
MESH = (
    namespace("shop", **{"istio-injection": "enabled"}),
    namespace("plain"),
    deployment("shop", "web"),
    deployment("plain", "db"),
    deployment("shop", "hello-00001", owner="Revision"),
    deployment("istio-system", "istio-ingressgateway", {"istio": "ingressgateway"}),
    deployment("istio-system", "istiod"),
    deployment("istio-system", "kiali"),
)
OSSM2 = (*MESH[:2], deployment("shop", "web", {"sidecar.istio.io/inject": "true"}), *MESH[3:], smcp(), roll("shop"))


def run(plan, *objects):
    """Carry a plan out on plain objects as the engine does, restarts finishing at once; the sentences, in order."""
    state, said = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in objects}, []
    for action in plan.actions:
        if action.done(observe(*state.values())).complete:
            continue
        said.append(action.sentence)
        for change in action.changes(observe(*state.values())):
            _write(state, change)
        assert action.done(observe(*state.values())).complete, action.sentence
    return said, list(state.values())


def _write(state, change):
    key = (change.ref.kind.manifest_kind, change.ref.namespace, change.ref.name)
    if change.verb is Verb.DELETE:
        del state[key]
        return
    if change.ref.kind.name == "Secret":
        old = state.get(key, {"data": {}})["data"]
        texts = {name: "".join(iter(text)) for name, text in change.body["stringData"].items()}
        state[key] = secret({}) | {"data": old | secret(texts)["data"]}
        return
    from kntls.engine.predict import merged

    state[key] = merged(state[key], change.body)


def test_istiod_is_restarted_first_then_gateways_then_workloads_with_a_sidecar():
    names = [each["metadata"]["name"] for _, each in owed(observe(*MESH), PLACE)]
    assert names == ["istiod", "istio-ingressgateway", "web"]


def test_installing_writes_the_secret_tells_the_smcp_and_restarts_in_order():
    plan = install_plan(NEW[2], read(NEW[2]), observe(*OSSM2), PLACE)
    said, after = run(plan, *OSSM2)
    assert [each.split()[0] for each in said] == ["Write", "Tell", "Restart", "Restart", "Restart"]
    (plane,) = [o for o in after if o["kind"] == "ServiceMeshControlPlane"]
    assert plane["spec"]["security"]["certificateAuthority"]["istiod"]["type"] == "PrivateKey"
    assert plane["spec"]["security"]["dataPlane"] == {"mtls": True}
    again, _ = run(install_plan(NEW[2], read(NEW[2]), observe(*after), PLACE), *after)
    assert again == []


def test_a_workload_of_a_revision_is_left_out_and_said_so():
    plan = install_plan(NEW[2], read(NEW[2]), observe(*MESH), PLACE)
    assert any("Knative revisions" in note for note in plan.notes)


def test_removing_takes_everything_back():
    _, installed = run(install_plan(NEW[2], read(NEW[2]), observe(*OSSM2), PLACE), *OSSM2)
    said, after = run(remove_plan(observe(*installed), PLACE), *installed)
    assert [each.split()[0] for each in said] == ["Tell", "Delete", "Restart", "Restart", "Restart"]
    assert not [o for o in after if o["kind"] == "Secret"]
    (plane,) = [o for o in after if o["kind"] == "ServiceMeshControlPlane"]
    assert plane["spec"]["security"]["certificateAuthority"]["istiod"] == {"type": "SelfSigned"}


def test_a_rotation_carried_out_step_by_step_ends_at_the_new_ca():
    state = [*MESH, secret(OLD[2])]
    for _ in range(3):
        from kntls.mesh.cacerts.install import current

        step = next_step(current(observe(*state), PLACE), read(NEW[2]))
        said, state = run(next_plan(step, NEW[2], observe(*state), PLACE), *state)
        assert len(said) == 4
    found = current(observe(*state), PLACE)
    assert (found.ca, found.roots, found.chain) == (read(NEW[2]).ca, read(NEW[2]).roots, read(NEW[2]).chain)
    assert found.public_key == read(NEW[2]).public_key


def test_a_restart_waits_for_the_rollout():
    plan = install_plan(NEW[2], read(NEW[2]), observe(*MESH), PLACE)
    (action,) = [each for each in plan.actions if each.id == "restart/istio-system/istiod"]
    fresh = deployment("istio-system", "istiod")
    fresh["spec"]["template"]["metadata"]["annotations"] = {STAMP: stamp(read(NEW[2]))}
    fresh["metadata"]["generation"] = 2
    assert action.changes(observe(fresh)) == ()
    assert not action.done(observe(fresh)).complete
    fresh["status"]["observedGeneration"] = 2
    assert action.done(observe(fresh)).complete
    fresh["status"]["replicas"] = 2
    assert not action.done(observe(fresh)).complete


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_the_plan_never_shows_the_key(output):
    observation = observe(*MESH)
    for plan in (
        install_plan(NEW[2], read(NEW[2]), observation, PLACE),
        next_plan(next_step(read(OLD[2]), read(NEW[2])), NEW[2], observation, PLACE),
    ):
        text = (
            show(plan, observation, Paint(False))
            if output == "text"
            else render("Plan", body(plan, observation), output)
        )
        key = NEW[2]["ca-key.pem"].splitlines()[1]
        assert key not in text
        assert "PRIVATE KEY" not in text


def test_a_concealed_text_reaches_the_request_and_nothing_else():
    import json

    hidden = Concealed("secret")
    assert json.dumps({"a": hidden}) == '{"a": "secret"}'
    for shown in (repr(hidden), str(hidden), f"{hidden}", dump_yaml({"a": hidden}), repr({"a": hidden})):
        assert "secret" not in shown
    assert yaml.safe_load(dump_yaml({"a": hidden})) == {"a": "(not shown)"}


def test_multi_root_is_read_from_istiods_environment():
    on = [{"name": "ISTIO_MULTIROOT_MESH", "value": "true"}]
    assert multi_root(observe(deployment("istio-system", "istiod", env=on)), PLACE)
    assert not multi_root(observe(deployment("istio-system", "istiod")), PLACE)
    assert not multi_root(observe(deployment("istio-system", "other", env=on)), PLACE)


def test_replacing_a_root_outright_is_announced_as_an_interruption():
    fresh = install_plan(NEW[2], read(NEW[2]), observe(*MESH), PLACE)
    same = install_plan(OLD[2], read(OLD[2]), observe(*MESH, secret(OLD[2])), PLACE)
    assert fresh.interruptions
    assert not same.interruptions
