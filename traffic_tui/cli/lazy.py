"""Subcommands that are imported when they are used, so that ``--help`` stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

from typer.core import TyperGroup
from typer.main import get_command


class LazyCommand(NamedTuple):
    """Where a subcommand lives: a module with a Typer application called ``app``."""

    module: str
    help: str
    """Stands in the overview, which therefore imports nothing."""
    alias_of: str = ""
    """An alias works but is not listed."""


class LazyGroup(TyperGroup):
    """A group that knows its subcommands by name only; a subclass says which."""

    lazy_commands: ClassVar[dict[str, LazyCommand]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, command in self.lazy_commands.items() if not command.alias_of]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        lazy = self.lazy_commands.get(cmd_name)
        if lazy is None:
            return None
        command = get_command(import_module(lazy.module).app)
        self.commands[cmd_name] = command
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.lazy_commands[name].help) for name in self.list_commands(ctx)]
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As inherited, but a misspelt name is compared with all names, imported or not."""
        if args and args[0] not in self.lazy_commands and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{_nearest(args[0], list(self.lazy_commands))}")
        return super().resolve_command(ctx, args)


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(name, names, n=1)
    return f". Did you mean {matches[0]!r}?" if matches else "."
