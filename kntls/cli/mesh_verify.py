"""`kntls mesh verify`: isolation measured, and set beside the offline verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kntls.cli.mesh_input import input_of, tenants_of, warn_of_empty
from kntls.cli.options import CLUSTER, TABLES, Common, group, with_common
from kntls.cli.session import connect, output_of, seconds
from kntls.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kntls.cluster.client import Cluster
    from kntls.mesh.resources import Resources
    from kntls.mesh.topology import Topology
    from kntls.mesh.verify.judge import Outcome
    from kntls.mesh.verify.live import Wire
    from kntls.mesh.verify.workloads import Images
    from kntls.mesh.walk import World

app = group("Isolation measured, and set beside the offline verdict.")

Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", help="a tenant, as NAME=NS[,NS…]; repeatable", metavar="NAME=NS", show_default=False),
]


def _world(resources: Resources, *, live: bool = True) -> tuple[World, Topology, Resources]:
    from kntls.mesh.control import with_implied
    from kntls.mesh.topology import topology
    from kntls.mesh.world import build

    everything = with_implied(resources)
    world = build(everything)
    return world, topology(everything, world.engine.mesh, complete=live), everything


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def verify(
    common: Common,
    tenant: Tenants = None,
    on: Annotated[str, typer.Option("--on", help="cluster, or real Envoys on this machine", metavar="WHERE")] = "",
    deploy: Annotated[bool, typer.Option("--deploy", help="make the test workloads, and remove them again")] = False,
    image: Annotated[str, typer.Option("--image", help="of the test services", metavar="IMAGE")] = "",
    curl_image: Annotated[str, typer.Option("--curl-image", help="of the test clients", metavar="IMAGE")] = "",
) -> int:
    """Measure every tenant against every tenant on every path, and compare with what the policies say.

    On a cluster curl runs in the tenants' pods; differences are findings, and so is a right code from the wrong proxy.
    With -f, or --on envoy, real Envoys with the same policies are asked instead. Exit code 1 for any difference.
    """
    output = output_of(common)
    on = on or ("envoy" if common.files else "cluster")
    if on not in ("cluster", "envoy"):
        raise UsageError(f"no such place: {on!r}", where="--on", fix="cluster or envoy")
    if (deploy or on == "cluster") and common.files:
        raise UsageError("-f reads from files; a cluster is needed to measure there", fix="use --on envoy")
    wanted = tenants_of(tenant or ())
    if deploy and not wanted:
        raise UsageError("--deploy needs the tenants", fix="--tenant NAME=NAMESPACE, once for each")
    outcomes, wires = _on_envoy(common, wanted) if on == "envoy" else _live(common, wanted, deploy, image, curl_image)
    _show(outcomes, wires, output)
    wrong = any(not each.right for each in outcomes) or any(not each.right for each in wires)
    return int(ExitCode.FINDINGS if wrong else ExitCode.OK)


def _on_envoy(common: Common, wanted: dict[str, tuple[str, ...]]) -> tuple[list[Outcome], list[Wire]]:
    from kntls.mesh.matrix import derived_tenants
    from kntls.mesh.verify.envoy import run, with_services
    from kntls.mesh.verify.probes import probes, tenants

    found, live = input_of(common), not common.files
    warn_of_empty(found, wanted)
    wanted = wanted or derived_tenants(_world(found, live=live)[1])
    filled, bare = with_services(found, wanted)
    if bare:
        _say(f"note: no Knative service in {', '.join(bare)}: the test services of --deploy are assumed")
    world, scene, everything = _world(filled, live=live)
    return list(run(world, everything, probes(scene, tenants(scene, wanted)))), []


def _images(image: str, curl_image: str) -> Images:
    from kntls.mesh.verify.workloads import Images

    given = {"app": image, "curl": curl_image}
    return Images(**{key: value for key, value in given.items() if value})


def _made(
    cluster: Cluster, common: Common, wanted: dict[str, tuple[str, ...]], images: Images
) -> AbstractContextManager[None]:
    from kntls.mesh.verify.deploy import deployed
    from kntls.mesh.verify.workloads import of_tenant, outside

    spaces = [space for each in wanted.values() for space in each[:1]]
    manifests = [*outside(images), *(made for space in spaces for made in of_tenant(space, images))]
    return deployed(cluster, manifests, timeout=seconds(common.timeout or "10m", "--timeout"), say=_say)


def _live(
    common: Common, wanted: dict[str, tuple[str, ...]], deploy: bool, image: str, curl_image: str
) -> tuple[list[Outcome], list[Wire]]:
    from kntls.mesh.live import read_cluster

    cluster = connect(common)
    around: AbstractContextManager[Any] = nullcontext()
    if deploy:
        around = _made(cluster, common, wanted, _images(image, curl_image))
    with around:
        resources, unread = read_cluster(cluster)
        for entry in unread:
            _say(f"not looked at: {entry.what}: {entry.reason}")
        return _measure(cluster, resources, wanted)


def _measure(
    cluster: Cluster, resources: Resources, wanted: dict[str, tuple[str, ...]]
) -> tuple[list[Outcome], list[Wire]]:
    from kntls.cluster.exec import executor
    from kntls.mesh.verify.live import pods_of, run
    from kntls.mesh.verify.probes import probes, tenants

    world, scene, _ = _world(resources)
    execute, pods = executor(cluster), pods_of(scene.members)
    found = probes(scene, tenants(scene, wanted))
    outcomes = []
    for outcome in run(world, found, execute, pods):
        _say(f"{'√' if outcome.right else '×'} {outcome.probe.id}")
        outcomes.append(outcome)
    return outcomes, list(_wires(world, scene, execute, pods))


def _wires(world: World, scene: Topology, execute: Any, pods: Any) -> Iterator[Wire]:
    """Plaintext from the client outside the mesh to one pod of each tenant's services, where there is such a client."""
    from kntls.mesh.routing import is_knative
    from kntls.mesh.topology import QUEUE_PROXY
    from kntls.mesh.verify.live import wire
    from kntls.mesh.verify.workloads import OUTSIDE

    outsider = next((found[0] for found in pods.values() if found[0].namespace == OUTSIDE), None)
    if outsider is None:
        return
    targets = {each.name: (each, QUEUE_PROXY) for each in scene.workloads if is_knative(each) and each.name in pods}
    yield from wire(world, targets, outsider, execute, pods)


def _show(outcomes: Sequence[Outcome], wires: Sequence[Wire], output: str) -> None:
    from kntls.report.document import emit
    from kntls.report.verification import body, render

    if output in ("json", "yaml"):
        emit("MeshVerification", body(outcomes, wires), output)
    else:
        typer.echo(render(outcomes, wires), nl=False)


app.command()(with_common(verify, CLUSTER | {"files", "timeout"}, TABLES))
