"""Where the mesh commands read from: files with `-f`, else the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kntls.cli.options import Common

if TYPE_CHECKING:
    from kntls.mesh.resources import Resources


def input_of(common: Common) -> Resources:
    """What `-f` names, or everything the mesh commands look at in the cluster."""
    from kntls.mesh import resources

    if common.files:
        return resources.read(common.files)
    from kntls.cli.session import connect
    from kntls.mesh.live import read_cluster

    return read_cluster(connect(common))
