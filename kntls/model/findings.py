"""Findings: what a check, a lint or a verification has to say about one object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kntls.model.objects import ObjectRef


class Severity(StrEnum):
    """How bad: an error is wrong now, a warning will be or may be, info is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, why, and the command that mends it."""

    id: str
    """Stable: `KN-TRUST-003`, `MESH-LINT-012`."""
    severity: Severity
    object: ObjectRef | None
    reason: str
    fix: str = ""
    """A command to copy, or a short instruction where no command does it."""
    location: str = ""
    """File and document, when read from files."""
