"""Paths as Envoy's connection manager rewrites them before any policy sees them.

Source: istio `pilot/pkg/networking/core/listener_builder.go` (mode → settings); envoy `source/common/http/`
`path_utility.cc` and `conn_manager_utility.cc`: unescape slashes, then RFC 3986, then merge slashes.
"""

from __future__ import annotations

import re

from kntls.mesh.authz.model import Normalization

_PLAIN = re.compile(r"(?:/(?!/)(?![.%])[A-Za-z0-9\-._~!$&'()*+,;:@=]*)+")
_VISIBLE = re.compile("[!-~]*")
"""What Envoy's HTTP/1 codec takes in a request line."""
_ENCODED_SLASH = re.compile(r"%(2[fF]|5[cC])")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_DOT_PARAMETERS = re.compile(r"(?<=/)(\.\.?);[^/]*")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = _UNRESERVED | frozenset("!$&'()*+,;:@=/%[]")


def normalize(path: str, mode: Normalization) -> str | None:
    """The path (with its query) after normalization, or None where Envoy answers 400."""
    if _PLAIN.fullmatch(path):
        return path
    if "#" in path or not path.startswith("/") or not _VISIBLE.fullmatch(path):
        return None
    if mode is Normalization.NONE:
        return path
    path, mark, query = path.partition("?")
    if mode is Normalization.DECODE_AND_MERGE_SLASHES:
        path = _ENCODED_SLASH.sub(lambda found: "/" if found[1].lower() == "2f" else "\\", path)
    canonical = _canonical(path)
    if canonical is None:
        return None
    if mode in (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES):
        canonical = _merged(canonical)
    return canonical + mark + query


def _canonical(path: str) -> str | None:
    """RFC 3986: unreserved characters decoded, the rest escaped, dot segments removed, `\\` read as `/`."""
    if "%00" in path:
        return None
    path = _DOT_PARAMETERS.sub(r"\1", path)  # `/..;x/` is a dot segment too
    return _without_dots("".join(_decoded(path.replace("\\", "/"))))


def _decoded(path: str) -> list[str]:
    """The characters of the path; a `%` that only decoding would complete to an escape becomes `%25`."""
    out: list[str] = []
    position = 0
    while position < len(path):
        char, escape = path[position], _ESCAPE.match(path, position)
        if escape is None:
            out += char if char in _KEPT else f"%{ord(char):02X}"
            position += 1
            continue
        position += 3
        plain = chr(int(escape[1], 16))
        if plain not in _UNRESERVED:
            out += escape[0]
            continue
        out.append(plain)
        _protect(out, path[position : position + 1])
    return out


def _protect(out: list[str], following: str) -> None:
    """Escape the `%` that the character just decoded, with the one before or after it, would make an escape."""
    for start, text in ((-3, "".join(out[-3:])), (-2, "".join(out[-2:]) + following)):
        if len(out) >= -start and _ESCAPE.fullmatch(text):
            out[start:start] = ["%", "2", "5"]
            del out[start]
            return


def _merged(path: str) -> str:
    """Slashes merged as `PathUtil::mergeSlashes` does it; a path of nothing but slashes keeps two."""
    if "//" not in path:
        return path
    inner = "/".join(segment for segment in path.split("/") if segment)
    return f"/{inner}/" if path.endswith("/") else f"/{inner}"


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
