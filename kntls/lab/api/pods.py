"""What a kubelet answers for a pod: its log, commands in it, and connections to its ports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Protocol

from kntls.lab.answers import bad_request
from kntls.lab.api import spdy, websocket
from kntls.lab.api.forwarding import Channels, Streams
from kntls.lab.api.messages import Request, Response
from kntls.lab.api.verbs import Call
from kntls.lab.api.websocket import WebSocket
from kntls.lab.objects import Object, name_of

STDOUT, STDERR, ERROR = 1, 2, 3
FOLLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Finished:
    """How a command in a pod ended."""

    stdout: bytes = b""
    stderr: bytes = b""
    code: int = 0


class Runtime(Protocol):
    """What runs the pods."""

    def log(self, pod: Object, container: str) -> str:
        """The container's log so far."""
        ...

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        """Where a port of the pod really listens."""
        ...

    def execute(self, pod: Object, container: str, command: Sequence[str]) -> Finished:
        """Run a command in a container."""
        ...


class NoRuntime:
    """Pods that are objects only: they listen at their IP, say nothing, run nothing."""

    def log(self, pod: Object, container: str) -> str:
        """No log."""
        return ""

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        """The pod's IP."""
        return str((pod.get("status") or {}).get("podIP") or "127.0.0.1"), port

    def execute(self, pod: Object, container: str, command: Sequence[str]) -> Finished:
        """No such command."""
        return Finished(stderr=f"exec: {command[0]}: not found in the lab's pods\n".encode(), code=127)


def log(call: Call, runtime: Runtime, stopping: Callable[[], bool] = lambda: False) -> Response:
    """GET of a pod's `log`, once or as it grows; raises `ApiError` 400 for the log of a run that never was."""
    pod, container = _container(call)
    if call.request.flag("previous") and not _restarts(pod, container):
        raise bad_request(f'previous terminated container "{container}" in pod "{name_of(pod)}" not found')
    lines, tail = runtime.log(pod, container).splitlines(keepends=True), call.request.param("tailLines")
    text = "".join(lines[max(len(lines) - int(tail), 0) :] if tail.isdigit() else lines)
    if not call.request.flag("follow"):
        return Response(text, content_type="text/plain")
    return Response(stream=_followed(call, runtime, container, text, lines, stopping), content_type="text/plain")


def _restarts(pod: Object, container: str) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return sum(int(one.get("restartCount") or 0) for one in statuses if one["name"] == container)


def _followed(
    call: Call, runtime: Runtime, container: str, text: str, known: list[str], stopping: Callable[[], bool]
) -> Iterator[bytes]:
    """What was said so far, then what is added until the pod is gone; an empty piece while there is nothing new."""
    yield text.encode()
    while not stopping():
        pod = call.store.find(call.resource, call.target.namespace, call.target.name)
        if pod is None:
            return
        lines = runtime.log(pod, container).splitlines(keepends=True)
        yield "".join(_added(known, lines)).encode()
        known = lines
        time.sleep(FOLLOW_SECONDS)


def _added(known: list[str], lines: list[str]) -> list[str]:
    """The lines after those already sent, of which the oldest may have been dropped meanwhile."""
    start = next(start for start in range(len(known) + 1) if known[start:] == lines[: len(known) - start])
    return lines[len(known) - start :]


def _container(call: Call) -> tuple[Object, str]:
    """The pod and the container asked for; raises `ApiError` 404, or 400 if there is no such one or it is not clear."""
    pod = call.store.get(call.resource, call.target.namespace, call.target.name)
    names = [c["name"] for c in (pod.get("spec") or {}).get("containers") or ()]
    wanted = call.request.param("container") or (names[0] if len(names) == 1 else "")
    if not wanted and names:
        choice = f"a container name must be specified for pod {name_of(pod)}, choose one of: [{' '.join(names)}]"
        raise bad_request(choice)
    if wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
    return pod, wanted


def _upgraded(request: Request, known: Sequence[str], speak: Callable[[WebSocket, str], None]) -> Response:
    """The 101 for the first subprotocol both sides know; raises `ApiError` 400."""
    protocol = next((name for name in known if name in websocket.wanted(request)), None)
    if protocol is None:
        raise bad_request("unable to upgrade: the lab speaks WebSocket with " + ", ".join(known))
    chosen = protocol

    def takeover(reader: BufferedIOBase, writer: BufferedIOBase) -> None:
        speak(WebSocket(reader, writer), chosen)

    return Response(code=101, headers=websocket.accept(request, chosen), takeover=takeover)


def execute(call: Call, runtime: Runtime) -> Response:
    """`exec`: run the command, send what it wrote and how it ended."""
    pod, container = _container(call)
    command = call.request.query.get("command", [])

    def speak(stream: WebSocket, protocol: str) -> None:
        done = runtime.execute(pod, container, command)
        for channel, data in ((STDOUT, done.stdout), (STDERR, done.stderr)):
            if data:
                stream.send(bytes([channel]) + data)
        stream.send(bytes([ERROR]) + json.dumps(_outcome(done)).encode())
        stream.close()

    return _upgraded(call.request, ("v5.channel.k8s.io", "v4.channel.k8s.io"), speak)


def _outcome(done: Finished) -> dict[str, object]:
    if done.code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {done.code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(done.code)}]},
    }


def port_forward(call: Call, runtime: Runtime) -> Response:
    """`portforward` to the pod's ports; channels name them in the query, SPDY streams one by one."""
    pod = call.store.get(call.resource, call.target.namespace, call.target.name)
    ports = [int(port) for value in call.request.query.get("ports", ()) for port in value.split(",")]

    def dial(port: int) -> tuple[str, int]:
        return runtime.address(pod, port)

    def speak(stream: WebSocket, protocol: str) -> None:
        if protocol == spdy.PROTOCOL:
            Streams(stream, dial).run()
        else:
            Channels(stream, dial, ports).run()

    if not ports and spdy.PROTOCOL not in websocket.wanted(call.request):
        raise bad_request('query parameter "ports" is required')
    return _upgraded(call.request, (spdy.PROTOCOL, "v4.channel.k8s.io"), speak)
