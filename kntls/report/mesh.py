"""`kntls mesh status` as a table and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from kntls.mesh.status import MeshStatus, Part
from kntls.model.observation import Unread
from kntls.report.text import WIDTH, Paint, table

INDENT: Any = {"initial_indent": "  ", "subsequent_indent": "    "}
STYLES = {"STRICT": "green", "PERMISSIVE": "yellow", "DISABLE": "red", "no sidecar": "dim"}


def _part(part: Part, paint: Paint) -> str:
    mark = {True: paint("√", "green"), False: paint("×", "red"), None: paint("?", "dim")}[part.there]
    return f"  {mark} {part.name}" + (f"  fix: {part.fix}" if part.there is False else "")


def render(found: MeshStatus, unread: Sequence[Unread], paint: Paint) -> str:
    """The whole status as text."""
    lines = [
        f"mesh default   {paint(found.mesh_mode, STYLES[found.mesh_mode])}",
        f"Kiali shows    {found.lock.icon}" + (f" ({found.lock.tooltip})" if found.lock.tooltip else ""),
        "",
    ]
    if found.ports:
        rows = [(row.namespace, row.workload, row.port, row.mode, row.by, str(row.pods)) for row in found.ports]
        lines += [table(("NAMESPACE", "WORKLOAD", "PORT", "ACCEPTS", "BY", "PODS"), rows).rstrip("\n"), ""]
    if found.columns:
        lines += [table(("NAMESPACE", "KIALI SAYS", "SERVERS ARE"), found.columns).rstrip("\n"), ""]
    if found.disagreements:
        wrapped = (textwrap.fill(f"- {each}", WIDTH, **INDENT) for each in found.disagreements)
        lines += [paint("Where they disagree", "bold"), *wrapped, ""]
    lines += [paint("Knative Serving on the mesh", "bold"), *(_part(part, paint) for part in found.parts)]
    if unread:
        lines += ["", paint("Not looked at", "bold"), *(f"  - {each.what}: {each.reason}" for each in unread)]
    return "\n".join(lines) + "\n"


def body(found: MeshStatus, unread: Sequence[Unread]) -> dict[str, Any]:
    """The status for JSON and YAML."""
    return {
        "meshMode": found.mesh_mode,
        "kiali": {"icon": found.lock.icon.value, "state": found.lock.state.value, "tooltip": found.lock.tooltip},
        "namespaces": [{"name": name, "kiali": word, "mode": mode} for name, word, mode in found.columns],
        "ports": [
            {
                "namespace": row.namespace,
                "workload": row.workload,
                "port": row.port,
                "mode": row.mode,
                "policy": row.by,
                "pods": row.pods,
            }
            for row in found.ports
        ],
        "disagreements": list(found.disagreements),
        "integration": [{"part": part.name, "there": part.there, "fix": part.fix} for part in found.parts],
        "unread": [{"what": each.what, "reason": each.reason} for each in unread],
    }
