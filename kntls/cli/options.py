"""The flags that mean the same everywhere, accepted before or after any command, as kubectl does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import typer

from kntls.cli.help import GLOBAL, App
from kntls.errors import UsageError


@dataclass(frozen=True)
class Common:
    """What the common flags say; None where a flag was not given."""

    context: str | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    as_user: str | None = None
    request_timeout: str | None = None
    files: tuple[str, ...] | None = None
    output: str | None = None
    dry_run: bool | None = None
    yes: bool | None = None
    timeout: str | None = None
    verbose: bool | None = None
    no_color: bool | None = None
    lab: bool | None = None

    def overlay(self, later: Common) -> Common:
        """These flags with those given later on the line laid over them."""
        given = {f.name: getattr(later, f.name) for f in fields(later) if getattr(later, f.name) is not None}
        return replace(self, **given)


@dataclass(frozen=True)
class _Flag:
    """One common flag: its type, names and help, and whether it is about kntls itself or about what is asked."""

    type: Any
    names: tuple[str, ...]
    help: str
    metavar: str | None = None
    is_global: bool = False

    def parameter(self, name: str, help: str, panel: str | None, *, hidden: bool) -> inspect.Parameter:
        """The flag as a parameter of a command's function, in that section of its help."""
        info = typer.Option(
            *self.names, help=help, metavar=self.metavar, hidden=hidden, show_default=False, rich_help_panel=panel
        )
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, default=None, annotation=Annotated[self.type, info])


_TEXT, _SWITCH = str | None, bool | None

FLAGS: dict[str, _Flag] = {
    "namespace": _Flag(_TEXT, ("--namespace", "-n"), "look at this namespace only", "NAME"),
    "files": _Flag(list[str] | None, ("--filename", "-f"), "read objects from files, not a cluster", "FILE|DIR|-"),
    "output": _Flag(_TEXT, ("--output", "-o"), "json, yaml, or what the command's own help lists", "FORMAT"),
    "dry_run": _Flag(_SWITCH, ("--dry-run",), "print actions and diffs, change nothing"),
    "yes": _Flag(_SWITCH, ("--yes", "-y"), "do not ask"),
    "timeout": _Flag(_TEXT, ("--timeout",), "limit for each single wait (10m)", "DURATION"),
    "kubeconfig": _Flag(_TEXT, ("--kubeconfig",), "kubeconfig file to use", "FILE", is_global=True),
    "context": _Flag(_TEXT, ("--context",), "kubeconfig context to use", "NAME", is_global=True),
    "lab": _Flag(_SWITCH, ("--lab",), "use the embedded lab cluster", is_global=True),
    "as_user": _Flag(_TEXT, ("--as",), "user to impersonate", "USER", is_global=True),
    "request_timeout": _Flag(_TEXT, ("--request-timeout",), "limit for one request (30s)", "DURATION", is_global=True),
    "verbose": _Flag(_SWITCH, ("--verbose", "-v"), "show what is asked of the API server", is_global=True),
    "no_color": _Flag(_SWITCH, ("--no-color",), "no colour (NO_COLOR works too)", is_global=True),
}

LOCAL = frozenset({"output"})
"""What a command takes that asks no cluster."""
CLUSTER = frozenset({"kubeconfig", "context", "lab", "as_user", "request_timeout", "verbose", "no_color", "output"})
"""What a command takes that asks one."""
READS = CLUSTER | {"files", "namespace"}
"""What a command takes that reads a cluster or files."""
CHANGES = CLUSTER | {"files", "dry_run", "yes", "timeout"}
"""What a command takes that changes a cluster, or plans so against files."""

PLANNED = "plan against files, with --dry-run"
"""Help of `-f` for a command that changes something."""

DOCUMENTS = ("json", "yaml")
MANIFESTS = ("yaml", "json", "name")
"""Formats of a command that prints manifests; the first one is the default, here and below."""
SIMPLE = ("table", *DOCUMENTS)
"""Formats of a command that says one thing."""
TABLES = ("table", "wide", *DOCUMENTS)
"""Formats of a command that shows tables."""
LISTS = (*TABLES, "name")
"""Formats of a command that lists objects."""


def _take(values: dict[str, Any], own: frozenset[str]) -> Common:
    taken = {flag: None if flag in own else values.pop(flag, None) for flag in FLAGS}
    taken["files"] = tuple(taken["files"]) if taken["files"] else None
    for flag in ("dry_run", "yes", "verbose", "no_color", "lab"):
        taken[flag] = taken[flag] or None
    return Common(**taken)


@dataclass(frozen=True)
class _Takes:
    """What a command makes of the common flags."""

    flags: frozenset[str]
    """Those that mean something to it; the others are accepted and not shown."""
    formats: tuple[str, ...]
    """What `-o` may say, its default first; empty where there is nothing to choose."""
    notes: Mapping[str, str]
    """Help of flags that mean something of their own here."""

    def help(self, name: str) -> str:
        """The help of one flag."""
        if name == "output" and self.formats:
            default, *others = self.formats
            return _either([f"{default} (default)", *others])
        return self.notes.get(name, FLAGS[name].help)

    def judged(self, common: Common) -> Common:
        """The flags with the format filled in. Raises `UsageError` for one that would be passed over unheard."""
        if self.formats and common.output not in (None, *self.formats):
            raise UsageError(f"no such output: {common.output!r}", where="-o", fix=f"one of {', '.join(self.formats)}")
        if self.formats:
            common = replace(common, output=common.output or self.formats[0])
        _require_durations(common)
        for name in self._refused(common):
            raise UsageError("it means nothing to this command", where=FLAGS[name].names[-1], fix="leave it out")
        return common

    def _refused(self, common: Common) -> Iterable[str]:
        """Flags that were given and would be passed over: whoever gives one expects something else to be looked at,
        or nothing to be changed. What only reads, or prints manifests, changes nothing anyway, and without a cluster
        nothing is mistaken."""
        scope = ("namespace", "files") if "context" in self.flags else ()
        given = [name for name in scope if getattr(common, name) is not None]
        acts = "files" not in self.flags and self.formats[:1] != MANIFESTS[:1]
        unplanned = ["dry_run"] if common.dry_run and acts else []
        return [name for name in (*given, *unplanned) if name not in self.flags]


def _require_durations(common: Common) -> None:
    for name in ("timeout", "request_timeout"):
        if given := getattr(common, name):
            from kntls.cli.session import seconds

            seconds(given, FLAGS[name].names[0])


def _either(words: list[str]) -> str:
    """`table, wide or json`."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def with_common(
    function: Callable[..., Any],
    flags: Iterable[str] = FLAGS,
    formats: tuple[str, ...] = (),
    *,
    root: bool = False,
    **notes: str,
) -> Callable[..., Any]:
    """Give a command the common flags; it receives them as its first argument, a `Common`.

    The wrapped function's own parameters follow and keep their Typer annotations; one that uses a common flag's name
    takes its place. `flags` are those its `--help` shows, `formats` what `-o` may say, with the default first, and
    `notes` the help of flags that mean something of their own here. A command that is a group as well does not run
    itself when one of its subcommands was called.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    own_names = frozenset(parameter.name for parameter in own)
    takes = _Takes(frozenset(flags), formats, notes)

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> Any:
        earlier = ctx.obj if isinstance(ctx.obj, Common) else Common()
        common = earlier.overlay(_take(values, own_names))
        ctx.obj = common
        if common.verbose and not earlier.verbose:
            from kntls.cli.session import trace_requests

            trace_requests()
        _refuse_empty(ctx)
        if ctx.invoked_subcommand is not None and not root:
            return None
        return function(common if root else takes.judged(common), **values)

    head = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    taken = {name for parameter in own for name in _names(parameter)}
    common = [
        flag.parameter(
            name, takes.help(name), GLOBAL if root or flag.is_global else None, hidden=name not in takes.flags
        )
        for name, flag in FLAGS.items()
        if not taken & set(flag.names)
    ]
    parameters = [head, *own, *common]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _refuse_empty(ctx: typer.Context) -> None:
    """Raise `UsageError` for a flag that was given with nothing: an unset variable, not a wish for the default."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if value == "" or (isinstance(value, (list, tuple)) and "" in value):
            where = str(parameter.metavar) if parameter.param_type_name == "argument" else parameter.opts[0]
            source = ctx.get_parameter_source(parameter.name or "")
            if source is not None and source.name == "COMMANDLINE":
                raise UsageError("it was given with nothing", where=where, fix="give a value, or leave it out")


def _names(parameter: inspect.Parameter) -> tuple[str, ...]:
    """The option names a parameter's annotation declares."""
    extras = getattr(parameter.annotation, "__metadata__", ())
    return tuple(name for extra in extras for name in getattr(extra, "param_decls", None) or ())


def group(help: str) -> App:
    """An empty command group in the house's settings; the place for a single command, too."""
    return App(help=help)


def family(help: str, flags: Iterable[str] = CLUSTER - {"output"}) -> App:
    """An empty group of commands that takes the common flags before the command's name as well, and shows these."""
    app = App(help=help)
    app.callback(help=help)(with_common(_no_command, flags))
    return app


def _no_command(_: Common) -> None:
    """What a family does by itself: nothing."""
