"""Manifests as the objects they hold, each with its place: which files are read, and what is in lists."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kntls.errors import InputError
from kntls.observe.documents import NO_OBJECT

SUFFIXES = (".json", ".yaml", ".yml")
"""Files of a directory that are read."""


def files(paths: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """The files these paths mean (`-` for standard input), each with whether it was named itself.

    Directories are searched recursively. Raises `InputError` for what is not there or holds no manifest.
    """
    for path in paths:
        if path == "-" or not Path(path).is_dir():
            yield path, True
        else:
            yield from ((file, False) for file in _within(path))


def _within(directory: str) -> list[str]:
    found = sorted(str(file) for file in Path(directory).rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not found:
        raise InputError(f"no file in it ends in {', '.join(SUFFIXES)}", where=directory)
    return found


def text_of(file: str, stdin: str | None = None) -> tuple[str, str]:
    """Name and text of one file; `stdin` replaces standard input. Raises `InputError` for what cannot be read."""
    if file == "-":
        return "standard input", sys.stdin.read() if stdin is None else stdin
    try:
        return file, Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file or directory", where=file) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"cannot be read: {why}", where=file) from None


def texts(paths: Iterable[str], stdin: str | None = None) -> Iterator[tuple[str, str]]:
    """Name and text of each file these paths mean. Raises what `files` and `text_of` raise."""
    return (text_of(file, stdin) for file, _ in files(paths))


def objects(place: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a document, each with its place: those of a list one by one, else the document itself.

    The items of a typed list (`PodList`) may leave out what the list says. Raises `InputError` for an item that is no
    mapping.
    """
    kind = str(document.get("kind") or "List")
    if document.get("kind") == "List" and not isinstance(document.get("items"), list):
        raise InputError("List: items: must be a list", where=place)
    if not kind.endswith("List") or not isinstance(document.get("items"), list):
        yield place, document
        return
    typed = {"apiVersion": document.get("apiVersion", ""), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for index, item in enumerate(document["items"]):
        where = f"{place} item {index}"
        if not isinstance(item, Mapping):
            raise InputError(NO_OBJECT, where=where)
        yield from objects(where, {**typed, **item})
