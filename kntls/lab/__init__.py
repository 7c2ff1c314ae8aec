"""The embedded cluster: API server, issuing, Knative's behaviour, real TLS endpoints.

`from kntls.lab import Lab` starts one in this process; `kntls lab up` in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kntls.lab.embedded import Lab as Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    """Import what costs time only when it is used."""
    if name == "Lab":
        from kntls.lab.embedded import Lab

        return Lab
    raise AttributeError(name)
