"""The flags that mean the same everywhere, accepted before or after any command, as kubectl does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import typer


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
    """One common flag: its type, names and help, and whether a command's own `--help` shows it."""

    type: Any
    names: tuple[str, ...]
    help: str
    metavar: str | None = None
    everyday: bool = False

    def parameter(self, name: str, show_all: bool) -> inspect.Parameter:
        """The flag as a parameter of a command's function."""
        hidden = not (show_all or self.everyday)
        info = typer.Option(*self.names, help=self.help, metavar=self.metavar, hidden=hidden, show_default=False)
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, default=None, annotation=Annotated[self.type, info])


_TEXT, _SWITCH = str | None, bool | None

FLAGS: dict[str, _Flag] = {
    "context": _Flag(_TEXT, ("--context",), "kubeconfig context to use", "NAME"),
    "kubeconfig": _Flag(_TEXT, ("--kubeconfig",), "kubeconfig file to use", "FILE"),
    "namespace": _Flag(_TEXT, ("--namespace", "-n"), "look at this namespace only", "NS", everyday=True),
    "as_user": _Flag(_TEXT, ("--as",), "user to impersonate", "USER"),
    "request_timeout": _Flag(_TEXT, ("--request-timeout",), "limit for one request (30s)", "DUR"),
    "files": _Flag(
        list[str] | None, ("--filename", "-f"), "read objects from files, not a cluster", "FILE|DIR|-", everyday=True
    ),
    "output": _Flag(_TEXT, ("--output", "-o"), "table, wide, json, yaml or name", "FORMAT", everyday=True),
    "dry_run": _Flag(_SWITCH, ("--dry-run",), "print actions and diffs, change nothing", everyday=True),
    "yes": _Flag(_SWITCH, ("--yes", "-y"), "do not ask", everyday=True),
    "timeout": _Flag(_TEXT, ("--timeout",), "limit for each single wait (10m)", "DUR", everyday=True),
    "verbose": _Flag(_SWITCH, ("--verbose", "-v"), "show what is asked of the API server"),
    "no_color": _Flag(_SWITCH, ("--no-color",), "no colour (NO_COLOR works too)"),
    "lab": _Flag(_SWITCH, ("--lab",), "use the embedded lab cluster"),
}


def _take(values: dict[str, Any], own: frozenset[str]) -> Common:
    taken = {flag: None if flag in own else values.pop(flag, None) for flag in FLAGS}
    taken["files"] = tuple(taken["files"]) if taken["files"] else None
    for flag in ("dry_run", "yes", "verbose", "no_color", "lab"):
        taken[flag] = taken[flag] or None
    return Common(**taken)


def with_common(function: Callable[..., Any], *, root: bool = False) -> Callable[..., Any]:
    """Give a command the common flags; it receives them as its first argument, a `Common`.

    The wrapped function's own parameters follow and keep their Typer annotations; one that uses a common flag's name
    takes its place. With `root`, every flag shows in `--help`; elsewhere only those most used. A command that is a
    group as well does not run itself when one of its subcommands was called.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    own_names = frozenset(parameter.name for parameter in own)

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> Any:
        earlier = ctx.obj if isinstance(ctx.obj, Common) else Common()
        common = earlier.overlay(_take(values, own_names))
        ctx.obj = common
        if common.verbose and not earlier.verbose:
            from kntls.cli.session import trace_requests

            trace_requests()
        if ctx.invoked_subcommand is not None and not root:
            return None
        return function(common, **values)

    head = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    taken = {name for parameter in own for name in _names(parameter)}
    common = [flag.parameter(name, show_all=root) for name, flag in FLAGS.items() if not taken & set(flag.names)]
    parameters = [head, *own, *common]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _names(parameter: inspect.Parameter) -> tuple[str, ...]:
    """The option names a parameter's annotation declares."""
    extras = getattr(parameter.annotation, "__metadata__", ())
    return tuple(name for extra in extras for name in getattr(extra, "param_decls", None) or ())


def group(help: str) -> typer.Typer:
    """An empty command group in the house's settings."""
    return typer.Typer(
        help=help, add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False
    )
