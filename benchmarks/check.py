"""`kntls check` over a big cluster: requests, seconds and memory, for so many Secrets in so many namespaces.

The cluster is the lab's API server in a process of its own, filled with what Knative and cert-manager would have made:
a namespace has one queue-proxy certificate and a Route for each further Secret, all signed by one CA.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measure import arguments  # noqa: E402 - after the path is set
from kntls.lab import Lab  # noqa: E402
from kntls.lab.client import RESOURCES  # noqa: E402
from kntls.model.kinds import POD, SELF_SUBJECT_ACCESS_REVIEW  # noqa: E402
from tests import world  # noqa: E402


def cluster(secrets: int, namespaces: int) -> world.World:
    """Everything such a cluster holds, Secrets with their keys."""
    world.scrub = dict  # the API server gets Secrets as they are
    big = world.World()
    world._cert_manager(big)
    world._serving(big)
    names = ("kn-routing", "data-plane.knative.dev")
    big.certificate("routing-serving-certs", big.serving, names, "system-internal")
    big.bundle(world.ca())
    each = secrets // namespaces - 1
    for number in range(namespaces):
        for route in range(each):
            big.tenant(f"tenant-{number:04}", f"app-{route}")
    big.objects[POD].clear()  # nothing to shake hands with: that is a matter of the network, not of the check
    return big


def objects(big: world.World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Resource and object, namespaces first."""
    kinds = sorted(big.objects, key=lambda kind: kind.name != "Namespace")
    for kind in kinds:
        if kind != SELF_SUBJECT_ACCESS_REVIEW:
            for obj in big.objects[kind].values():
                yield kind.resource, obj


def serve(secrets: int, namespaces: int) -> None:
    """Fill the lab, tell where it is, and serve until standard input ends."""
    with Lab() as lab:
        count = 0
        for resource, obj in objects(cluster(secrets, namespaces)):
            key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if lab.store.find(RESOURCES[resource], *key) is None:
                with lab.store.lock:
                    # Past admission, which would take the status away and do nothing else to these objects.
                    lab.store._commit("ADDED", RESOURCES[resource], key, obj, None)
                count += 1
        print(json.dumps({"kubeconfig": str(lab.kubeconfig), "objects": count}), flush=True)
        sys.stdin.read()


def measure(kubeconfig: str) -> dict[str, Any]:
    """One run of `kntls check` as people run it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        command = [sys.executable, "-m", "kntls", "check", "-v", "-o", "json", "--kubeconfig", kubeconfig]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        requests = sum(line.startswith(("kntls: GET", "kntls: POST")) for line in err)
        counts = json.load(out)["counts"]
    return {
        "exitCode": os.waitstatus_to_exitcode(status),
        "seconds": round(seconds, 1),
        "cpuSeconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peakMiB": usage.ru_maxrss // 1024,
        "requests": requests,
        "results": counts,
    }


def main() -> None:
    """Serve in a child, measure here."""
    asked = arguments(__doc__ or "", secrets=10_000, namespaces=2_000, serve=0)
    if asked.serve:
        serve(asked.secrets, asked.namespaces)
        return
    flags = ["--serve", "1", "--secrets", str(asked.secrets), "--namespaces", str(asked.namespaces)]
    child = subprocess.Popen(
        [sys.executable, __file__, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert child.stdin
    assert child.stdout
    told = json.loads(child.stdout.readline())
    found = {"secrets": asked.secrets, "namespaces": asked.namespaces, "objects": told["objects"]}
    found |= measure(told["kubeconfig"])
    child.stdin.close()
    child.wait()
    print(
        json.dumps(found, indent=2) if asked.json else "\n".join(f"{key:<11} {value}" for key, value in found.items())
    )


if __name__ == "__main__":
    main()
