"""Measuring on a cluster: curl in the client's pod, and the request counters of every proxy before and after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kntls.cluster.exec import Executor
from kntls.errors import ClusterError
from kntls.mesh.authz import MtlsMode, Workload
from kntls.mesh.authz.selection import is_gateway
from kntls.mesh.inventory import PROXY, Member
from kntls.mesh.status import HASHES
from kntls.mesh.verify.judge import Measured, Outcome, judge
from kntls.mesh.verify.probes import Probe
from kntls.mesh.walk import World

STATS = ("pilot-agent", "request", "GET", "stats/prometheus")
"""Istio's own metrics, which every sidecar has by default (istio_requests_total)."""
SECONDS = 15
MARK = "kntls-verify:"
DENIED = "RBAC: access denied"


@dataclass(frozen=True)
class Pod:
    """A running pod of a workload."""

    namespace: str
    name: str
    container: str = ""
    address: str = ""
    gateway: bool = False


def pods_of(members: Sequence[Member]) -> dict[str, tuple[Pod, ...]]:
    """Name of a pod, as the topology has it, → the running pods of its workload: any of them may get the request."""
    groups: dict[tuple[object, ...], list[tuple[str, Pod]]] = {}
    for member in members:
        if member.found.kind == "Pod":
            labels = frozenset((key, value) for key, value in member.labels.items() if key not in HASHES)
            name = f"{member.namespace}/{member.name}"
            groups.setdefault((member.namespace, labels), []).append((name, _pod(member)))
    return {name: tuple(pod for _, pod in group) for group in groups.values() for name, _ in group}


def _pod(member: Member) -> Pod:
    status = member.found.body.get("status") or {}
    containers = [str(each.get("name")) for each in member.found.spec.get("containers") or ()]
    own = next((each for each in containers if each != PROXY), "")
    return Pod(member.namespace, member.name, own, str(status.get("podIP") or ""), is_gateway(member.workload))


def curl(probe: Probe) -> list[str]:
    """The command that makes the request; its last line holds the code and curl's own exit code."""
    host = ["-H", f"Host: {probe.host}"] if probe.host else []
    insecure = ["-k"] if probe.tls else []
    write = f"\n{MARK}%{{http_code}}:%{{exitcode}}\n"
    return ["curl", "-s", "--max-time", str(SECONDS), *insecure, *host, "-w", write, probe.url]


def read_answer(text: str) -> Measured:
    """Code and origin from what curl printed."""
    match = re.search(rf"{MARK}(\d{{3}}):(\d+)", text)
    if match is None:
        return Measured("", problem=f"curl printed no code: {text.strip()[-60:] or 'nothing'}")
    code, exit_code = match[1], int(match[2])
    if exit_code in (6, 7, 28) and code == "000":
        reasons = {6: "the name was not found", 7: "the connection was refused", 28: "no answer in time"}
        return Measured("000", problem=reasons[exit_code])
    return Measured(code, by_policy=DENIED in text if code == "403" else None)


def read_counters(text: str, *, gateway: bool) -> int:
    """How many requests a proxy has taken in: a sidecar by its destination reports, a gateway by all."""
    total = 0
    for line in text.splitlines():
        if not line.startswith("istio_requests_total{"):
            continue
        if gateway or 'reporter="destination"' in line:
            total += int(float(line.rpartition(" ")[2]))
    return total


class Counters:
    """The request counters of the proxies on a probe's routes."""

    def __init__(self, execute: Executor, pods: Mapping[str, tuple[Pod, ...]]) -> None:
        self._execute = execute
        self._pods = pods

    def of(self, names: Sequence[str]) -> dict[str, int] | None:
        """Workload → requests taken in by all of its pods; None where one cannot be read."""
        found = {}
        for name in names:
            totals = [self._one(pod) for pod in self._pods.get(name, ())]
            if not totals or any(total is None for total in totals):
                return None
            found[name] = sum(total for total in totals if total is not None)
        return found

    def _one(self, pod: Pod) -> int | None:
        try:
            answer = self._execute(pod.namespace, pod.name, PROXY, STATS)
        except ClusterError:
            return None
        return None if answer.exit_code else read_counters(answer.stdout, gateway=pod.gateway)


def measure(probe: Probe, execute: Executor, pods: Mapping[str, tuple[Pod, ...]]) -> Measured:
    """Make the request from the client's pod and see which proxies counted it."""
    clients = pods.get(probe.client.name, ())
    if not clients:
        return Measured("", problem=f"{probe.client.name} has no running pod")
    names = [each.name for route in probe.routes for each in route.chain[1:] if each.mesh]
    counters = Counters(execute, pods)
    before = counters.of(list(dict.fromkeys(names)))
    try:
        client = clients[0]
        answer = execute(client.namespace, client.name, client.container, curl(probe))
    except ClusterError as error:
        return Measured("", problem=error.what)
    found = read_answer(answer.stdout)
    after = counters.of(list(before)) if before is not None else None
    if before is None or after is None or found.problem:
        return found
    seen = frozenset(name for name, count in after.items() if count > before[name])
    return Measured(found.code, seen, by_policy=found.by_policy)


def run(
    world: World, found: Sequence[Probe], execute: Executor, pods: Mapping[str, tuple[Pod, ...]]
) -> Iterator[Outcome]:
    """Measure every probe and judge it."""
    for probe in found:
        yield judge(probe, probe.verdicts(world), measure(probe, execute, pods))


@dataclass(frozen=True)
class Wire:
    """Plaintext from outside the mesh to one port of one pod."""

    target: str
    port: int
    mode: MtlsMode
    accepted: bool | None
    """None where it could not be measured."""
    problem: str = ""

    @property
    def right(self) -> bool:
        """Whether the port takes plaintext exactly if its mode lets it."""
        return self.accepted is (self.mode is not MtlsMode.STRICT)


def wire(
    world: World,
    targets: Mapping[str, tuple[Workload, int]],
    outsider: Pod,
    execute: Executor,
    pods: Mapping[str, tuple[Pod, ...]],
) -> Iterator[Wire]:
    """From a pod without a sidecar, straight to the pods' addresses: does plaintext get an answer?"""
    for name, (workload, port) in targets.items():
        mode = world.engine.enforcement(workload).modes.of(port).mode
        pod = next(iter(pods.get(name, ())), None)
        if pod is None or not pod.address:
            yield Wire(name, port, mode, None, "no running pod with an address")
            continue
        url = f"http://{pod.address}:{port}/"
        write = f"\n{MARK}%{{http_code}}:%{{exitcode}}\n"
        command = ["curl", "-s", "-o", "/dev/null", "--max-time", str(SECONDS), "-w", write, url]
        try:
            answer = execute(outsider.namespace, outsider.name, outsider.container, command)
        except ClusterError as error:
            yield Wire(name, port, mode, None, error.what)
            continue
        yield _wire(name, port, mode, read_answer(answer.stdout))


def _wire(name: str, port: int, mode: MtlsMode, found: Measured) -> Wire:
    if found.problem and found.problem != "the connection was refused":
        return Wire(name, port, mode, None, found.problem)
    return Wire(name, port, mode, found.code != "000" and not found.problem)
