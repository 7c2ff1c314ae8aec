"""Running a command in a pod's container, over the API server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kntls.cluster.client import Cluster
from kntls.cluster.failures import from_status
from kntls.errors import ClusterError


@dataclass(frozen=True)
class Completed:
    """What a command answered."""

    stdout: str
    stderr: str = ""
    exit_code: int = 0


class Executor(Protocol):
    """Runs commands in pods."""

    def __call__(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Completed:
        """Run to the end. Raises `ClusterError` where the command cannot be started."""


def executor(cluster: Cluster, timeout: float = 60.0) -> Executor:
    """An executor on a cluster; a command that takes longer than `timeout` seconds is given up."""

    def run(namespace: str, pod: str, container: str, command: Sequence[str]) -> Completed:
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import stream

        where = f"pod {namespace}/{pod}"
        try:
            # the client swaps its request method while it streams, so each command gets an API object of its own
            session = stream(
                CoreV1Api(cluster.api).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
        except ApiException as error:
            raise from_status(int(error.status or 0), error.body, None, where) from None
        session.run_forever(timeout=timeout)
        if session.is_open():
            session.close()
            raise ClusterError(f"gave up after {timeout:.0f} s: {' '.join(command)[:60]}", where=where)
        return Completed(session.read_stdout(timeout=1), session.read_stderr(timeout=1), int(session.returncode or 0))

    return run
