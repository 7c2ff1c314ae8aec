"""kntls as it is, but looking oftener: the lab's waits are short, and a second between two looks would be most of them.

`python -m tests.lab.hurried ARGUMENTS`, as KNTLS_E2E_PROGRAM names it. The demo waits less as well.
"""

from __future__ import annotations

import sys
from functools import partial

from kntls.cli import demo
from kntls.cli.main import main
from kntls.engine import run

POLL = 0.1
"""Seconds between two looks."""
SOAK, GRACE = 0.5, 1.0
"""Seconds the demo waits before it switches and before it retires."""

if __name__ == "__main__":
    run.Engine = partial(run.Engine, poll=POLL)  # type: ignore[misc, assignment]
    demo.POLL, demo.SOAK, demo.GRACE = POLL, SOAK, GRACE
    sys.exit(main())
