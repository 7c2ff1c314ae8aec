"""Kubernetes' protobuf request bodies, as kubectl sends them for built-in types.

Field numbers come from `schemas/protobuf.json`, recorded from the types' published .proto files.
"""

from __future__ import annotations

import base64
import functools
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kntls.lab.answers import bad_request
from kntls.lab.shapes import SCHEMAS

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_META = "k8s.io.apimachinery.pkg.apis.meta.v1"

Messages = dict[str, dict[str, list[str]]]


@functools.cache
def _messages() -> Messages:
    found: Messages = json.loads((SCHEMAS / "protobuf.json").read_text())
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[str, int | bytes]]:
    """Field number and raw value, one after the other."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield str(tag >> 3), value
            continue
        length, at = {1: (8, at), 5: (4, at)}.get(tag & 7) or _varint(data, at)
        yield str(tag >> 3), data[at : at + length]
        at += length


def _scalar(kind: str, raw: int | bytes) -> Any:
    if isinstance(raw, bytes):
        if kind == "bytes":
            return base64.b64encode(raw).decode()
        return struct.unpack("<d", raw)[0] if kind == "double" else raw.decode()
    if kind == "bool":
        return bool(raw)
    return raw - (1 << 64) if raw >> 63 else raw


def _time(raw: bytes) -> str | None:
    parts = dict(_fields(raw))
    seconds = parts.get("1", 0)
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None


def _int_or_string(raw: bytes) -> int | str:
    parts = dict(_fields(raw))
    text = parts.get("3", b"")
    return text.decode() if parts.get("1") == 1 and isinstance(text, bytes) else int(parts.get("2", 0))


def _first(raw: bytes) -> bytes:
    """The first field of a message, which is text or JSON."""
    found = dict(_fields(raw)).get("1", b"")
    return found if isinstance(found, bytes) else b""


def _raw_json(raw: bytes) -> Any:
    return json.loads(_first(raw) or b"null")


def _quantity(raw: bytes) -> str:
    return _first(raw).decode() or "0"


_SPECIAL = {
    f"{_META}.Time": _time,
    f"{_META}.MicroTime": _time,
    f"{_META}.FieldsV1": _raw_json,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw_json,
}
"""Messages that are a scalar in JSON."""


def _value(kind: str, raw: int | bytes) -> Any:
    if kind in _SPECIAL and isinstance(raw, bytes):
        return _SPECIAL[kind](raw)
    if kind in _messages() and isinstance(raw, bytes):
        return _message(kind, raw)
    return _scalar(kind, raw)


_EMPTY = ("", 0, None)
_POINTERS = frozenset(
    {
        "activeDeadlineSeconds",
        "backoffLimit",
        "completions",
        "failedJobsHistoryLimit",
        "gracePeriodSeconds",
        "maxSurge",
        "maxUnavailable",
        "minAvailable",
        "minReplicas",
        "parallelism",
        "replicas",
        "revisionHistoryLimit",
        "runAsGroup",
        "runAsUser",
        "successfulJobsHistoryLimit",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
        "ttlSecondsAfterFinished",
    }
)
"""Numbers that are pointers in Go: a zero of theirs was stated, where another's may only be unset."""
_INLINE = (
    "volumeSource",
    "handler",
    "localObjectReference",
    "ingressRuleValue",
    "ephemeralContainerCommon",
    "rule",
)


def _message(kind: str, data: bytes) -> dict[str, Any]:
    """One message as JSON values; empty strings and absent times are left out, as `omitempty` does."""
    table, result = _messages()[kind], dict[str, Any]()
    for number, raw in _fields(data):
        if number not in table:
            continue
        name, of = table[number]
        if of.startswith("map ") and isinstance(raw, bytes):
            entry = dict(_fields(raw))
            key = entry.get("1", b"")
            value = _value(of.removeprefix("map "), entry.get("2", b""))
            result.setdefault(name, {})[key.decode() if isinstance(key, bytes) else str(key)] = value
        elif of.endswith("[]"):
            result.setdefault(name, []).append(_value(of.removesuffix("[]"), raw))
        elif (value := _value(of, raw)) not in _EMPTY or isinstance(value, bool) or name in _POINTERS:
            result[name] = value
    return _flat(kind, result)


def _flat(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Messages that JSON inlines: a volume's source, a probe's handler, the reference in a selector."""
    for name in _INLINE:
        if isinstance(value.get(name), dict) and name in dict(_messages()[kind].values()):
            value |= value.pop(name)
    return value


def decode(body: bytes) -> dict[str, Any]:
    """An object from its envelope (k8s.io/apimachinery, runtime.Unknown). Raises `ApiError` 400."""
    try:
        return _enclosed(body)
    except (IndexError, ValueError, AttributeError, struct.error) as error:
        raise bad_request("the body is no protobuf message of its type") from error


def _enclosed(body: bytes) -> dict[str, Any]:
    envelope = dict(_fields(body[len(MAGIC) :]))
    type_meta, raw = envelope.get("1"), envelope.get("2", b"")
    if not isinstance(type_meta, bytes) or not isinstance(raw, bytes):
        raise bad_request("the protobuf envelope names no type")
    identity = {number: value.decode() for number, value in _fields(type_meta) if isinstance(value, bytes)}
    api_version, kind = identity.get("1", ""), identity.get("2", "")
    name = _message_name(api_version, kind)
    if name is None:
        raise bad_request(f'no kind "{kind}" is registered for version "{api_version}" in protobuf; send JSON')
    return {"apiVersion": api_version, "kind": kind, **_message(name, raw)}


def _message_name(api_version: str, kind: str) -> str | None:
    group, _, version = api_version.rpartition("/")
    short = group.split(".")[0] or "core"
    candidates = (f"k8s.io.api.{short}.{version}.{kind}", f"{_META}.{kind}")
    return next((name for name in candidates if name in _messages()), None)
