"""kubectl as functions: the cluster of KNTLS_E2E_KUBECONFIG, driven independently of kntls's own client."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Object = dict[str, Any]


def kubeconfig() -> str:
    """Path of the kubeconfig the suite works on; a missing one is an error, never a skip."""
    return os.environ["KNTLS_E2E_KUBECONFIG"]


@functools.cache
def kubectl() -> str:
    """The kubectl that was installed beside this Python, else the one on the PATH."""
    found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "no kubectl: install the extra `test`"
    return found


def run(*args: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run kubectl with these arguments; raises RuntimeError with its stderr if it fails and `check` is set."""
    command = [kubectl(), "--kubeconfig", kubeconfig(), *args]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done


def get(kind: str, name: str, namespace: str | None = None) -> Object | None:
    """One object, or None when it does not exist."""
    scope = ("-n", namespace) if namespace else ()
    text = run(*scope, "get", kind, name, "-o", "json", "--ignore-not-found").stdout
    return json.loads(text) if text else None


def items(kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
    """All objects of a kind in one namespace, or in all of them."""
    scope = ("-n", namespace) if namespace else ("-A",)
    found: list[Object] = json.loads(run("get", kind, *scope, "-l", selector, "-o", "json").stdout)["items"]
    return found


def apply(*objects: Object) -> None:
    """Server-side apply of these objects, as another actor than kntls."""
    manifest = "\n---\n".join(map(json.dumps, objects))
    run("apply", "--server-side", "--force-conflicts", "--field-manager=e2e", "-f", "-", stdin=manifest)


def patch(kind: str, name: str, body: Object, namespace: str | None = None, *, subresource: str = "") -> None:
    """JSON merge patch of one object, or of one of its subresources."""
    scope = ("-n", namespace) if namespace else ()
    extra = (f"--subresource={subresource}",) if subresource else ()
    run(*scope, "patch", kind, name, "--type=merge", *extra, "-p", json.dumps(body))


def wait(what: str, seen: Callable[[], bool], seconds: float = 120, every: float = 0.3) -> float:
    """Poll until `seen()`; seconds it took. Raises TimeoutError naming `what`."""
    start = time.monotonic()
    while not seen():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return time.monotonic() - start


def condition(found: Object | None, kind: str = "Ready") -> str:
    """Status of one condition: True, False, Unknown, or an empty string when the object or condition is missing."""
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), "")
