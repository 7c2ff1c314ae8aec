"""The engine: what it owes after an interrupt, a failure, a crash; what it says; when it stops."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest

from kntls.engine.restore import changing, left_over, restoring
from kntls.engine.run import Engine
from kntls.errors import Conflict, Incomplete, InputError, KntlsError, Refused, WaitTimeout
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT
from kntls.model.objects import ObjectRef, dig
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Plan, Progress, Verb
from tests.engine.memory import Memory

KOURIER = ObjectRef(DEPLOYMENT, "net-kourier-controller", "knative-serving")
CONFIG = ObjectRef(CONFIG_MAP, "config-network", "knative-serving")


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def deployment(replicas: int = 2) -> dict[str, Any]:
    metadata = {"name": KOURIER.name, "namespace": KOURIER.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def config_map(**data: str) -> dict[str, Any]:
    metadata = {"name": CONFIG.name, "namespace": CONFIG.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def replicas(cluster: Memory) -> int:
    return int(dig(cluster.get(KOURIER) or {}, "spec", "replicas"))


def engine(cluster: Memory, **more: Any) -> Engine:
    time = Time()
    return Engine(cluster, cluster.observe, clock=lambda: time.now, sleep=time.sleep, **more)  # type: ignore[arg-type]


def frozen(observation: Observation) -> bool:
    return dig(observation.find(KOURIER) or {}, "spec", "replicas") == 0


def freeze(**more: Any) -> Action:
    def inverse(observation: Observation) -> tuple[Change, ...]:
        return restoring(observation.find(KOURIER) or {}, KOURIER)

    return Action(
        "freeze",
        "Freeze",
        lambda observation: Progress.of({"frozen": frozen(observation)}),
        lambda _: (changing(KOURIER, {"spec": {"replicas": 0}}, {"spec": {"replicas": 2}}),),
        inverse=inverse,
        reads=frozenset({DEPLOYMENT}),
        temporary=True,
        **more,
    )


def resume() -> Action:
    back = freeze().inverse
    done = lambda observation: Progress.of({"resumed": not frozen(observation)})  # noqa: E731 - one expression
    return Action("resume", "Resume", done, back, reads=frozenset({DEPLOYMENT}), releases=("freeze",))


def setting(key: str, value: str) -> Action:
    def done(observation: Observation) -> Progress:
        return Progress.of({key: dig(observation.find(CONFIG) or {}, "data", key) == value})

    changes = (Change(Verb.MERGE, CONFIG, {"data": {key: value}}),)
    return Action(f"set/{key}", f"Set {key}", done, lambda _: changes, reads=frozenset({CONFIG_MAP}))


def never(**more: Any) -> Action:
    return Action("never", "Wait for what never comes", lambda _: Progress(0, 1, ("that",)), **more)


def plan(*actions: Action) -> Plan:
    return Plan("a plan", actions)


def run(cluster: Memory, *actions: Action, **more: Any) -> Engine:
    made = engine(cluster, **more)
    made.run(plan(*actions), cluster.observe(()))
    return made


def test_a_plan_is_carried_out_in_order_and_done_actions_write_nothing() -> None:
    cluster = Memory(config_map(a="1"))
    run(cluster, setting("a", "1"), setting("b", "2"))
    assert dig(cluster.get(CONFIG) or {}, "data") == {"a": "1", "b": "2"}
    assert len(cluster.writes) == 1


def test_a_temporary_change_carries_its_former_value_and_leaves_no_trace_when_released() -> None:
    cluster = Memory(deployment())
    seen = []
    cluster.on_write = lambda verb, ref: seen.append((replicas(cluster), len([*left_over(cluster.observe(()))])))
    run(cluster, freeze(), resume())
    assert seen == [(0, 1), (2, 0)], "the note lies beside the change in one write, and goes with it"


def test_a_wait_that_runs_out_takes_temporary_changes_back_and_names_what_is_missing() -> None:
    cluster = Memory(deployment())
    with pytest.raises(Incomplete, match="waited 25 s for: Wait for what never comes; missing: that"):
        run(cluster, freeze(), never(limit=25.0), timeout=600.0)
    assert replicas(cluster) == 2
    assert not [*left_over(cluster.observe(()))]


def test_a_wait_that_runs_out_before_the_first_write_says_so_as_such() -> None:
    with pytest.raises(WaitTimeout, match="--timeout"):
        run(Memory(), never())


def test_an_interrupt_takes_temporary_changes_back_and_leaves_the_rest() -> None:
    cluster = Memory(deployment(), config_map())

    def interrupt(verb: str, ref: ObjectRef) -> None:
        if ref == CONFIG:
            raise KeyboardInterrupt

    cluster.on_write = interrupt
    with pytest.raises(Incomplete, match="interrupted") as stopped:
        run(cluster, freeze(), setting("a", "1"), resume())
    assert replicas(cluster) == 2
    assert dig(cluster.get(CONFIG) or {}, "data", "a") == "1"
    assert "same command" in stopped.value.fix


def test_an_interrupt_before_the_first_write_is_just_an_interrupt() -> None:
    def interrupted(_: Observation) -> Progress:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Memory(), Action("wait", "Wait", interrupted))


def test_ctrl_c_waits_until_an_unbroken_change_is_taken_back_in_its_turn() -> None:
    cluster = Memory(deployment(), config_map())
    before, order = signal.getsignal(signal.SIGINT), list[str]()

    def press(verb: str, ref: ObjectRef) -> None:
        order.append(f"{ref.name} {replicas(cluster)}")
        if ref == CONFIG:
            os.kill(os.getpid(), signal.SIGINT)

    cluster.on_write = press
    with pytest.raises(Incomplete, match="interrupted"):
        run(cluster, freeze(unbroken=True), setting("a", "1"), resume(), setting("b", "2"))
    assert order == ["net-kourier-controller 0", "config-network 0", "net-kourier-controller 2"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_stops_even_there_and_puts_things_back() -> None:
    cluster = Memory(deployment(), config_map())

    def press(verb: str, ref: ObjectRef) -> None:
        if ref == CONFIG:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    cluster.on_write = press
    with pytest.raises(Incomplete, match="interrupted"):
        run(cluster, freeze(unbroken=True), setting("a", "1"), never())
    assert replicas(cluster) == 2


def test_after_a_kill_the_note_on_the_object_says_what_it_was() -> None:
    cluster = Memory(deployment(3))

    cluster.merge(KOURIER, changing(KOURIER, {"spec": {"replicas": 0}}, {"spec": {"replicas": 3}}).body)
    fresh = cluster.observe(())
    assert [*left_over(fresh)] == [KOURIER]
    run(cluster, resume())
    assert replicas(cluster) == 3
    assert not [*left_over(cluster.observe(()))]


def test_a_temporary_change_found_in_force_is_owed_by_the_run_that_found_it() -> None:
    cluster = Memory(deployment())
    cluster.merge(KOURIER, changing(KOURIER, {"spec": {"replicas": 0}}, {"spec": {"replicas": 2}}).body)
    with pytest.raises(WaitTimeout):
        run(cluster, freeze(), never())
    assert replicas(cluster) == 2


def test_temporary_changes_are_taken_back_in_reverse_each_once_the_later_one_has_taken_effect() -> None:
    cluster = Memory(deployment(), config_map(flag="off"))
    order: list[str] = []
    looks = iter((False, False, True, True, True))

    def undone(_: Observation) -> Progress:
        order.append("look")
        return Progress.of({"settled": next(looks)})

    moment = replace(
        setting("flag", "on"),
        temporary=True,
        inverse=lambda _: (Change(Verb.MERGE, CONFIG, {"data": {"flag": "off"}}),),
        undone=undone,
    )
    cluster.on_write = lambda verb, ref: order.append(ref.name)
    with pytest.raises(Incomplete):
        run(cluster, freeze(), moment, never())
    config, kourier = CONFIG.name, KOURIER.name
    assert order == [kourier, config, config, "look", "look", "look", kourier]


def test_one_change_that_cannot_be_taken_back_does_not_keep_the_others_and_is_named() -> None:
    cluster = Memory(deployment(), config_map(flag="off"))

    def failing(_: Observation) -> tuple[Change, ...]:
        raise InputError("a broken note")

    moment = replace(setting("flag", "on"), temporary=True, inverse=failing)
    with pytest.raises(Incomplete, match="not taken back: Set flag"):
        run(cluster, freeze(), moment, never())
    assert replicas(cluster) == 2


def test_a_conflict_after_a_write_stops_and_can_be_resumed() -> None:
    cluster = Memory(config_map())

    def conflict(verb: str, ref: ObjectRef) -> None:
        if "b" in dig(cluster.get(CONFIG) or {}, "data", default={}):
            raise Conflict("kubectl owns it", where=str(ref))

    cluster.on_write = conflict
    with pytest.raises(Incomplete, match="kubectl owns it"):
        run(cluster, setting("a", "1"), setting("b", "2"))
    cluster.on_write = lambda verb, ref: None
    run(cluster, setting("a", "1"), setting("b", "2"))


def test_a_guard_stops_before_the_write() -> None:
    cluster = Memory(config_map())
    with pytest.raises(Refused, match="not now"):
        run(cluster, replace(setting("a", "1"), guard=lambda _: "not now"))
    assert not cluster.writes


def test_a_lost_lease_stops_everything() -> None:
    cluster = Memory(config_map())
    with pytest.raises(Refused, match="somebody else"):
        run(cluster, setting("a", "1"), still_ours=lambda: "somebody else")
    assert not cluster.writes


def test_objects_that_argo_cd_tracks_are_refused_unless_forced() -> None:
    tracked = config_map()
    tracked["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "shop"}
    with pytest.raises(Refused, match=r"Argo CD \(shop\)"):
        run(Memory(tracked), setting("a", "1"))
    run(Memory(tracked), setting("a", "1"), force=True)


def test_an_unexpected_error_still_takes_temporary_changes_back() -> None:
    cluster = Memory(deployment())

    def bug(_: Observation) -> Progress:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(cluster, freeze(), Action("bug", "Bug", bug))
    assert replicas(cluster) == 2


def test_a_note_that_is_no_patch_is_an_error_with_its_place() -> None:
    broken = deployment()
    broken["metadata"]["annotations"] = {"kntls.dev/restore": "{"}
    with pytest.raises(InputError, match="net-kourier-controller") as error:
        restoring(broken, KOURIER)
    assert isinstance(error.value, KntlsError)


def test_a_tracked_object_later_in_the_plan_is_refused_before_the_first_write() -> None:
    tracked = config_map()
    tracked["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "infra"}
    cluster = Memory(deployment(), tracked)
    with pytest.raises(Refused, match="Flux"):
        run(cluster, freeze(), setting("a", "1"), resume())
    assert cluster.writes == []
