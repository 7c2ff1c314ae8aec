"""Every way kntls can end other than well: one class per meaning, each with its exit code.

An error says what happened, where (the object or file), and what to do about it, in one line. It never carries
key material: messages are built from names, fingerprints and reasons only.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The process's exit codes; `docs/exit-codes.md` explains each."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    UNAVAILABLE = 3
    REFUSED = 4
    INCOMPLETE = 5
    INTERNAL = 70
    INTERRUPTED = 130


class KntlsError(Exception):
    """The base: `what` happened, `where`, and the `fix`."""

    exit_code = ExitCode.INTERNAL

    def __init__(self, what: str, *, where: str = "", fix: str = "", details: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.details = tuple(details)
        """What it is about one by one, for lines of their own."""

    def __str__(self) -> str:
        """One line: `where: what (fix: …)`."""
        place = f"{self.where}: " if self.where else ""
        remedy = f" (fix: {self.fix})" if self.fix else ""
        return f"{place}{self.what}{remedy}"


class UsageError(KntlsError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class InputError(KntlsError):
    """A file or an object's content cannot be read as what it should be."""

    exit_code = ExitCode.USAGE


class ClusterError(KntlsError):
    """The cluster did not do what was asked; the base of all that can go wrong there."""

    exit_code = ExitCode.UNAVAILABLE


class Unreachable(ClusterError):
    """No API server answered."""


class Forbidden(ClusterError):
    """The API server refused for lack of permission; `fix` names the verb and the manifest that grants it."""


class NotFound(ClusterError):
    """No such object, or no such resource type."""


class NotInstalled(ClusterError):
    """A component this needs (cert-manager, Knative Serving) is not there."""


class Conflict(ClusterError):
    """The object changed under us, or another field manager owns what we would write."""


class Busy(ClusterError):
    """The server asked to come back later, or failed in passing; retried until the deadline."""

    def __init__(self, what: str, retry_after: float = 0.0) -> None:
        super().__init__(what, fix="try again; the API server is overloaded or restarting")
        self.retry_after = retry_after


class WaitTimeout(ClusterError):
    """A wait ran out before anything was written; the message names what was waited for."""


class Refused(KntlsError):
    """Going on would be unsafe; nothing was changed."""

    exit_code = ExitCode.REFUSED


class Incomplete(KntlsError):
    """Stopped after a write; what is missing is named, and the same command goes on from here."""

    exit_code = ExitCode.INCOMPLETE
