"""The entry point: the command tree as a table, one module imported for the command that was called."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, Any

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
    "version": ("version", "kntls's version"),
    "completion": ("completion", "shell completion script"),
}
"""Command → (module under `kntls.cli`, one-line help). Each module has an `app`."""

COMPLETE = "_KNTLS_COMPLETE"
"""Set by a shell's completion script."""
ISSUES = "https://github.com/kntls/kntls/issues"


app = lazy_group(COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kntls {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="print the version", is_eager=True, callback=_say_version)]


def _root(common: Common, version: Version = False) -> None:
    """Transport encryption for Knative Serving, and for the service mesh under it.

    Turns it on, checks it, explains it and rotates its CA without dropping a request.
    The global options may stand before or after any command.
    """


app.callback()(with_common(_root, root=True))


def _say(line: str) -> None:
    print(f"kntls: {line}", file=sys.stderr)  # noqa: T201


def _report(error: KntlsError) -> int:
    _say(str(error))
    for detail in error.details:
        print(f"  - {detail}", file=sys.stderr)  # noqa: T201
    return int(error.exit_code)


def _misused(error: Any) -> int:
    """A command line that cannot be read: one line with the page that helps; help itself where nothing was asked."""
    from typer._click.exceptions import NoArgsIsHelpError

    if isinstance(error, NoArgsIsHelpError):
        error.show()
        return int(ExitCode.USAGE)
    context = getattr(error, "ctx", None)
    words = " ".join(error.format_message().split()).removesuffix(".")
    said = f"{words[:1].lower()}{words[1:]}"
    _say(f"{said} (fix: see `{context.command_path if context else 'kntls'} --help`)")
    return int(ExitCode.USAGE)


def _run(arguments: list[str]) -> int:
    """Run it in our own hands: Typer's `main` ends an interrupted command without a word."""
    command = typer.main.get_command(app)
    if COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
        command.main(args=arguments, prog_name="kntls", standalone_mode=False)
    try:
        with command.make_context("kntls", arguments) as context:
            result = command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return int(result) if isinstance(result, int) else 0


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; nothing escapes as a traceback unless `-v` is given."""
    from typer import _click  # the copy of click that typer ships

    try:
        return _run(list(arguments))
    except KntlsError as error:
        return _report(error)
    except _click.exceptions.ClickException as error:
        return _misused(error)
    except typer.Abort:
        _say("nothing was changed")
        return int(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        _say("interrupted; nothing was changed")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except Exception as error:
        if {"-v", "--verbose"} & set(arguments):
            raise
        what = f"{type(error).__name__}: {error}"
        _say(f"internal error: {what} (a bug: run again with -v and report it at {ISSUES})")
        return int(ExitCode.INTERNAL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script. Being evicted (SIGTERM) leaves things as Ctrl-C does: resumable, temporary changes undone."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


__all__ = ["COMMANDS", "__version__", "app", "main", "run"]
