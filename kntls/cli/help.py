"""How `--help` looks: a command's own options first, the global ones in a section of their own, nothing cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

GLOBAL = "Global options"
"""The section of flags that are about kntls itself: which cluster, as whom, how loud."""
Function = TypeVar("Function", bound=Callable[..., Any])
COLUMN = 30
"""Columns that names of options take at most; longer ones stand on a line of their own."""


def _sections(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Section → its rows, those of the command first; `--help` with the global ones, where there are any."""
    found: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], GLOBAL: []}
    for parameter in command.get_params(context):
        row = parameter.get_help_record(context)
        if row is None:
            continue
        plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
        found[getattr(parameter, "rich_help_panel", None) or plain].append(row)
    return {name: rows for name, rows in found.items() if rows}


def _write(command: Any, context: Any, formatter: Any) -> None:
    """All sections, their second columns aligned."""
    sections = _sections(command, context)
    width = max((len(name) for rows in sections.values() for name, _ in rows if len(name) <= COLUMN), default=0)
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows])


class Command(TyperCommand):
    """A command whose help is in sections."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The sections."""
        _write(self, ctx, formatter)


class Group(TyperGroup):
    """A group whose help is in sections and tells each command's whole first sentence."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands first: a group is looked at to find one."""
        self.format_commands(ctx, formatter)
        _write(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each command with what it does."""
        with formatter.section("Commands"):
            formatter.write_dl(self.rows(ctx))

    def rows(self, ctx: Any) -> list[tuple[str, str]]:
        """Name and first sentence of each command."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [(name, command.get_short_help_str(limit=200)) for name, command in found if command is not None]


class App(typer.Typer):
    """A Typer application in the house's settings: plain help in sections, no traceback, no completion flags."""

    def __init__(self, cls: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=cls,
            add_completion=False,
            rich_markup_mode=None,
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            **settings,
        )

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **settings: Any
    ) -> Callable[[Function], Function]:
        """As Typer's, with the house's help."""
        return super().command(name, cls=cls or Command, **settings)
