"""``traffic-tui``: the root command, and the boundary where every error ends as one line."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from traffic_tui.cli.failures import (
    EXIT_BROKEN_PIPE,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    CommandFailed,
    one_line,
)
from traffic_tui.cli.lazy import LazyCommand, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "traffic-tui"


class RootGroup(LazyGroup):
    """The commands of ``traffic-tui`` in the order in which people meet them."""

    lazy_commands: ClassVar[dict[str, LazyCommand]] = {
        "serve": LazyCommand("traffic_tui.cli.serve", "Run the coordinator alone."),
        "attach": LazyCommand("traffic_tui.cli.attach", "Open the console on a running one."),
        "demo": LazyCommand("traffic_tui.cli.demo", "Watch made-up jobs in a throw-away folder."),
        "agent": LazyCommand("traffic_tui.cli.agent", "Run jobs on this box (also: runner)."),
        "runner": LazyCommand("traffic_tui.cli.agent", "", alias_of="agent"),
        "jobs": LazyCommand("traffic_tui.cli.jobs", "Start, submit, list, watch, stop, move jobs."),
        "runners": LazyCommand("traffic_tui.cli.runners", "List, drain, resume, forget runners."),
        "queues": LazyCommand("traffic_tui.cli.queues", "List, pause, resume, limit queues."),
        "schedules": LazyCommand(
            "traffic_tui.cli.schedules", "List, create, pause, delete schedules (cron)."
        ),
        "events": LazyCommand("traffic_tui.cli.events", "What happened, and what happens."),
        "keys": LazyCommand("traffic_tui.cli.keys", "Create, list, revoke keys."),
        "certs": LazyCommand("traffic_tui.cli.certs", "Make certificates for mutual TLS."),
        "config": LazyCommand("traffic_tui.cli.config", "Check a configuration file."),
        "doctor": LazyCommand("traffic_tui.cli.doctor", "Check this box and say what to do."),
    }


app = typer.Typer(
    cls=RootGroup,
    name=PROGRAM,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  traffic-tui\n  traffic-tui jobs list state:failed\n  traffic-tui demo",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        except PackageNotFoundError:
            raise CommandFailed(
                f"{PROGRAM} runs from a folder and is not installed, so its version is not known"
            ) from None
        raise typer.Exit(EXIT_DONE)


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration to start with.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where jobs are kept.")
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look, change nothing.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Plain letters, no glyphs.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from (any command).")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Say the version."),
    ] = False,
) -> None:
    """The operator's console for job runners.

    Without a command: opens the console, with a coordinator in the same process, or attached to
    the one of this user that is running already.
    """
    if context.invoked_subcommand is None:
        from traffic_tui.cli.console import ConsoleWish, open_console
        from traffic_tui.cli.settings import StartFlags

        flags = StartFlags(config, data_dir, host, port)
        open_console(flags, ConsoleWish(read_only, ascii_only))


def wants_debug(arguments: Sequence[str]) -> bool:
    """Whether ``--debug`` was given, to whichever command. What follows ``--`` is not ours."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--debug" in own


def is_text(argument: str) -> bool:
    """Whether an argument is UTF-8; names of files need not be."""
    return not any("\ud800" <= char <= "\udfff" for char in argument)


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its end and give its exit code. Nothing leaves as a traceback."""
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_output()
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:  # of this box, as a full disk behind stdout: no bug of ours
        if wants_debug(arguments):
            raise
        _drop_output()
        _complain(str(error))
        return EXIT_FAILED
    except Exception as error:  # the boundary: whatever it is, a person reads one line of it
        if wants_debug(arguments):
            raise
        broken = [one for one in arguments if not is_text(one)]
        if broken and isinstance(error, UnicodeError):
            _complain(f"{broken[0]!r} is no text: it is not UTF-8")
            return EXIT_USAGE
        _complain(f"{type(error).__name__}: {error} (a bug; --debug shows where)")
        return EXIT_FAILED


def _invoke(arguments: Sequence[str]) -> int:
    try:
        result = get_command(app).main(
            args=list(arguments), prog_name=PROGRAM, standalone_mode=False
        )
    except CommandFailed as failure:
        return _report(failure, arguments)
    except TyperException as error:
        _complain(_usage_words(error))
        return error.exit_code
    except typer.Abort:  # Ctrl+C or end of input at a question
        return EXIT_INTERRUPTED
    except SystemExit as ended:  # how Typer ends where nobody reads what it says itself, as help
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        return EXIT_BROKEN_PIPE
    return result if isinstance(result, int) else EXIT_DONE


def _report(failure: CommandFailed, arguments: Sequence[str]) -> int:
    if failure.message:
        if wants_debug(arguments):
            import traceback

            traceback.print_exception(failure)
        _complain(failure.message)
    return failure.exit_code


def _usage_words(error: TyperException) -> str:
    """What is wrong, what is accepted, and where there is more."""
    context: Any = getattr(error, "ctx", None)
    words = error.format_message().strip().replace(": Value error, ", ": ")
    end = "" if words.endswith((".", "?", "!")) else "."
    if re.fullmatch(r"-\d+", getattr(error, "option_name", "")):
        end += " A number below 0 stands behind its option, or behind --."
    if context is None:
        return f"{words}{end} See '{PROGRAM} --help'."
    return f"{words}{end} {context.get_usage()}; see '{context.command_path} --help'."


def _complain(message: str) -> None:
    try:
        sys.stderr.write(f"{PROGRAM}: {one_line(message)}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        return


def _drop_output() -> None:
    """Keep the interpreter from complaining once more while it ends: what is left goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _make_output_possible() -> None:
    """Streams that were closed (``>&-``) lead nowhere, and letters the locale lacks become ``?``.

    A closed stream's number would else be taken by the next file that is opened.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def main() -> None:
    """Run the program with the arguments it was started with."""
    _make_output_possible()
    sys.exit(run(sys.argv[1:]))
