"""Paths as Envoy's connection manager rewrites them before any policy sees them.

Source: istio `pilot/pkg/networking/core/listener_builder.go` (mode → settings); envoy `source/common/http/path_utility.cc` and
`source/common/http/conn_manager_utility.cc`: unescape slashes, then RFC 3986, then merge slashes.
"""

from __future__ import annotations

import re

from kntls.mesh.authz.model import Normalization

_PLAIN = re.compile(r"(?:/(?!/)(?![.%])[A-Za-z0-9\-._~!$&'()*+,;:@=]*)+")
_ENCODED_SLASH = re.compile(r"%(2[fF]|5[cC])")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = _UNRESERVED | frozenset("!$&'()*+,;:@=/%[]^|")


def normalize(path: str, mode: Normalization) -> str | None:
    """The path (with its query) after normalization, or None where Envoy answers 400."""
    if mode is Normalization.NONE or _PLAIN.fullmatch(path):
        return path
    path, mark, query = path.partition("?")
    if mode is Normalization.DECODE_AND_MERGE_SLASHES:
        path = _ENCODED_SLASH.sub(lambda found: "/" if found[1].lower() == "2f" else "\\", path)
    canonical = _canonical(path)
    if canonical is None:
        return None
    if mode in (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES):
        canonical = re.sub("/{2,}", "/", canonical)
    return canonical + mark + query


def _canonical(path: str) -> str | None:
    """RFC 3986: unreserved characters decoded, the rest escaped, dot segments removed, `\\` read as `/`."""
    if "%00" in path:
        return None
    decoded = _ESCAPE.sub(_decode, path.replace("\\", "/"))
    escaped = "".join(char if char in _KEPT else f"%{ord(char):02X}" for char in decoded)
    return _without_dots(escaped)


def _decode(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0]


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
