"""The entry point: the command tree as a table, one module imported for the command that was called."""

from __future__ import annotations

import os
import signal
import sys

import typer

from kntls import __version__
from kntls.cli.lazy import Table, lazy_group
from kntls.cli.options import Common, with_common
from kntls.errors import ExitCode, KntlsError

COMMANDS: Table = {
    "demo": ("demo", "the whole story on the embedded lab, in under a minute"),
    "lab": ("lab", "the embedded cluster: up, down, status, run"),
    "status": ("status", "surfaces, issuers, CAs, trust, leaves, restarts owed: one screen"),
    "check": ("check", "is everything right?"),
    "enable": ("enable", "turn encryption on for a surface"),
    "disable": ("disable", "turn encryption off for a surface"),
    "generate": ("generate", "the same objects as YAML, without a cluster"),
    "trust": ("trust", "trust bundles: list, show, add, remove, publish"),
    "cert": ("cert", "leaf certificates: list, verify"),
    "rotate-ca": ("rotate", "replace a CA, stage by stage: status, plan, apply, rollback"),
    "mesh": ("mesh", "service mesh: generate, lint, explain, test and prove isolation"),
    "version": ("version", "kntls's version, and the cluster's"),
    "completion": ("completion", "shell completion script"),
}
"""Command → (module under `kntls.cli`, one-line help). Each module has an `app`."""

COMPLETE = "_KNTLS_COMPLETE"
"""Set by a shell's completion script."""
ISSUES = "https://github.com/kntls/kntls/issues"


app = lazy_group(COMMANDS)


def _root(common: Common) -> None:
    """Transport encryption for Knative Serving, and for the service mesh under it.

    Turns it on, checks it, explains it and rotates its CA without dropping a request.
    Every command takes the flags below.
    """


app.callback()(with_common(_root, root=True))


def _report(error: KntlsError) -> int:
    print(f"kntls: {error}", file=sys.stderr)  # noqa: T201
    return int(error.exit_code)


def _run(arguments: list[str]) -> int:
    if COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    command = typer.main.get_command(app)
    result = command.main(args=arguments, prog_name="kntls", standalone_mode=False)
    return int(result) if isinstance(result, int) else 0


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; nothing escapes as a traceback unless `-v` is given."""
    from typer import _click  # the copy of click that typer ships

    try:
        return _run(arguments)
    except KntlsError as error:
        return _report(error)
    except _click.exceptions.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        print("kntls: interrupted; nothing was written", file=sys.stderr)  # noqa: T201
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except Exception as error:
        if {"-v", "--verbose"} & set(arguments):
            raise
        what = f"{type(error).__name__}: {error}"
        print(f"kntls: internal error: {what} (a bug: run again with -v and report it at {ISSUES})", file=sys.stderr)  # noqa: T201
        return int(ExitCode.INTERNAL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script. Being evicted (SIGTERM) leaves things as Ctrl-C does: resumable, temporary changes undone."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


__all__ = ["COMMANDS", "__version__", "app", "main", "run"]
