"""From common flags to a cluster, files or the lab: what every command starts with."""

from __future__ import annotations

import logging
import sys


def trace_requests() -> None:
    """Show on standard error what is asked of the API server, and what it answers (never a body)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("kntls: %(message)s"))
    logger = logging.getLogger("kntls")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
