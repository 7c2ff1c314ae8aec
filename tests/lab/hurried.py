"""kntls as it is, but looking oftener: the lab's waits are short, and a second between two looks would be most of them.

`python -m tests.lab.hurried ARGUMENTS`, as KNTLS_E2E_PROGRAM names it.
"""

from __future__ import annotations

import sys
from functools import partial

from kntls.cli.main import main
from kntls.engine import run

POLL = 0.3
"""Seconds between two looks."""

if __name__ == "__main__":
    run.Engine = partial(run.Engine, poll=POLL)  # type: ignore[misc, assignment]
    sys.exit(main())
