"""Writes docs/checks.md from the registry of checks; run it after adding or changing one.

The example of each check is what it really says about the world that its test breaks.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kntls.checks import CHECKS, Category, Check  # noqa: E402 - after the path is set
from kntls.checks.run import run, select  # noqa: E402
from tests.checks.breakages import BREAKAGES  # noqa: E402

PAGE = ROOT / "docs" / "checks.md"
HEAD = """# Checks

What `kntls check` looks at, one anchor for each check. This page is made from the code by
`scripts/generate_check_docs.py`; change the check, not the page.

An **error** is wrong now and makes `kntls check` exit with 1; a **warning** will be or may be, and counts with
`--fail-on warning`; an **info** is worth knowing. What could not be looked at (missing permissions, files that do not
hold it) is listed as such, never as fine. Where one finding explains others, they are shown beneath it, and it is
marked like the worst of them.

Each finding brings a command to copy. What stands in capitals (`NAME`, `FILE`, `USER`) is yours to fill in, what
follows `#` is said to you. Beside kubectl and kntls some use
[cmctl](https://cert-manager.io/docs/reference/cmctl/), cert-manager's own tool.
"""
SUBJECTS = {
    Category.API: "May we see and do what is needed?",
    Category.VER: "Versions of what is installed, and the traps of each.",
    Category.CM: "cert-manager itself.",
    Category.ISSUER: "Issuers, and the CAs behind them.",
    Category.CONFIG: "Knative's configuration, and who owns it.",
    Category.NS: "Namespaces.",
    Category.KCERT: "KCerts, and the Certificates made from them.",
    Category.RESTART: "Restarts owed.",
    Category.LEAF: "Leaves: the certificates that servers show, as they lie in their Secrets.",
    Category.TRUST: "Trust bundles, and what each consumer makes of them.",
    Category.SERVE: "What is really served.",
    Category.ROT: "Rotations that were left half-way.",
}


def stable(text: str) -> str:
    """The text without what differs from run to run: fingerprints."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "FINGERPRINT", text)
    return re.sub(r"\([0-9a-f]{16}\)", "(9c0ab28d13990f4e)", text)


def example(check: Check) -> list[str]:
    """What the check says about the world that its test breaks."""
    breakage = next(entry for entry in BREAKAGES if entry.id == check.id)
    world = breakage.base()
    breakage.apply(world)
    (result,) = run(world.observation(), [check]).results
    problem = result.found[0].problem
    where = f"{problem.object}: " if problem.object else ""
    lines = textwrap.wrap(f"{where}{problem.reason}", 100, break_long_words=False, break_on_hyphens=False)
    fix = [f"fix: {problem.fix}"] if problem.fix else []
    return [stable(line) for line in (*lines, *fix)]


def links(ids: tuple[str, ...]) -> str:
    """IDs as links within the page."""
    return ", ".join(f"[{id}](#{id.lower()})" for id in sorted(set(ids)))


def entry(check: Check) -> str:
    """One check."""
    causes = tuple(other.id for other in CHECKS.values() if check.id in other.causes)
    lines = [f"### {check.id}", "", f"**{check.sentence}** ({check.severity}; `{check.phase}`)", ""]
    if check.when:
        lines += [f"Only where {' and '.join(condition.sentence for condition in check.when)}.", ""]
    lines += [*textwrap.wrap(check.why, 118), "", "```text", *example(check), "```", ""]
    lines += textwrap.wrap(f"Fix: {check.remedy}", 118)
    if check.causes:
        lines += ["", f"Explains: {links(check.causes)}"]
    if causes:
        lines += ["", f"May be explained by: {links(causes)}"]
    return "\n".join([*lines, ""])


def page() -> str:
    """The whole page."""
    every = sorted(CHECKS.values(), key=lambda check: check.id)
    parts = [HEAD]
    for category in Category:
        found = [check for check in every if check.category == category]
        parts.append(f"## {category.value}\n\n{SUBJECTS[category]}\n")
        parts += [entry(check) for check in found]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {len(select([]))} checks in `kntls check`, {len(CHECKS)} in all")
