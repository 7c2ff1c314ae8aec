"""The lab beside a real API server: starting, holding Secrets, and simple GETs over TLS on one core.

With KNTLS_E2E_KUBECONFIG set, the same GETs go to that API server as well.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Row, arguments, on_one_core, race, report

SERVER = """
import sys
from kntls.lab import Lab
with Lab() as lab:
    print(lab.kubeconfig, flush=True)
    sys.stdin.read()
"""
SECRET = {"type": "Opaque", "data": {"tls.crt": "QUJD" * 300, "tls.key": "QUJD" * 80}}


class Server:
    """An API server in another process, asked over one kept-alive connection."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        host, port = config["clusters"][0]["cluster"]["server"].removeprefix("https://").split(":")
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(host, int(port), context=insecure)
        self.headers = {
            "Authorization": f"Bearer {config['users'][0]['user']['token']}",
            "Content-Type": "application/json",
        }

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """One request; what is refused is an error of the benchmark."""
        self.connection.request(method, path, json.dumps(body) if body else None, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {content[:200]!r}")
        return content

    def gets(self, count: int) -> float:
        """So many reads of one Secret; seconds."""
        started = time.perf_counter()
        for _ in range(count):
            self.ask("GET", "/api/v1/namespaces/default/secrets/bench")
        return time.perf_counter() - started


class LabProcess:
    """A lab without simulated components in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", SERVER]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.kubeconfig = Path(self.process.stdout.readline().strip())

    def resident(self) -> float:
        """Its resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        """End it."""
        self.process.communicate()


def start_bare() -> None:
    """Start and stop: from nothing to a server that answers."""
    lab = LabProcess()
    Server(lab.kubeconfig).ask("GET", "/readyz")
    lab.stop()


def start_whole() -> float:
    """`kntls lab up`, with all it simulates; seconds until it returns."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "KNTLS_LAB_HOME": home}
        command = [sys.executable, "-m", "kntls", "lab"]
        started = time.perf_counter()
        subprocess.run([*command, "up"], env=environment, capture_output=True, check=True)
        seconds = time.perf_counter() - started
        subprocess.run([*command, "down"], env=environment, capture_output=True, check=True)
        return seconds


def fill(server: Server, count: int) -> float:
    """Create so many Secrets, one request each; seconds."""
    started = time.perf_counter()
    for number in range(count):
        secret = {**SECRET, "metadata": {"name": f"s{number}"}}
        server.ask("POST", "/api/v1/namespaces/default/secrets", secret)
    return time.perf_counter() - started


def main() -> None:
    """Start, fill, read."""
    asked = arguments(__doc__ or "", rounds=5, gets=2000, secrets=10_000)
    starts = race({"server alone": start_bare, "kntls lab up": start_whole}, asked.rounds)
    report("Starting the lab", [Row(name, best, 1) for name, best in starts.items()], as_json=asked.json)
    on_one_core()
    lab = LabProcess()
    servers = {"the lab": Server(lab.kubeconfig)}
    if real := os.environ.get("KNTLS_E2E_KUBECONFIG"):
        servers["a real API server"] = Server(Path(real))
    for server in servers.values():
        server.ask("POST", "/api/v1/namespaces/default/secrets", {**SECRET, "metadata": {"name": "bench"}})
    best = race({name: lambda s=server: s.gets(asked.gets) for name, server in servers.items()}, asked.rounds)
    rows = [Row(name, seconds, asked.gets, "client on the same core") for name, seconds in best.items()]
    report("GET of one Secret over TLS", rows, as_json=asked.json)
    for server in servers.values():
        server.ask("DELETE", "/api/v1/namespaces/default/secrets/bench")
    empty = lab.resident()
    seconds = fill(servers["the lab"], asked.secrets)
    note = f"{lab.resident():.0f} MiB resident, {empty:.0f} before"
    report("Creating Secrets", [Row("the lab", seconds, asked.secrets, note)], as_json=asked.json)
    lab.stop()


main()
