"""Replays a scenario of API interactions against a server and writes down what it answers, in a comparable form.

A scenario is a YAML file: steps with a request line, a body and how to read the answer. What differs from run to run
(uids, times, versions, keys, drawn names) is replaced by numbered place holders, so that two transcripts are equal if
the servers behave the same.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios"
TRANSCRIPTS = HERE / "transcripts"
TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
SECONDS = 30.0


class Server:
    """An API server, spoken to through a kubeconfig with a token."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self.url = urlsplit(config["clusters"][0]["cluster"]["server"])
        self.token = config["users"][0]["user"]["token"]
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict, bytes]:
        """One request on a connection of its own; watches are read to their end."""
        connection = HTTPSConnection(self.url.hostname, self.url.port, context=self.tls, timeout=30)
        given = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **headers}
        connection.request(method, path, body, {key: value for key, value in given.items() if value})
        answer = connection.getresponse()
        result = answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
        connection.close()
        return result


class Names:
    """Place holders for what differs from run to run, numbered by first appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, value: str) -> str:
        """The place holder of a value."""
        if value not in self._known:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._known[value] = f"<{kind}{self._counts[kind]}>"
        return self._known[value]

    def fix(self, value: str, name: str) -> None:
        """Call a value by a name of one's own."""
        self._known[value] = name

    def text(self, text: str) -> str:
        """Text with every known value replaced."""
        for value in sorted(self._known, key=len, reverse=True):
            if len(value) >= 6 or not value.isdigit():
                text = text.replace(value, self._known[value])
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)
        return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", lambda m: self.of("uid", m[0]), text)


UNCOMPARED = ("kube-controller-manager",)
"""Field managers of controllers whose entries say nothing about the API server."""


def normalise(value: Any, names: Names, path: tuple[str, ...] = ()) -> Any:
    """The value in comparable form."""
    key = path[-1] if path else ""
    if isinstance(value, dict):
        pairs = ((names.text(key), normalise(child, names, (*path, key))) for key, child in sorted(value.items()))
        return dict(pairs)
    if isinstance(value, list):
        if key == "managedFields":
            value = [entry for entry in value if entry.get("manager") not in UNCOMPARED]
            value = sorted(value, key=lambda e: (e["operation"], e["manager"], e.get("subresource", "")))
        items = [normalise(child, names, path) for child in value]
        return sorted(items, key=json.dumps) if key == "causes" else items
    if not isinstance(value, str):
        return value
    return _text(key, value, names, path)


def _text(key: str, value: str, names: Names, path: tuple[str, ...]) -> str:
    if key == "resourceVersion":
        return "<version>"
    if key in ("uid", "continue", "clusterIP", "clusterIPs", "token"):
        return names.of(key, value) if value and value != "None" else value
    if "-----BEGIN" in value or (len(value) > 200 and re.fullmatch(r"[A-Za-z0-9+/=]+", value)):
        return "<pem>"
    if key == "cells" and re.fullmatch(r"\d+[smhd]", value):
        return "<age>"
    if key == "description" and "columnDefinitions" in path:
        return "<prose>"
    return names.text(value)


def dig(value: Any, path: str) -> Any:
    """The value at a dotted path; list entries by index or by `type`."""
    for part in path.split("."):
        if isinstance(value, list):
            found = [e for e in value if isinstance(e, dict) and e.get("type") == part]
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else next(iter(found), None)
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def drop(value: Any, path: str) -> None:
    """Remove what lies at a dotted path; `*` stands for every entry of a list or map."""
    if isinstance(value, dict) and path in value:
        value.pop(path)
    head, _, rest = path.partition(".")
    targets = list(value) if head == "*" and isinstance(value, dict) else [head]
    if isinstance(value, list):
        for entry in value:
            drop(entry, rest if head == "*" else path)
        return
    for target in targets if isinstance(value, dict) else ():
        if not rest:
            value.pop(target, None)
        elif target in value:
            drop(value[target], rest)


class Scenario:
    """One scenario on its way through a server."""

    def __init__(self, path: Path, server: Server) -> None:
        self.spec = yaml.safe_load(path.read_text())
        self.server = server
        self.names = Names()
        self.values: dict[str, str] = {}

    def run(self) -> list[dict[str, Any]]:
        """Every step's answer; what the scenario created is removed at the end."""
        namespace = self.values["NS"] = f"conformance-{uuid.uuid4().hex[:8]}"
        self.names.fix(namespace, "<namespace>")
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._raw("POST", "/api/v1/namespaces", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            return list(self._steps())
        finally:
            for line in (*self.spec.get("cleanup", ()), "DELETE /api/v1/namespaces/$NS"):
                method, path = self._filled(line).split(" ", 1)
                self._raw(method, path, None, {})

    def _steps(self) -> Iterator[dict[str, Any]]:
        for step in self.spec["steps"]:
            if "sleep" in step:
                time.sleep(step["sleep"])
                continue
            answer = self._until(step) if "until" in step else self._ask(step)
            if "say" in step:
                yield self._record(step, *answer)

    def _filled(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda m: self.values.get(m[1], m[0]), text)

    def _raw(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict, bytes]:
        return self.server.ask(method, path, body, headers)

    def _ask(self, step: Mapping[str, Any]) -> tuple[int, dict, Any]:
        method, path = self._filled(step["ask"]).split(" ", 1)
        body = step.get("body")
        text = body if isinstance(body, str) else json.dumps(body) if body is not None else None
        headers = {"User-Agent": "conformance/1"}
        if text is not None:
            headers["Content-Type"] = TYPES.get(step.get("as", ""), step.get("as", "application/json"))
        headers |= {"Impersonate-User": step["user"]} if "user" in step else {}
        headers |= {"Accept": {"table": TABLE, "partial": PARTIAL}[step["accept"]]} if "accept" in step else {}
        headers |= {key: self._filled(value) for key, value in step.get("headers", {}).items()}
        status, answered, raw = self._raw(
            method, path, self._filled(text).encode() if text is not None else None, headers
        )
        parsed = _parsed(raw, watch="watch=" in path)
        for name, where in step.get("save", {}).items():
            self.values[name] = str(dig(parsed, where))
        return status, answered, parsed

    def _until(self, step: Mapping[str, Any]) -> tuple[int, dict, Any]:
        """Ask again until the answer is as wanted: a code, or values at paths."""
        end = time.monotonic() + SECONDS
        while True:
            status, headers, parsed = self._ask(step)
            wanted = step["until"]
            if isinstance(wanted, int):
                if status == wanted:
                    return status, headers, parsed
            elif all(dig(parsed, path) == value for path, value in wanted.items()):
                return status, headers, parsed
            if time.monotonic() > end:
                raise TimeoutError(f"{step['ask']} never became {wanted}: {json.dumps(parsed)[:600]}")
            time.sleep(0.05)

    def _record(self, step: Mapping[str, Any], status: int, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
        for path in (*self.spec.get("ignore", ()), *step.get("ignore", ())):
            for part in body if isinstance(body, list) else [body]:
                drop(part, path)
        wanted = step.get("only")
        if wanted:
            body = {path: dig(body, path) for path in wanted}
        record = {"say": step["say"], "code": status, "body": normalise(body, self.names)}
        for name in ("warning", "retry-after"):
            if name in headers:
                record[name] = self.names.text(headers[name])
        return record


def _parsed(raw: bytes, *, watch: bool) -> Any:
    text = raw.decode()
    if watch and text.lstrip().startswith('{"type"'):
        return [json.loads(line) for line in text.splitlines() if line]
    try:
        return json.loads(text)
    except ValueError:
        return text


def scenarios() -> list[Path]:
    """Every scenario, in order."""
    return sorted(SCENARIOS.glob("*.yaml"))


def transcript(path: Path) -> Path:
    """Where a scenario's recorded transcript lies."""
    return TRANSCRIPTS / f"{path.stem}.json"


def write(path: Path, records: list[dict[str, Any]]) -> None:
    """Store a transcript: one line a step."""
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    transcript(path).write_text(f"[\n{lines}\n]\n")
