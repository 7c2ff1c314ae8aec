"""Where a mesh command's resources come from: files with `-f`, else a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kntls.cli.options import Common
from kntls.cli.session import connect
from kntls.errors import InputError, UsageError

if TYPE_CHECKING:
    from kntls.mesh.resources import Resources
    from kntls.model.observation import Unread


def load(common: Common) -> tuple[Resources, tuple[Unread, ...]]:
    """The resources, and what could not be read."""
    if common.files:
        from kntls.mesh.resources import read
        from kntls.model.observation import Unread

        found = read(common.files)
        bundles = [Unread(f"{len(found.bundles)} bundles", "choices for `mesh test`")] if found.bundles else []
        return found, tuple(bundles)
    from kntls.mesh.live import read_cluster

    return read_cluster(connect(common))


def input_of(common: Common) -> Resources:
    """The resources alone."""
    return load(common)[0]


def tenants_of(given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`--tenant NAME=NS[,NS…]` as name → namespaces. Raises `UsageError` for what is not so, or is given twice."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, spaces = text.partition("=")
        namespaces = tuple(spaces.split(","))
        if not name or not all(namespaces):
            raise UsageError(f"not NAME=NS: {text!r}", where="--tenant", fix="write it like alpha=alpha-dev,alpha-prod")
        held = {namespace for each in found.values() for namespace in each}
        if name in found or held & set(namespaces) or len(set(namespaces)) < len(namespaces):
            raise UsageError(f"{text!r} names a tenant or namespace again", where="--tenant")
        found[name] = namespaces
    return found


def warn_of_empty(resources: Resources, tenants: Mapping[str, tuple[str, ...]]) -> None:
    """Say which of the tenants' namespaces the input holds nothing of."""
    known = {found.namespace for found in resources.objects} | {
        found.name for found in resources.in_group("Namespace", "")
    }
    for namespace in (namespace for spaces in tenants.values() for namespace in spaces if namespace not in known):
        print(f"note: nothing in the input is in namespace {namespace}", file=sys.stderr)  # noqa: T201


def read_text(path: str) -> str:
    """A file's text. Raises `InputError` that names it and never shows its content."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
    except UnicodeDecodeError:
        raise InputError("is no text file", where=path) from None
