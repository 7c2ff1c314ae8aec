"""Where a mesh command's resources come from: files with `-f`, else a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kntls.cli.options import Common
from kntls.cli.session import connect
from kntls.errors import InputError

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


def read_text(path: str) -> str:
    """A file's text. Raises `InputError` that names it and never shows its content."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
    except UnicodeDecodeError:
        raise InputError("is no text file", where=path) from None
