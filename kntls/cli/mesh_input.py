"""Where a mesh command's resources come from: files with `-f`, else a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kntls.cli.options import Common
from kntls.cli.session import connect

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
