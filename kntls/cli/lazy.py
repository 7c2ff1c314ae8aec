"""A command group as a table: names and help are known without importing any command's module."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import typer

from kntls.cli.help import App, Group

Table = Mapping[str, tuple[str, str]]
"""Command → (module under `kntls.cli`, one-line help). The module's `app` is the command, or holds it by name."""


class LazyGroup(Group):
    """Knows every command's name and help without importing any of them."""

    table: ClassVar[Table] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of the command that was called."""
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"kntls.cli.{self.table[cmd_name][0]}")
        found: Any = typer.main.get_command(module.app)
        command = getattr(found, "commands", {}).get(cmd_name, found)
        command.name = cmd_name
        return command

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands and flags that begin so, from the table: completing must not import every command."""
        from typer._click.shell_completion import CompletionItem

        flags = super().shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        names = (name for name in self.table if name.startswith(incomplete))
        return [*(CompletionItem(name, help=self.table[name][1]) for name in names), *flags]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Suggest the nearest command for one that does not exist."""
        self.commands = cast(Any, dict.fromkeys(self.table))
        return super().resolve_command(ctx, args)

    def rows(self, ctx: Any) -> list[tuple[str, str]]:
        """The table, as help text."""
        return [(name, text) for name, (_, text) in self.table.items()]


def lazy_group(table: Table, **settings: Any) -> App:
    """A group whose commands are that table (`settings` go to `App`)."""
    cls = type("Lazy", (LazyGroup,), {"table": table, "__doc__": LazyGroup.__doc__})
    return App(cls, **settings)
