"""Test workloads for as long as a verification takes: made, waited for, and removed whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kntls.cluster.client import Cluster, ref_of
from kntls.errors import Conflict, Refused, WaitTimeout
from kntls.mesh.generate.model import Manifest
from kntls.mesh.verify.workloads import LABELS
from kntls.model.objects import ObjectRef, dig, is_true, labels_of

Say = Callable[[str], None]


def ours(found: object) -> bool:
    """Whether an object is one of ours, of this run or of one that was killed."""
    return isinstance(found, dict) and LABELS.items() <= labels_of(found).items()


def ready(found: dict[str, object] | None) -> bool:
    """Whether an object is up: a Deployment with all replicas, a Knative service that is Ready; others exist."""
    if found is None:
        return False
    if found.get("kind") == "Deployment":
        wanted = int(dig(found, "spec", "replicas", default=1))
        return int(dig(found, "status", "availableReplicas", default=0)) >= wanted
    if str(found.get("apiVersion", "")).startswith("serving.knative.dev/"):
        return is_true(found) and dig(found, "status", "observedGeneration") == dig(found, "metadata", "generation")
    return True


@contextmanager
def deployed(
    cluster: Cluster,
    manifests: Sequence[Manifest],
    *,
    timeout: float,
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Create the objects, wait until they are up, and remove them at the end, also after an error or interrupt.

    Objects of the same name that are not ours are never touched. Raises `Refused` if there are some, `WaitTimeout`
    if one does not come up in `timeout` seconds.
    """
    begun: list[ObjectRef] = []
    try:
        for manifest in manifests:
            # noted before it is made: an interrupt may come right after the request was sent
            begun.append(ref_of(manifest))
            _create(cluster, begun[-1], manifest)
            say(f"made {begun[-1]}")
        _wait(cluster, begun, timeout, sleep)
        yield
    finally:
        for ref in reversed(begun):
            if ours(cluster.get(ref)):
                cluster.delete(ref)
                say(f"removed {ref}")


def _create(cluster: Cluster, ref: ObjectRef, manifest: Manifest) -> None:
    try:
        cluster.create(manifest)
    except Conflict:
        if not ours(cluster.get(ref)):
            raise Refused("exists and is not ours", where=str(ref), fix="choose other namespaces") from None
        cluster.apply(manifest, force=True)


def _wait(cluster: Cluster, refs: Sequence[ObjectRef], timeout: float, sleep: Callable[[float], None]) -> None:
    end = time.monotonic() + timeout
    left = list(refs)
    while left := [ref for ref in left if not ready(cluster.get(ref))]:
        if time.monotonic() > end:
            raise WaitTimeout(
                f"not up after {timeout:.0f} s: {', '.join(map(str, left[:3]))}", fix="`--timeout` waits longer"
            )
        sleep(1.0)
