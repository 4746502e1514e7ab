"""How commands are declared: a body, an example, and the options that all such commands share.

A body is an async function that gets a :class:`Call` first. What is wrapped around it (finding the
coordinator, choosing the format, turning errors into exit codes) is written here once.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias

import typer

from traffic_tui.cli.failures import EXIT_BROKEN_PIPE, EXIT_USAGE, CommandFailed
from traffic_tui.cli.options import (
    CaOption,
    CertificateKeyOption,
    CertificateOption,
    DataDirOption,
    DebugOption,
    FormatOption,
    JsonOption,
    KeyFileOption,
    UrlOption,
    Where,
)
from traffic_tui.cli.printing import Printer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from server.model import Role
    from traffic_tui.cli.connection import Connection
    from traffic_tui.cli.options import Format
    from traffic_tui.client.base import Client

P = ParamSpec("P")
Body: TypeAlias = "Callable[Concatenate[Call, P], Coroutine[Any, Any, None]]"

HELP_SETTINGS: dict[Any, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


@dataclass(frozen=True, slots=True)
class Call:
    """What the body of a command works with."""

    connection: Connection
    printer: Printer

    @property
    def client(self) -> Client:
        return self.connection.client


def group(help_text: str, *examples: str) -> typer.Typer:
    """An application with subcommands."""
    app = standalone(help=help_text, invoke_without_command=True, epilog=example_text(examples))
    app.callback()(_show_help_without_subcommand)
    return app


def standalone(**settings: Any) -> typer.Typer:
    """An application in the style of all the others: plain help, our own error boundary."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings=HELP_SETTINGS,
        **settings,
    )


def _show_help_without_subcommand(context: typer.Context) -> None:
    """What there is, for whoever typed the group's name alone; still wrong usage to a script."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


def local(
    app: typer.Typer, name: str, *examples: str, **settings: Any
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Declare a command that talks to no coordinator, with examples of its use."""

    def declare(body: Callable[P, None]) -> Callable[P, None]:
        def run(debug: bool, **given: Any) -> None:
            body(**given)  # type: ignore[call-arg]

        command = _shaped(run, body, [*parameters_of(body), _DEBUG])
        _register(app, [name], command, examples, settings)
        return body

    return declare


def talking(
    app: typer.Typer,
    name: str,
    *examples: str,
    aliases: tuple[str, ...] = (),
    role: Role = "operator",
    **settings: Any,
) -> Callable[[Body[P]], Body[P]]:
    """Declare a command that talks to a coordinator.

    Args:
        aliases: other names it has; they are not listed.
        role: which of this user's own keys it needs.
    """

    def declare(body: Body[P]) -> Body[P]:
        def run(output: Format, as_json: bool, debug: bool, **given: Any) -> None:
            from traffic_tui.cli.connection import Connection, talk

            where = Where(**{each.name: given.pop(each.name) for each in _WHERE})
            connection = Connection(where, role)
            call = Call(connection, Printer.for_stdout("json" if as_json else output))
            talk(connection, body(call, **given))  # type: ignore[call-arg]

        own = parameters_of(body)[1:]
        command = _shaped(run, body, [*own, *_FORMAT, *_WHERE, _DEBUG])
        _register(app, [name, *aliases], command, examples, settings)
        return body

    return declare


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


_DEBUG = _option("debug", DebugOption, False)
_WHERE = (
    _option("url", UrlOption, None),
    _option("key_file", KeyFileOption, None),
    _option("ca", CaOption, None),
    _option("data_dir", DataDirOption, None),
    _option("certificate", CertificateOption, None),
    _option("certificate_key", CertificateKeyOption, None),
)
_FORMAT = (_option("output", FormatOption, "table"), _option("as_json", JsonOption, False))


def parameters_of(body: Callable[..., Any]) -> list[inspect.Parameter]:
    """A body's own parameters, by keyword, with their annotations evaluated."""
    signature = inspect.signature(body, eval_str=True)
    return [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()
    ]


def _shaped(
    run: Callable[..., None], body: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """``run`` as Typer should see it: with the body's name and words, and these parameters."""

    def command(**given: Any) -> None:
        try:
            run(**given)
        except BrokenPipeError:  # nobody reads on; Typer would make it a plain failure
            raise CommandFailed("", exit_code=EXIT_BROKEN_PIPE) from None

    command.__name__ = body.__name__
    command.__doc__ = body.__doc__
    command.__module__ = body.__module__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _register(
    app: typer.Typer,
    names: Iterable[str],
    command: Callable[..., None],
    examples: tuple[str, ...],
    settings: dict[str, Any],
) -> None:
    """Under its name and, unlisted, under its other names."""
    for number, name in enumerate(names):
        app.command(
            name,
            epilog=example_text(examples),
            hidden=number > 0,
            context_settings=HELP_SETTINGS,
            **settings,
        )(command)


def example_text(examples: tuple[str, ...]) -> str:
    title = "Example:" if len(examples) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  traffic-tui {each}" for each in examples)])
